//! Where the conformance suite tries the Kafka sink.

use oktabus::{
    config::{Encoding, SinkConfig},
    message::Message,
};

use super::{sink, topic_name};
use crate::{
    sinks::{
        arrived::Arrived,
        conformance::{Bench, BusBench},
    },
    support::kafka::{Broker, Record},
};

const PARTITIONS: i32 = 3;

/// A topic on the shared broker or on one of its own.
pub(in crate::sinks) struct KafkaBench {
    broker: Place,
    topic: String,
    encoding: Encoding,
}

enum Place {
    Shared(&'static Broker),
    Own(Box<Broker>),
}

impl KafkaBench {
    async fn on(broker: Place, encoding: Encoding) -> Self {
        let bench = Self { broker, topic: topic_name(), encoding };
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

    fn arrived_as(&self, mut record: Record) -> Arrived {
        let content_type = record.headers.remove("content-type").unwrap_or_default();
        match self.encoding {
            Encoding::Binary => {
                let attribute =
                    |name: &str| name.strip_prefix("ce_").unwrap_or_else(|| panic!("{name}")).to_owned();
                let headers = record.headers.iter().map(|(name, value)| (attribute(name), value.clone()));
                let headers = headers.chain([("datacontenttype".to_owned(), content_type)]).collect();
                Arrived::binary(&record.key, headers, &record.value)
            }
            Encoding::Structured => {
                assert_eq!(content_type, "application/cloudevents+json; charset=UTF-8");
                Arrived::structured(&record.key, &record.value)
            }
        }
    }
}

impl Bench for KafkaBench {
    async fn new(encoding: Encoding) -> Self {
        Self::on(Place::Shared(Broker::shared().await), encoding).await
    }

    fn config(&self) -> SinkConfig {
        sink(self.broker().bus(), &self.topic, self.encoding)
    }

    fn expected(&self, message: &Message<'_>) -> Arrived {
        Arrived::expected(message.event.subject().unwrap(), message)
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let records = self.broker().records(&self.topic).await;
        records.into_iter().map(|record| self.arrived_as(record)).collect()
    }
}

impl BusBench for KafkaBench {
    const TOO_LARGE_BYTES: usize = 1_100_000;

    async fn alone(encoding: Encoding) -> Self {
        Self::on(Place::Own(Box::new(Broker::start().await)), encoding).await
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
