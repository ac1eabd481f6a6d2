//! The queue on which scenes put commands: that of NATS, which each scene has, or a Kafka topic instead. Outcomes go to NATS
//! either way.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use jiff::Timestamp;
use rdkafka::{
    ClientConfig, Offset,
    consumer::{BaseConsumer, Consumer as _},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::Value;

use super::scene::{Scene, outcomes_sink};
use crate::support::{daemon::Workplace, kafka::Broker};

const PARTITIONS: i32 = 3;

const FROM_KAFKA: &str = r#"
[orgs.acme]
url = "{okta}"
auth = { token_file = "{dir}/token" }
budget = { share = 1.0 }
[commands.hr]
org = "acme"
intake = { kind = "kafka", topic = "{topic}", group = "{topic}" }
signature = { required = false }
outcomes = { sink = "outcomes", subject = "outcomes.{action}" }
{policy}
{kafka}
{outcomes}
"#;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) enum Queue {
    Nats,
    Kafka { topic: String, producer: FutureProducer, configuration: String },
}

impl Queue {
    /// A scene with the daemon at work under this policy, and its queue of NATS.
    pub(super) async fn nats(policy: &str) -> (Scene, Self) {
        (Scene::start(policy).await, Self::Nats)
    }

    /// The same with a topic of its own.
    pub(super) async fn kafka(policy: &str) -> (Scene, Self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let broker = Broker::shared().await;
        let topic = format!("scene-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        broker.create_topic(&topic, PARTITIONS, &[]).await;
        let brokers = &broker.bus().brokers[0];
        let mut scene = Scene::prepare(policy).await;
        let text = FROM_KAFKA
            .replace("{okta}", scene.okta.url())
            .replace("{topic}", &topic)
            .replace("{policy}", policy)
            .replace("{kafka}", &broker.section())
            .replace("{outcomes}", &outcomes_sink(&scene.nats));
        scene.workplace.configure(&text);
        scene.resume();
        let producer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        (scene, Self::Kafka { topic, producer, configuration: text })
    }

    /// Another place for a daemon that reads the same topic, with a state of its own.
    pub(super) fn another_workplace(&self) -> Workplace {
        let Self::Kafka { configuration, .. } = self else { panic!("it is for Kafka") };
        Workplace::with_orgs(configuration)
    }

    /// Puts a command of the user `user` on it.
    pub(super) async fn send(&self, scene: &Scene, user: &str, command: &Value) {
        self.send_raw(scene, user, command.to_string().as_bytes()).await;
    }

    /// Puts a command on it as if that had happened at `at`. For Kafka.
    pub(super) async fn send_as_of(&self, at: Timestamp, command: &Value) {
        let Self::Kafka { topic, producer, .. } = self else { panic!("NATS dates messages itself") };
        let payload = command.to_string();
        let record = FutureRecord::to(topic).key("k").payload(&payload).timestamp(at.as_millisecond());
        let sent = producer.send_result(record).map_err(|(err, _)| err).unwrap();
        sent.await.unwrap().map_err(|(err, _)| err).unwrap();
    }

    /// How many messages are done with, as the broker knows it.
    pub(super) async fn acknowledged(&self, scene: &Scene) -> u64 {
        let Self::Kafka { topic, .. } = self else {
            let stream = scene.nats.jetstream().await.get_stream("COMMANDS").await.unwrap();
            return stream.consumer_info("oktabus-hr").await.unwrap().ack_floor.stream_sequence;
        };
        let (topic, mut client) = (topic.clone(), ClientConfig::new());
        client.set("bootstrap.servers", &Broker::shared().await.bus().brokers[0]).set("group.id", &topic);
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client.create().unwrap();
            let mut partitions = rdkafka::TopicPartitionList::new();
            partitions.add_partition_range(&topic, 0, PARTITIONS - 1);
            let committed = consumer.committed_offsets(partitions, PATIENCE).unwrap();
            let offsets = committed.elements().into_iter().map(|partition| match partition.offset() {
                Offset::Offset(offset) => u64::try_from(offset).unwrap(),
                _ => 0,
            });
            offsets.sum()
        });
        asked.await.unwrap()
    }

    /// Puts a message on it.
    pub(super) async fn send_raw(&self, scene: &Scene, user: &str, payload: &[u8]) {
        let Self::Kafka { topic, producer, .. } = self else { return scene.send_raw(payload, &[]).await };
        let record = FutureRecord::to(topic).key(user).payload(payload);
        let sent = producer.send_result(record).map_err(|(err, _)| err).unwrap();
        sent.await.unwrap().map_err(|(err, _)| err).unwrap();
    }
}
