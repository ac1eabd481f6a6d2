//! What only Kafka does or says about transactions. What every transactional sink does is in the suite of its cases.

use std::{sync::Arc, time::Duration};

use oktabus::{
    bus::Finding,
    config::{Encoding, KafkaBus, KafkaSink, KafkaTransactions, SinkConfig},
    message::{Origin, Template, TemplateUse},
    sink::{self, CommitError, SinkClass, SinkError, TransactionalFactory, TransactionalSink},
};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tokio::time::timeout;

use super::{access::assert_told, rotation::Files, topic_name};
use crate::{
    sinks::transactional::fresh_origin,
    support::{
        events::{batch, batches},
        kafka::{Broker, PASSWORD},
        tools::eventually,
    },
};

/// A topic of messages and one of checkpoints, and a route to them.
struct Scene {
    topic: String,
    checkpoints: String,
    origin: Arc<Origin>,
}

impl Scene {
    async fn new(broker: &Broker) -> Self {
        let topic = topic_name();
        broker.create_topic(&topic, 1, &[]).await;
        Self { checkpoints: format!("{topic}-checkpoints"), topic, origin: fresh_origin() }
    }

    fn config(&self, bus: Arc<KafkaBus>) -> SinkConfig {
        SinkConfig::Kafka(KafkaSink {
            name: "siem".to_owned(),
            bus,
            topic: Template::parse(&self.topic, TemplateUse::Topic).unwrap(),
            key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
            encoding: Encoding::Binary,
            transactions: Some(KafkaTransactions { checkpoint_topic: self.checkpoints.clone() }),
        })
    }

    async fn try_open(&self, bus: Arc<KafkaBus>) -> Result<Box<dyn TransactionalSink>, SinkError> {
        TransactionalFactory::open(&self.config(bus), &self.origin).await
    }

    async fn open(&self, broker: &Broker) -> Box<dyn TransactionalSink> {
        let mut sink = self.try_open(broker.bus()).await.unwrap();
        sink.fence().await.unwrap();
        sink.last_checkpoint().await.unwrap();
        sink
    }

    async fn check(&self, broker: &Broker) -> Result<Vec<Finding>, SinkError> {
        sink::check(&self.config(broker.bus()), &[Origin::clone(&self.origin)]).await
    }

    fn transactional_id(&self) -> String {
        format!("oktabus/{}@{}", self.origin.route_identity(), self.checkpoints)
    }
}

/// A transaction of another program, with one record in `topic` that has arrived.
fn foreign_transaction(broker: &Broker, topic: &str) -> BaseProducer {
    let mut properties = ClientConfig::new();
    properties.set("bootstrap.servers", &broker.bus().brokers[0]).set("transactional.id", topic);
    let producer: BaseProducer = properties.create().unwrap();
    producer.init_transactions(Duration::from_secs(30)).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<str, str>::to(topic).key("another route").payload("junk")).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
    producer
}

async fn commit(sink: &mut Box<dyn TransactionalSink>, checkpoint: &'static str) -> Result<(), CommitError> {
    sink.commit(checkpoint.into()).await?.await
}

#[tokio::test]
async fn kafkas_own_consumer_sees_what_is_committed_and_nothing_else() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    let mut sink = scene.open(broker).await;
    let pages = batches(4, 50);
    for (number, page) in pages.iter().enumerate() {
        sink.stage(page, 0..page.len()).await.unwrap();
        if number % 2 == 0 {
            commit(&mut sink, "so far").await.unwrap();
        } else {
            sink.recover().await.unwrap();
            sink.fence().await.unwrap();
        }
    }
    let end = batch(900..901);
    sink.stage(&end, 0..1).await.unwrap();
    commit(&mut sink, "the end").await.unwrap();
    sink.close().await;
    let expected = [&pages[0], &pages[2], &end].into_iter().flat_map(|page| page.messages());
    let expected: Vec<_> =
        expected.map(|message| String::from_utf8(message.payload.to_vec()).unwrap()).collect();
    assert_eq!(broker.read_with_java(&scene.topic, expected.len()), expected);
    assert_eq!(broker.read_with_java(&scene.checkpoints, 3), ["so far", "so far", "the end"]);
}

#[tokio::test]
async fn the_topic_of_checkpoints_is_created_compacted_and_told_of() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    let told = |findings: &[Finding], words: &str| {
        assert!(findings.iter().any(|finding| finding.text.contains(words)), "{words}: {findings:?}");
    };
    let findings = scene.check(broker).await.unwrap();
    told(&findings, &format!("there is no topic `{}`", scene.checkpoints));
    told(&findings, &format!("`{}`", scene.transactional_id()));
    scene.try_open(broker.bus()).await.unwrap().close().await;
    let findings = scene.check(broker).await.unwrap();
    told(&findings, &format!("checkpoints: the topic `{}` has 1 partitions", scene.checkpoints));
    let warnings: Vec<_> = findings.iter().filter(|finding| finding.text.contains("checkpoints: ")).collect();
    assert!(warnings.iter().all(|finding| !finding.is_warning), "{warnings:?}");
}

#[tokio::test]
async fn a_topic_of_checkpoints_that_forgets_is_refused_with_the_command_that_helps() {
    let broker = Broker::shared().await;
    for policy in ["delete", "compact,delete"] {
        let scene = Scene::new(broker).await;
        broker.create_topic(&scene.checkpoints, 1, &[("cleanup.policy", policy)]).await;
        for error in [scene.try_open(broker.bus()).await.unwrap_err(), scene.check(broker).await.unwrap_err()]
        {
            let words = ["kafka-configs.sh", "cleanup.policy=compact", scene.checkpoints.as_str()];
            assert_told(&error, SinkClass::Configuration, &words);
        }
        broker.set_topic(&scene.checkpoints, &[("cleanup.policy", "compact")]).await;
        let sink =
            eventually("the topic to be taken", async || scene.try_open(broker.bus()).await.ok()).await;
        sink.close().await;
    }
}

#[tokio::test]
async fn routes_with_topics_of_checkpoints_of_their_own_do_not_fence_each_other() {
    let broker = Broker::shared().await;
    let production = Scene::new(broker).await;
    let staging = Scene { origin: Arc::clone(&production.origin), ..Scene::new(broker).await };
    let (mut ours, mut theirs) = (production.open(broker).await, staging.open(broker).await);
    for value in ["one", "two"] {
        commit(&mut ours, value).await.unwrap();
        commit(&mut theirs, value).await.unwrap();
    }
    ours.close().await;
    theirs.close().await;
}

#[tokio::test]
async fn a_checkpoint_is_found_among_junk_in_any_partition_and_can_be_deleted() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    broker.create_topic(&scene.checkpoints, 5, &[("cleanup.policy", "compact")]).await;
    let junk: String = (0..50).map(|number| format!("other-{number}:junk\n")).collect();
    broker.produce_with_java(&scene.checkpoints, &junk);
    let mut sink = scene.open(broker).await;
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    commit(&mut sink, "ours").await.unwrap();
    broker.produce_with_java(&scene.checkpoints, &junk);
    assert_eq!(sink.last_checkpoint().await.unwrap(), Some("ours".into()));
    let ours = |value: &str| format!("{}:{value}\n", scene.origin.route_identity());
    broker.produce_with_java(&scene.checkpoints, &ours("by hand"));
    assert_eq!(sink.last_checkpoint().await.unwrap(), Some("by hand".into()));
    broker.produce_with_java(&scene.checkpoints, &ours("NULL"));
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    commit(&mut sink, "ours again").await.unwrap();
    assert_eq!(sink.last_checkpoint().await.unwrap(), Some("ours again".into()));
    sink.close().await;
    let records = broker.records(&scene.checkpoints).await;
    let ours = records.iter().filter(|record| record.key == scene.origin.route_identity());
    let mut places: Vec<_> = ours.map(|record| record.partition).collect();
    places.dedup();
    assert_eq!(places.len(), 1, "Kafka's own tools write where we do");
}

#[tokio::test]
async fn a_checkpoint_in_another_partition_is_found_and_followed() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    broker.create_topic(&scene.checkpoints, 1, &[("cleanup.policy", "compact")]).await;
    let mut sink = scene.open(broker).await;
    commit(&mut sink, "one").await.unwrap();
    sink.close().await;
    broker.add_partitions(&scene.checkpoints, 7).await;
    for (before, after) in [("one", "two"), ("two", "three")] {
        let mut sink = scene.open(broker).await;
        assert_eq!(sink.last_checkpoint().await.unwrap(), Some(before.into()));
        commit(&mut sink, after).await.unwrap();
        sink.close().await;
    }
    assert_eq!(
        broker.records(&scene.checkpoints).await.iter().filter(|record| record.partition != 0).count(),
        0
    );
}

#[tokio::test]
async fn what_is_final_waits_for_transactions_of_others_and_looking_does_not() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    let mut first = scene.open(broker).await;
    commit(&mut first, "one").await.unwrap();
    let foreign = foreign_transaction(broker, &scene.checkpoints);
    commit(&mut first, "two").await.unwrap();
    first.close().await;

    let mut second = scene.try_open(broker.bus()).await.unwrap();
    assert_eq!(second.last_checkpoint().await.unwrap(), Some("one".into()), "the second cannot be seen yet");
    second.fence().await.unwrap();
    let (found, ()) = tokio::join!(second.last_checkpoint(), async {
        // Long enough for an answer, if it came.
        let early = timeout(Duration::from_secs(2), std::future::pending::<()>()).await;
        early.unwrap_err();
        foreign.commit_transaction(Duration::from_secs(30)).unwrap();
    });
    assert_eq!(found.unwrap(), Some("two".into()));
    second.close().await;
}

#[tokio::test]
async fn a_transaction_that_timed_out_is_no_fencing_and_is_begun_anew() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    let bus = Arc::new(broker.bus_with(&[("transaction.timeout.ms", "2000")]));
    let mut sink = scene.try_open(bus).await.unwrap();
    sink.fence().await.unwrap();
    let page = batch(0..10);
    sink.stage(&page, 0..10).await.unwrap();
    // It can be read once the cluster has aborted what is before it.
    broker.produce_with_java(&scene.topic, "key:after\n");
    eventually("the transaction to be aborted", async || {
        (broker.records(&scene.topic).await.len() == 1).then_some(())
    })
    .await;
    let error = commit(&mut sink, "one").await.unwrap_err();
    let CommitError::Sink(error) = error else { panic!("{error:?}") };
    assert_told(&error, SinkClass::Transient, &["transaction.timeout.ms"]);
    sink.recover().await.unwrap();
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    sink.fence().await.unwrap();
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    sink.stage(&page, 0..10).await.unwrap();
    commit(&mut sink, "one").await.unwrap();
    sink.close().await;
    assert_eq!(broker.records(&scene.topic).await.len(), 11);
}

#[tokio::test]
async fn a_timeout_that_the_brokers_do_not_take_is_told() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    let bus = Arc::new(broker.bus_with(&[("transaction.timeout.ms", "3600000")]));
    let mut sink = scene.try_open(bus).await.unwrap();
    let error = sink.fence().await.unwrap_err();
    assert_told(
        &error,
        SinkClass::Configuration,
        &["INVALID_TRANSACTION_TIMEOUT", "transaction.max.timeout.ms"],
    );
    sink.close().await;
}

#[tokio::test]
async fn a_checkpoint_that_its_topic_refuses_is_the_fault_of_no_message() {
    let broker = Broker::shared().await;
    let scene = Scene::new(broker).await;
    let bus = Arc::new(broker.bus_with(&[("compression.type", "none")]));
    let mut sink = scene.try_open(bus).await.unwrap();
    sink.fence().await.unwrap();
    broker
        .set_topic(&scene.checkpoints, &[("cleanup.policy", "compact"), ("max.message.bytes", "1000")])
        .await;
    let large: &'static str = String::leak("0123456789abcdef".chars().cycle().take(20_000).collect());
    let error = eventually("a refusal", async || {
        sink.stage(&batch(0..10), 0..10).await.unwrap();
        let refused = commit(&mut sink, large).await.err();
        // A topic that is too small for checkpoints is not begun with anew either.
        if let Err(error) = sink.recover().await {
            return Some(refused.unwrap_or(CommitError::Sink(error)));
        }
        sink.fence().await.unwrap();
        refused
    })
    .await;
    let CommitError::Sink(error) = error else { panic!("{error:?}") };
    assert_told(&error, SinkClass::Configuration, &[&scene.checkpoints, "max.message.bytes"]);
    sink.close().await;
}

#[tokio::test]
async fn what_a_user_may_not_do_is_told_step_by_step() {
    let broker = Broker::shared_secured().await;
    let scene = Scene::new(broker).await;
    let bus = || Arc::new(broker.secured_bus("writer", PASSWORD));
    broker.allow("writer", "Describe", &scene.topic);
    let error = scene.try_open(bus()).await.unwrap_err();
    let words = [scene.checkpoints.as_str(), "CREATE", "kafka-topics.sh", "cleanup.policy=compact"];
    assert_told(&error, SinkClass::Authentication, &words);
    broker.allow("writer", "Describe", &scene.checkpoints);
    let error = scene.try_open(bus()).await.unwrap_err();
    let words = [scene.checkpoints.as_str(), "does not exist", "CREATE", "kafka-topics.sh"];
    assert_told(&error, SinkClass::Authentication, &words);

    broker.create_topic(&scene.checkpoints, 1, &[("cleanup.policy", "compact")]).await;
    for operation in ["Read", "Write"] {
        broker.allow("writer", operation, &scene.checkpoints);
    }
    let mut sink = scene.try_open(bus()).await.unwrap();
    assert_eq!(sink.last_checkpoint().await.unwrap(), None, "it needs no right to a group");
    let error = sink.fence().await.unwrap_err();
    assert_told(
        &error,
        SinkClass::Authentication,
        &["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", &scene.transactional_id()],
    );

    broker.allow_transactions("writer", &scene.transactional_id());
    sink.recover().await.unwrap();
    sink.fence().await.unwrap();
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    sink.stage(&batch(0..10), 0..10).await.unwrap();
    let error = commit(&mut sink, "one").await.unwrap_err();
    let CommitError::Sink(error) = error else { panic!("{error:?}") };
    assert_told(&error, SinkClass::Authentication, &["TOPIC_AUTHORIZATION_FAILED", "WRITE", &scene.topic]);

    broker.allow("writer", "Write", &scene.topic);
    sink.recover().await.unwrap();
    sink.fence().await.unwrap();
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    sink.stage(&batch(0..10), 0..10).await.unwrap();
    commit(&mut sink, "one").await.unwrap();
    sink.close().await;
    assert_eq!(broker.records(&scene.topic).await.len(), 10);
}

#[tokio::test]
async fn a_route_goes_on_with_a_password_that_was_changed() {
    let broker = Broker::start_secured_with(super::rotation::REAUTHENTICATE, &[]).await;
    let (files, scene) = (Files::new(&broker), Scene::new(&broker).await);
    broker.create_topic(&scene.checkpoints, 1, &[("cleanup.policy", "compact")]).await;
    for topic in [&scene.topic, &scene.checkpoints] {
        broker.allow("writer", "All", topic);
    }
    broker.allow_transactions("writer", &scene.transactional_id());
    let mut sink = scene.try_open(Arc::new(files.bus(&broker))).await.unwrap();
    sink.fence().await.unwrap();
    sink.last_checkpoint().await.unwrap();
    let page = batch(0..10);
    sink.stage(&page, 0..10).await.unwrap();
    commit(&mut sink, "one").await.unwrap();

    broker.change_password("writer", "battery staple");
    files.write_password("battery staple");
    let mut committed = 1;
    // What is open stays open for a moment.
    eventually("the old password to be refused", async || {
        let done = async {
            sink.stage(&page, 0..10).await?;
            commit(&mut sink, "more").await
        };
        match done.await {
            Ok(()) => {
                committed += 1;
                None
            }
            Err(_) => Some(()),
        }
    })
    .await;
    let found = eventually("the new password to be taken", async || {
        sink.recover().await.ok()?;
        sink.fence().await.ok()?;
        sink.last_checkpoint().await.ok()
    })
    .await;
    assert!(found.is_some());
    sink.stage(&page, 0..10).await.unwrap();
    commit(&mut sink, "the last").await.unwrap();
    sink.close().await;
    // A commit whose answer was lost may have been done.
    let messages = broker.records(&scene.topic).await.len();
    assert!([committed + 1, committed + 2].contains(&(messages / 10)) && messages % 10 == 0, "{messages}");
}
