//! Where the cases of transactional sinks try Kafka.

use std::sync::Arc;

use oktabus::{
    config::{Encoding, KafkaSink, KafkaTransactions, SinkConfig},
    message::{Origin, Template, TemplateUse},
};

use super::{CommitBench, fresh_origin};
use crate::{
    sinks::{arrived::Arrived, kafka::topic_name},
    support::kafka::Broker,
};

const PARTITIONS: i32 = 3;

/// A topic and a topic of checkpoints, on the shared broker or on one of its own.
pub(super) struct KafkaCommits {
    broker: Place,
    topic: String,
    origin: Arc<Origin>,
}

enum Place {
    Shared(&'static Broker),
    Own(Box<Broker>),
}

impl KafkaCommits {
    async fn on(broker: Place) -> Self {
        let bench = Self { broker, topic: topic_name(), origin: fresh_origin() };
        bench.broker().create_topic(&bench.topic, PARTITIONS, &[]).await;
        bench
    }

    fn broker(&self) -> &Broker {
        match &self.broker {
            Place::Shared(broker) => broker,
            Place::Own(broker) => broker,
        }
    }

    fn own_broker(&mut self) -> &mut Broker {
        match &mut self.broker {
            Place::Shared(_) => panic!("the shared broker must not be disturbed"),
            Place::Own(broker) => broker,
        }
    }
}

impl CommitBench for KafkaCommits {
    const TOO_LARGE_BYTES: usize = 1_100_000;
    const LARGE_BYTES: usize = 30_000;

    async fn new() -> Self {
        Self::on(Place::Shared(Broker::shared().await)).await
    }

    async fn alone() -> Self {
        Self::on(Place::Own(Box::new(Broker::start().await))).await
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::Kafka(KafkaSink {
            name: "siem".to_owned(),
            bus: Arc::new(self.broker().bus_with(&[("compression.type", "none")])),
            topic: Template::parse(&self.topic, TemplateUse::Topic).unwrap(),
            key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
            encoding: Encoding::Binary,
            transactions: Some(KafkaTransactions { checkpoint_topic: format!("{}-checkpoints", self.topic) }),
        })
    }

    fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.origin)
    }

    async fn committed(&self) -> Vec<Arrived> {
        let records = self.broker().records(&self.topic).await;
        records.into_iter().map(|record| Arrived::bare(&record.value)).collect()
    }

    async fn take_less(&self) {
        self.broker().set_topic(&self.topic, &[("max.message.bytes", "20000")]).await;
    }

    fn kill(&mut self) {
        self.own_broker().kill();
    }

    async fn restart(&mut self) {
        self.own_broker().restart().await;
    }

    fn freeze(&mut self) {
        self.own_broker().process().freeze();
    }

    fn thaw(&mut self) {
        self.own_broker().process().thaw();
    }
}
