//! Secrets and authorities that change while clients run: no restart is needed, for sinks, intakes and publishers.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc, time::Duration};

use oktabus::{
    command::{
        intake::Intake,
        publisher::{self, Publication, Records},
    },
    config::{IntakeConfig, KafkaBus, Secret},
    sink::{Receipt, Sink},
};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{binary_sink, open, sink, topic_name};
use crate::{
    command::publisher::outcome,
    support::{
        events::batch,
        kafka::{Broker, PASSWORD},
        tools::eventually,
    },
};

/// A broker lets nobody stay for longer without authenticating again.
pub(super) const REAUTHENTICATE: &str = "listener.name.sasl_ssl.scram-sha-512.connections.max.reauth.ms=1500";

/// The files that a client has its credentials in.
pub(super) struct Files {
    directory: TempDir,
}

impl Files {
    pub(super) fn new(broker: &Broker) -> Self {
        let files = Self { directory: TempDir::new().unwrap() };
        files.write_password(PASSWORD);
        files.take_authority(broker);
        files
    }

    pub(super) fn write_password(&self, password: &str) {
        fs::write(self.password(), password).unwrap();
        fs::set_permissions(self.password(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn take_authority(&self, broker: &Broker) {
        fs::copy(broker.certificates().authority(), self.authority()).unwrap();
    }

    fn password(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    pub(super) fn bus(&self, broker: &Broker) -> KafkaBus {
        let mut bus = broker.secured_bus("writer", PASSWORD);
        bus.options.insert("ssl.ca.location".to_owned(), self.authority().display().to_string());
        bus.secret_options.insert("sasl.password".to_owned(), Secret::File(self.password()));
        bus
    }
}

/// Delivers a batch as a route does: again and again until it is proved.
async fn deliver(sink: &mut Box<dyn Sink>) {
    let batch = batch(0..10);
    eventually("the batch to be delivered", async || {
        let receipt = sink.publish(&batch, 0).await.ok()?;
        if receipt.await.is_ok() {
            return Some(());
        }
        let _ = sink.recover().await;
        None
    })
    .await;
}

#[tokio::test]
async fn a_sink_goes_on_with_a_password_that_was_changed() {
    let broker = Broker::start_secured_with(REAUTHENTICATE, &[]).await;
    let (files, topic) = (Files::new(&broker), topic_name());
    broker.create_topic(&topic, 1, &[]).await;
    broker.allow("writer", "All", &topic);
    let bus = Arc::new(files.bus(&broker));
    let mut sink = open(&sink(Arc::clone(&bus), &topic, oktabus::config::Encoding::Binary)).await.unwrap();
    deliver(&mut sink).await;

    broker.change_password("writer", "battery staple");
    // What is open stays open for a moment.
    let (number, stuck) = first_stuck(&mut sink).await;
    eventually("the trouble to be told", async || {
        sink.stall_reason()().filter(|stall| stall.reason.contains("authentication failed"))
    })
    .await;
    files.write_password("battery staple");
    let failure = stuck.await.unwrap_err();
    assert!(failure.error.to_string().contains("have changed at their source"), "{}", failure.error);
    sink.recover().await.unwrap();
    deliver(&mut sink).await;
    assert_eq!(broker.records(&topic).await.len() as u64, number * 10, "each event once");

    // Told to, it looks even while nothing is wrong.
    broker.change_password("writer", PASSWORD);
    files.write_password(PASSWORD);
    bus.reloads.ask();
    eventually("the client to be given up", async || {
        let receipt = sink.publish(&batch(0..10), 0).await.unwrap();
        receipt.await.err().filter(|failure| failure.error.to_string().contains("have changed"))
    })
    .await;
    sink.recover().await.unwrap();
    deliver(&mut sink).await;
    sink.close().await;
}

/// Publishes batch after batch until one does not arrive. Its number, and what will be told of it.
async fn first_stuck(sink: &mut Box<dyn Sink>) -> (u64, Receipt) {
    for number in 2.. {
        let mut receipt = sink.publish(&batch(0..10), 0).await.unwrap();
        match timeout(Duration::from_secs(2), &mut receipt).await {
            Ok(settled) => assert_eq!(settled.unwrap().rejected(), []),
            Err(_) => return (number, receipt),
        }
    }
    unreachable!("there is always another batch");
}

#[tokio::test]
async fn a_sink_goes_on_with_an_authority_that_was_changed() {
    let mut broker = Broker::start_secured_with("", &[]).await;
    let (files, topic) = (Files::new(&broker), topic_name());
    broker.create_topic(&topic, 1, &[]).await;
    broker.allow("writer", "All", &topic);
    let mut sink = open(&binary_sink(files.bus(&broker), &topic)).await.unwrap();
    deliver(&mut sink).await;

    broker.certificates().renew();
    broker.kill();
    broker.restart().await;
    let stuck = sink.publish(&batch(0..10), 0).await.unwrap();
    eventually("the trouble to be told", async || {
        sink.stall_reason()().filter(|stall| stall.reason.contains("TLS"))
    })
    .await;
    files.take_authority(&broker);
    stuck.await.unwrap_err();
    sink.recover().await.unwrap();
    deliver(&mut sink).await;
    sink.close().await;
    assert_eq!(broker.records(&topic).await.len(), 20);
}

#[tokio::test]
async fn commands_go_on_with_a_password_that_was_changed() {
    let broker = Broker::start_secured_with(REAUTHENTICATE, &[]).await;
    let (files, queue, outcomes) = (Files::new(&broker), topic_name(), topic_name());
    for topic in [&queue, &outcomes] {
        broker.create_topic(topic, 1, &[]).await;
        broker.allow("writer", "All", topic);
    }
    broker.allow_group("writer", "oktabus-tests");
    let bus = Arc::new(files.bus(&broker));
    let intake = IntakeConfig::Kafka {
        bus: Arc::clone(&bus),
        topic: queue.clone(),
        group: "oktabus-tests".to_owned(),
    };
    let mut intake = Intake::open(&intake, "provisioning").await.unwrap();
    let sink = sink(bus, &outcomes, oktabus::config::Encoding::Binary);
    let publisher = publisher::open(&sink, "provisioning", Records::Outcomes, &[]).unwrap();
    let publication = |id: &str| Publication::outcome("provisioning", &outcome(id), Some("00u1"), 0).unwrap();
    publisher.publish(&publication("first")).await.unwrap();
    broker.produce_with_java(&queue, "1:first\n");
    intake.next().await.unwrap().acknowledgement.ack().await;

    broker.change_password("writer", "battery staple");
    eventually("the trouble to be told", async || {
        let told = timeout(Duration::from_millis(100), intake.next()).await;
        told.ok().and_then(Result::err).filter(|err| err.to_string().contains("authentication failed"))
    })
    .await;
    files.write_password("battery staple");
    broker.produce_with_java(&queue, "1:second\n");
    let (second, ()) = tokio::join!(
        eventually("the second command", async || intake.next().await.ok()),
        eventually("the second outcome", async || publisher.publish(&publication("second")).await.ok()),
    );
    assert_eq!(&second.payload[..], b"second");
    second.acknowledgement.ack().await;
    intake.close().await;
    publisher.close().await;
    let ids: Vec<_> = broker.records(&outcomes).await.into_iter().map(|record| record.value).collect();
    assert!(ids.last().unwrap().windows(6).any(|window| window == b"second"), "{ids:?}");
}
