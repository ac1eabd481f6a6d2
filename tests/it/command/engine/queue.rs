//! The queue on which scenes put commands: that of NATS, which each scene has, or a Kafka topic instead. Outcomes go to NATS
//! either way.

use std::sync::atomic::{AtomicU32, Ordering};

use rdkafka::{
    ClientConfig,
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
intake = { kind = "kafka", topic = "{topic}" }
signature = { required = false }
outcomes = { sink = "outcomes", subject = "outcomes.{action}" }
{policy}
{kafka}
{outcomes}
"#;

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

    /// Puts a message on it.
    pub(super) async fn send_raw(&self, scene: &Scene, user: &str, payload: &[u8]) {
        let Self::Kafka { topic, producer, .. } = self else { return scene.send_raw(payload, &[]).await };
        let record = FutureRecord::to(topic).key(user).payload(payload);
        let sent = producer.send_result(record).map_err(|(err, _)| err).unwrap();
        sent.await.unwrap().map_err(|(err, _)| err).unwrap();
    }
}
