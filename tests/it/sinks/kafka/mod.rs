//! The Kafka sink on real brokers: what only Kafka does or says. What every sink does is in the conformance suite.

mod access;
mod bench;
mod cloudevents;
mod outage;
mod records;
mod rotation;
mod tokens;
mod topics;
mod transactions;

pub(super) use bench::KafkaBench;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use oktabus::{
    bus::Finding,
    config::{Encoding, KafkaBus, KafkaSink, SinkConfig},
    message::{Origin, Template, TemplateUse},
    sink::{self, Sink, SinkError, SinkFactory as _},
};

use crate::support::events::origin;

/// What is told at all is told within this.
const TOLD_WITHIN: Duration = Duration::from_secs(15);

/// A topic name that no other test has.
pub(super) fn topic_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("events-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn sink(bus: Arc<KafkaBus>, topic: &str, encoding: Encoding) -> SinkConfig {
    SinkConfig::Kafka(KafkaSink {
        name: "siem".to_owned(),
        bus,
        topic: Template::parse(topic, TemplateUse::Topic).unwrap(),
        key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
        encoding,
        transactions: None,
    })
}

fn binary_sink(bus: KafkaBus, topic: &str) -> SinkConfig {
    sink(Arc::new(bus), topic, Encoding::Binary)
}

async fn open(config: &SinkConfig) -> Result<Box<dyn Sink>, SinkError> {
    config.open(&origin(), None).await
}

async fn check(config: &SinkConfig) -> Result<Vec<Finding>, SinkError> {
    sink::check(config, &[Origin::clone(&origin())]).await
}

/// Why a sink with `config` does not open, told soon.
async fn refusal(config: &SinkConfig) -> SinkError {
    let start = Instant::now();
    let error = open(config).await.expect_err("the sink should not open");
    assert!(start.elapsed() < TOLD_WITHIN, "told only after {:?}", start.elapsed());
    error
}
