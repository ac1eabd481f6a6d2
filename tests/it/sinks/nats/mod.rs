//! The NATS sink: its bench for the conformance suite, and what only NATS has.

mod access;
mod cloudevents;
mod fast;
mod identity;
mod once;
mod order;
mod settings;
mod stream;

use std::{collections::BTreeMap, sync::Arc};

use async_nats::jetstream::stream::Config;
use oktabus::{
    config::{Encoding, NatsAuth, NatsBus, NatsSink, SinkConfig},
    message::{Message, Messages, Template, TemplateUse},
    sink::{Sink, SinkError, SinkFactory as _},
    state::SinkMark,
};

use super::{
    arrived::Arrived,
    conformance::{Bench, BusBench},
};
use crate::support::{
    events::origin,
    nats::{NatsServer, Stored},
};

const STREAM: &str = "OKTA";
/// Where all synthetic events go.
const SUBJECT: &str = "okta.acme.okta.user.session.start";

/// A server with one stream, which takes atomic batches or not, and fast ingest or not.
pub(super) struct BenchOf<const IN_BATCHES: bool, const FAST: bool> {
    server: NatsServer,
    encoding: Encoding,
}

/// A stream that takes messages one by one.
pub(super) type NatsBench = BenchOf<false, false>;
/// A stream that takes atomic batches.
pub(super) type NatsBatchesBench = BenchOf<true, false>;
/// A stream that takes fast ingest.
pub(super) type NatsFastBench = BenchOf<true, true>;

impl<const IN_BATCHES: bool, const FAST: bool> Bench for BenchOf<IN_BATCHES, FAST> {
    async fn new(encoding: Encoding) -> Self {
        let stream = Config { allow_atomic_publish: IN_BATCHES, allow_batch_publish: FAST, ..stream() };
        Self { server: server_with(stream).await, encoding }
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::Nats(NatsSink { encoding: self.encoding, ..sink(self.server.bus(NatsAuth::None)) })
    }

    fn expected(&self, message: &Message<'_>) -> Arrived {
        Arrived::expected(SUBJECT, message)
    }

    async fn arrived(&self) -> Vec<Arrived> {
        self.server.stored(STREAM).await.iter().map(read).collect()
    }
}

impl<const IN_BATCHES: bool, const FAST: bool> BusBench for BenchOf<IN_BATCHES, FAST> {
    /// Twice the server's default `max_payload`.
    const TOO_LARGE_BYTES: usize = 2 << 20;

    async fn alone(encoding: Encoding) -> Self {
        Self::new(encoding).await
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

fn read(stored: &Stored) -> Arrived {
    let arrived = if stored.header("Content-Type") == Some("application/cloudevents+json") {
        Arrived::structured(&stored.subject, &stored.payload)
    } else {
        let attribute =
            |(name, value): &(String, String)| Some((name.strip_prefix("ce-")?.to_owned(), value.clone()));
        let attributes: BTreeMap<_, _> = stored.headers.iter().filter_map(attribute).collect();
        Arrived::binary(&stored.subject, attributes, &stored.payload)
    };
    let id = &arrived.envelope.as_ref().unwrap().attributes["id"];
    let message_id = stored.header("Nats-Msg-Id").unwrap();
    assert!(message_id.starts_with(&format!("acme:{id}#")), "{message_id}");
    arrived
}

/// A stream that takes what the sink sends.
fn stream() -> Config {
    Config { name: STREAM.to_owned(), subjects: vec!["okta.>".to_owned()], ..Config::default() }
}

/// The same, which takes messages one by one, in atomic batches, and by fast ingest.
fn streams() -> [Config; 3] {
    let in_batches = Config { allow_atomic_publish: true, ..stream() };
    [stream(), in_batches.clone(), Config { allow_batch_publish: true, ..in_batches }]
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
        unacknowledged_max: 1_024,
        transactions: None,
    }
}

async fn open(sink: &NatsSink, mark: Option<&SinkMark>) -> Result<Box<dyn Sink>, SinkError> {
    SinkConfig::Nats(sink.clone()).open(&origin(), mark).await
}

/// Publishes all of `batch` and gives the mark that is to be kept with the cursor.
async fn deliver(sink: &mut Box<dyn Sink>, batch: &Arc<Messages>) -> SinkMark {
    let settled = sink.publish(batch, 0).await.unwrap().await.unwrap();
    assert_eq!(settled.rejected(), []);
    settled.mark().unwrap().clone()
}

/// Asserts that the stream has the events of `batches` and no others, each once and in order.
async fn assert_stored(server: &NatsServer, batches: &[Arc<Messages>]) {
    let stored = server.stored(STREAM).await;
    let stored: Vec<_> = stored.iter().filter_map(|stored| stored.header("ce-id")).collect();
    let messages = batches.iter().flat_map(|batch| batch.messages());
    let published: Vec<_> = messages.map(|message| message.event.uuid().unwrap()).collect();
    let mismatch = stored.iter().zip(&published).position(|(stored, published)| stored != published);
    assert_eq!((mismatch, stored.len()), (None, published.len()));
}
