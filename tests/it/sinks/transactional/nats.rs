//! Exactly once into JetStream: messages and the checkpoint of their route in one atomic batch.

mod contract;

use std::sync::Arc;

use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use oktabus::{
    config::{Encoding, NatsAuth, NatsBus, NatsSink, NatsTransactions, SinkConfig},
    message::{Messages, Origin, Template, TemplateUse},
    sink::{CommitError, SinkError, TransactionalFactory as _, TransactionalSink},
};

use crate::support::{
    events::origin,
    nats::{NatsServer, Stored},
};

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

/// What whoever writes begins with. Gives the last checkpoint.
async fn take_over(sink: &mut Box<dyn TransactionalSink>) -> Option<Bytes> {
    sink.last_checkpoint().await.unwrap();
    sink.fence().await.unwrap();
    sink.last_checkpoint().await.unwrap()
}

/// Stages all of `messages`, none of which is rejected.
async fn stage(sink: &mut Box<dyn TransactionalSink>, messages: &Arc<Messages>) -> Result<(), SinkError> {
    assert_eq!(sink.stage(messages, 0..messages.len()).await?, []);
    Ok(())
}

async fn commit(sink: &mut Box<dyn TransactionalSink>, checkpoint: &str) -> Result<(), CommitError> {
    sink.commit(Bytes::from(checkpoint.to_owned())).await?.await
}

/// Commits all of `messages` with this checkpoint.
async fn deliver(sink: &mut Box<dyn TransactionalSink>, messages: &Arc<Messages>, checkpoint: &str) {
    stage(sink, messages).await.unwrap();
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

/// Asserts that the stream has the events of `batches` and no others, each once and in order, and this checkpoint alone.
async fn assert_read(server: &NatsServer, batches: &[Arc<Messages>], checkpoint: &str) {
    let (checkpoints, events) = read(server).await;
    assert_eq!(checkpoints, [checkpoint]);
    assert!(events == ids(batches), "{} events for {}", events.len(), ids(batches).len());
}
