//! What becomes of records: where their key puts them, what the cluster refuses, and what a check says beforehand.

use std::collections::{BTreeMap, BTreeSet};

use oktabus::{
    config::SinkConfig,
    message::{Template, TemplateUse},
    sink::{Sink, SinkClass},
};

use super::{binary_sink, check, open, refusal, topic_name};
use crate::support::{
    events::{USERS, batch, batch_of, event, event_with_padding},
    kafka::{Broker, Record},
};

fn partitions(records: &[Record]) -> BTreeMap<&str, BTreeSet<i32>> {
    let mut partitions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for record in records {
        partitions.entry(record.key.as_str()).or_default().insert(record.partition);
    }
    partitions
}

#[tokio::test]
async fn keys_go_to_the_partitions_that_java_gives_them() {
    let broker = Broker::shared().await;
    let (ours, javas) = (topic_name(), topic_name());
    for topic in [&ours, &javas] {
        broker.create_topic(topic, 16, &[]).await;
    }
    let mut sink = open(&binary_sink(broker.bus_with(&[]), &ours)).await.unwrap();
    let receipt = sink.publish(&batch(0..USERS * 3), 0).await.unwrap();
    let _ = receipt.await.unwrap();
    sink.close().await;
    let lines: Vec<_> = (0..USERS).map(|user| format!("00u{user}:x\n")).collect();
    broker.produce_with_java(&javas, &lines.concat());

    let (ours, javas) = (broker.records(&ours).await, broker.records(&javas).await);
    assert_eq!(partitions(&ours), partitions(&javas));
    let used: BTreeSet<_> = ours.iter().map(|record| record.partition).collect();
    assert!(used.len() > 2, "so few partitions prove nothing: {used:?}");
}

#[tokio::test]
async fn a_full_queue_holds_up_and_changes_no_order() {
    let broker = Broker::shared().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    let bus = broker.bus_with(&[("queue.buffering.max.messages", "20")]);
    let mut sink = open(&binary_sink(bus, &topic)).await.unwrap();
    let batch = batch(0..1000);
    let settled = sink.publish(&batch, 0).await.unwrap().await.unwrap();
    assert_eq!(settled.rejected(), []);
    sink.close().await;
    let arrived: Vec<_> = broker.records(&topic).await.into_iter().map(|record| record.value).collect();
    let published: Vec<_> = batch.messages().map(|message| message.payload.to_vec()).collect();
    assert!(arrived == published, "{} of {} arrived, or in another order", arrived.len(), published.len());
}

/// A sink whose topic takes 20,000 bytes at a time, and whose client does not compress them.
async fn small_topic() -> (&'static Broker, String, Box<dyn Sink>) {
    let broker = Broker::shared().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[("max.message.bytes", "20000")]).await;
    let sink = open(&binary_sink(broker.bus_with(&[("compression.type", "none")]), &topic)).await.unwrap();
    (broker, topic, sink)
}

#[tokio::test]
async fn a_record_that_only_the_topic_refuses_is_rejected_alone() {
    let (broker, topic, mut sink) = small_topic().await;
    let mut events: Vec<_> = (0..200).map(event).collect();
    events[120] = event_with_padding(120, 30_000);
    let refused = batch_of(events);

    let failure = sink.publish(&refused, 0).await.unwrap().await.unwrap_err();
    assert_eq!(failure.error.class(), SinkClass::Transient, "{}", failure.error);
    sink.recover().await.unwrap();
    let settled = sink.publish(&refused, failure.first_undelivered).await.unwrap().await.unwrap();
    let [rejected] = settled.rejected() else { panic!("{:?}", settled.rejected()) };
    assert_eq!(rejected.index, 120);
    assert!(rejected.reason.contains("max.message.bytes"), "{}", rejected.reason);

    let _ = sink.publish(&batch(200..210), 0).await.unwrap().await.unwrap();
    sink.close().await;
    let ids: BTreeSet<_> =
        broker.records(&topic).await.into_iter().map(|record| record.headers["ce_id"].clone()).collect();
    assert_eq!(ids.len(), 209, "all but the one");
}

#[tokio::test]
async fn a_topic_that_takes_less_than_a_batch_refuses_nothing_and_gets_nothing_twice() {
    let (broker, topic, mut sink) = small_topic().await;
    let batch = batch(0..3_000);
    let settled = sink.publish(&batch, 0).await.unwrap().await.unwrap();
    assert_eq!(settled.rejected(), []);
    sink.close().await;
    let arrived: Vec<_> = broker.records(&topic).await.into_iter().map(|record| record.value).collect();
    let published: Vec<_> = batch.messages().map(|message| message.payload.to_vec()).collect();
    assert!(arrived == published, "{} of {} arrived, or in another order", arrived.len(), published.len());
}

#[tokio::test]
async fn a_clock_that_the_topic_refuses_drains_nothing_into_the_dead_letters() {
    let broker = Broker::shared().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[("message.timestamp.before.max.ms", "0")]).await;
    let config = binary_sink(broker.bus_with(&[]), &topic);
    let mut sink = open(&config).await.unwrap();
    let batch = batch(0..50);
    for _ in 0..3 {
        let failure = sink.publish(&batch, 0).await.unwrap().await.unwrap_err();
        assert_eq!((failure.first_undelivered, &failure.rejected[..]), (0, &[][..]));
        assert_eq!(failure.error.class(), SinkClass::Configuration, "{}", failure.error);
        assert!(failure.error.to_string().contains("clock"), "{}", failure.error);
        sink.recover().await.unwrap();
    }
    sink.close().await;
    let findings = check(&config).await.unwrap();
    let told =
        |words: &str| findings.iter().any(|finding| finding.is_warning && finding.text.contains(words));
    assert!(told("message.timestamp.before.max.ms"), "{findings:?}");
}

#[tokio::test]
async fn a_compacted_topic_is_refused_by_a_sink_whose_events_have_no_key() {
    let broker = Broker::shared().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[("cleanup.policy", "compact")]).await;
    let SinkConfig::Kafka(mut keyless) = binary_sink(broker.bus_with(&[]), &topic) else { unreachable!() };
    keyless.key = Template::parse("", TemplateUse::Key).unwrap();
    let keyless = SinkConfig::Kafka(keyless);
    for told in [refusal(&keyless).await, check(&keyless).await.unwrap_err()] {
        assert_eq!(told.class(), SinkClass::Configuration);
        assert!(told.to_string().contains("refuses records without a key"), "{told}");
    }
    open(&binary_sink(broker.bus_with(&[]), &topic)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_told_as_such() {
    let broker = Broker::shared().await;
    let topic = topic_name();
    let config = binary_sink(broker.bus_with(&[]), &topic);
    let error = refusal(&config).await;
    assert_eq!(error.class(), SinkClass::Configuration);
    assert!(error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{error}");

    let findings = check(&config).await.unwrap();
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert!(finding.is_warning && finding.text.contains(&topic), "{findings:?}");
    broker.create_topic(&topic, 1, &[]).await;
    open(&config).await.unwrap().close().await;
}

#[tokio::test]
async fn a_check_tells_of_a_topic_that_would_lose_events() {
    let broker = Broker::shared().await;
    let topic = topic_name();
    broker.create_topic(&topic, 4, &[("cleanup.policy", "compact")]).await;
    let findings = check(&binary_sink(broker.bus_with(&[]), &topic)).await.unwrap();
    let told = |is_warning, words: &str| {
        let found =
            findings.iter().any(|finding| finding.is_warning == is_warning && finding.text.contains(words));
        assert!(found, "{words}: {findings:?}");
    };
    told(false, "4 partitions of 1 copies on 1 brokers");
    told(true, "one copy");
    told(true, "compacted");
}
