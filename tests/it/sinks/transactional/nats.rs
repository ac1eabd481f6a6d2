//! Exactly once into JetStream: messages and the checkpoint of their route in one atomic batch.

mod batches;
mod contract;
mod faults;
mod fence;
mod refusals;
mod room;
mod settings;

use std::sync::Arc;

use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use oktabus::{
    bus::BusError,
    config::{Encoding, NatsAuth, NatsBus, NatsSink, NatsTransactions, SinkConfig},
    message::{Messages, Origin, Template, TemplateUse},
    sink::{CommitError, CommitReceipt, SinkError, TransactionalFactory as _, TransactionalSink},
};

use super::{CommitBench, fresh_origin};
use crate::{
    sinks::arrived::Arrived,
    support::{
        events::origin,
        nats::{NatsServer, Stored, bus_of},
        proxy::Proxy,
        tools::eventually,
    },
};

/// A server with one stream.
pub(super) struct NatsCommits {
    server: NatsServer,
    origin: Arc<Origin>,
}

impl CommitBench for NatsCommits {
    /// Twice the server's default `max_payload`.
    const TOO_LARGE_BYTES: usize = 2 << 20;
    const LARGE_BYTES: usize = 200 << 10;

    async fn new() -> Self {
        Self { server: server_with(stream()).await, origin: fresh_origin() }
    }

    async fn alone() -> Self {
        Self::new().await
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::Nats(sink(self.server.bus(NatsAuth::None)))
    }

    fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.origin)
    }

    async fn committed(&self) -> Vec<Arrived> {
        let stored = self.server.stored(STREAM).await;
        let events = stored.iter().filter(|stored| stored.subject.starts_with("okta."));
        events.map(|event| Arrived::bare(&event.payload)).collect()
    }

    async fn take_less(&self) {
        let less = Config { max_message_size: 128 << 10, ..stream() };
        self.server.jetstream().await.update_stream(less).await.unwrap();
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    async fn restart(&mut self) {
        self.server.restart().await;
    }

    fn freeze(&mut self) {
        self.server.freeze();
    }

    fn thaw(&mut self) {
        self.server.thaw();
    }
}

const STREAM: &str = "OKTA";
const CHECKPOINTS: &str = "oktabus.checkpoints.OKTA.>";

/// A stream that has all that is needed.
fn stream() -> Config {
    Config {
        name: STREAM.to_owned(),
        subjects: vec!["okta.>".to_owned(), CHECKPOINTS.to_owned()],
        allow_atomic_publish: true,
        allow_rollup: true,
        ..Config::default()
    }
}

async fn server_with(stream: Config) -> NatsServer {
    let server = NatsServer::start().await;
    server.create_stream(stream).await;
    server
}

fn sink(bus: NatsBus) -> NatsSink {
    NatsSink {
        name: "events".to_owned(),
        bus: Arc::new(bus),
        stream: STREAM.to_owned(),
        subject: Template::parse("okta.{org}.{format}.{event_type}", TemplateUse::Subject).unwrap(),
        key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
        encoding: Encoding::Binary,
        create: None,
        unacknowledged_max: 4_096,
        transactions: Some(NatsTransactions { checkpoint_prefix: "oktabus.checkpoints".to_owned() }),
    }
}

async fn open_for(sink: &NatsSink, origin: &Arc<Origin>) -> Result<Box<dyn TransactionalSink>, SinkError> {
    SinkConfig::Nats(sink.clone()).open(origin).await
}

/// Opens the sink of [`origin`]'s route on a server that lets everybody in, and takes the route over.
async fn open(server: &NatsServer) -> Box<dyn TransactionalSink> {
    let mut sink = open_for(&sink(server.bus(NatsAuth::None)), &origin()).await.unwrap();
    take_over(&mut sink).await;
    sink
}

/// Opens the sink of [`origin`]'s route by way of `proxy`, and takes the route over.
async fn open_through(proxy: &Proxy) -> Box<dyn TransactionalSink> {
    let bus = bus_of(vec![format!("nats://127.0.0.1:{}", proxy.port())], NatsAuth::None);
    let mut sink = open_for(&sink(bus), &origin()).await.unwrap();
    take_over(&mut sink).await;
    sink
}

/// What whoever writes begins with. Gives the last checkpoint.
async fn take_over(sink: &mut Box<dyn TransactionalSink>) -> Option<Bytes> {
    sink.last_checkpoint().await.unwrap();
    sink.fence().await.unwrap();
    sink.last_checkpoint().await.unwrap()
}

/// Stages all of `messages`, none of which is rejected.
async fn stage(sink: &mut Box<dyn TransactionalSink>, messages: &Arc<Messages>) {
    assert_eq!(sink.stage(messages, 0..messages.len()).await.unwrap(), []);
}

async fn commit(sink: &mut Box<dyn TransactionalSink>, checkpoint: &str) -> Result<(), CommitError> {
    sink.commit(Bytes::from(checkpoint.to_owned())).await?.await
}

/// Commits all of `messages` with this checkpoint.
async fn deliver(sink: &mut Box<dyn TransactionalSink>, messages: &Arc<Messages>, checkpoint: &str) {
    stage(sink, messages).await;
    commit(sink, checkpoint).await.unwrap();
}

/// What a reader of the stream sees: the checkpoint, and the ids of the events in their order.
async fn read(server: &NatsServer) -> (Vec<String>, Vec<String>) {
    split(&server.stored(STREAM).await)
}

fn split(stored: &[Stored]) -> (Vec<String>, Vec<String>) {
    let (checkpoints, events): (Vec<_>, Vec<_>) =
        stored.iter().partition(|stored| stored.subject.starts_with("oktabus.checkpoints."));
    let checkpoints = checkpoints.iter().map(|stored| String::from_utf8(stored.payload.clone()).unwrap());
    let events = events.iter().map(|stored| stored.header("ce-id").unwrap().to_owned());
    (checkpoints.collect(), events.collect())
}

/// The ids of all events of `batches`, in their order.
fn ids(batches: &[Arc<Messages>]) -> Vec<String> {
    let messages = batches.iter().flat_map(|batch| batch.messages());
    messages.map(|message| message.event.uuid().unwrap().to_owned()).collect()
}

/// Begins anew after an error, as soon as the bus lets it. Gives the last checkpoint.
async fn begin_anew(sink: &mut Box<dyn TransactionalSink>) -> Option<Bytes> {
    let anew = async || {
        sink.recover().await.ok()?;
        sink.last_checkpoint().await.ok()?;
        sink.fence().await.ok()?;
        sink.last_checkpoint().await.ok()
    };
    eventually("the sink to begin anew", anew).await
}

/// Delivers `batches` as a route does: each is a transaction, whose checkpoint says how many are delivered; the next one is
/// staged while one is awaited; and after an error it goes on where the bus says it stands. How often that was.
async fn deliver_all(sink: &mut Box<dyn TransactionalSink>, batches: &[Arc<Messages>]) -> usize {
    let mut stands = standing(take_over(sink).await);
    let mut errors = 0;
    while stands < batches.len() {
        if let Err(error) = deliver_from(sink, batches, stands).await {
            assert!(!matches!(error, CommitError::Refused { .. }), "{error}");
            errors += 1;
        }
        stands = standing(begin_anew(sink).await);
    }
    errors
}

async fn deliver_from(
    sink: &mut Box<dyn TransactionalSink>,
    batches: &[Arc<Messages>],
    from: usize,
) -> Result<(), CommitError> {
    let mut receipt: Option<CommitReceipt> = None;
    for (batch, number) in batches.iter().zip(1..).skip(from) {
        assert_eq!(sink.stage(batch, 0..batch.len()).await?, []);
        if let Some(receipt) = receipt.take() {
            receipt.await?;
        }
        receipt = Some(sink.commit(Bytes::from(number.to_string())).await?);
    }
    match receipt {
        Some(receipt) => receipt.await,
        None => Ok(()),
    }
}

fn standing(checkpoint: Option<Bytes>) -> usize {
    checkpoint.map_or(0, |checkpoint| str::from_utf8(&checkpoint).unwrap().parse().unwrap())
}

/// The reason of an error for which an operator has to change something.
fn misconfigured(error: SinkError) -> String {
    match error {
        SinkError::Bus(BusError::Misconfigured { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The same of a commit.
fn misconfigured_commit(done: Result<(), CommitError>) -> String {
    match done {
        Err(CommitError::Sink(error)) => misconfigured(error),
        other => panic!("{other:?}"),
    }
}

fn assert_fenced(done: &Result<(), CommitError>) {
    assert!(matches!(done, Err(CommitError::Fenced(_))), "{done:?}");
}

/// Asserts that the stream has the events of `batches` and no others, each once and in order, and this checkpoint alone.
async fn assert_read(server: &NatsServer, batches: &[Arc<Messages>], checkpoint: &str) {
    let (checkpoints, events) = read(server).await;
    assert_eq!(checkpoints, [checkpoint]);
    assert!(events == ids(batches), "{} events for {}", events.len(), ids(batches).len());
}
