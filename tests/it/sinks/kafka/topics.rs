//! Topics that events choose, and keys of one's own.

use std::{collections::BTreeSet, sync::Arc};

use oktabus::{
    config::{Encoding, KafkaSink, SinkConfig},
    message::{Template, TemplateUse},
    sink::{self, SinkClass},
};

use super::{check, open, topic_name};
use crate::support::{
    events::{batch_of, origin},
    kafka::Broker,
};

fn sink(broker: &Broker, topic: &str, key: &str) -> SinkConfig {
    SinkConfig::Kafka(KafkaSink {
        name: "siem".to_owned(),
        bus: broker.bus(),
        topic: Template::parse(topic, TemplateUse::Topic).unwrap(),
        key: Template::parse(key, TemplateUse::Key).unwrap(),
        encoding: Encoding::Binary,
        transactions: None,
    })
}

fn event(uuid: &str, event_type: &str) -> String {
    format!(r#"{{"uuid":"{uuid}","eventType":"{event_type}","actor":{{"id":"00a"}}}}"#)
}

async fn uuids(broker: &Broker, topic: &str) -> BTreeSet<String> {
    broker.records(topic).await.iter().map(|record| record.headers["ce_id"].clone()).collect()
}

#[tokio::test]
async fn each_event_goes_to_the_topic_that_it_chooses() {
    let broker = Broker::shared().await;
    let prefix = topic_name();
    for category in ["user", "app", "_"] {
        broker.create_topic(&format!("{prefix}.acme.{category}"), 1, &[]).await;
    }
    let mut sink =
        open(&sink(broker, &format!("{prefix}.{{org}}.{{category}}"), "{org}:{actor}")).await.unwrap();
    let events = [
        event("1", "user.session.start"),
        event("2", "app.user_management.x"),
        event("3", "user.session.end"),
        r#"{"uuid":"4"}"#.to_owned(),
    ];
    let receipt = sink.publish(&batch_of(events), 0).await.unwrap();
    assert_eq!(receipt.await.unwrap().rejected(), []);
    sink.close().await;
    let of = |uuids: &[&str]| uuids.iter().map(|uuid| (*uuid).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(uuids(broker, &format!("{prefix}.acme.user")).await, of(&["1", "3"]));
    assert_eq!(uuids(broker, &format!("{prefix}.acme.app")).await, of(&["2"]));
    assert_eq!(uuids(broker, &format!("{prefix}.acme._")).await, of(&["4"]));
    let record = &broker.records(&format!("{prefix}.acme.app")).await[0];
    assert_eq!((record.key.as_str(), record.headers["ce_partitionkey"].as_str()), ("acme:00a", "acme:00a"));
}

#[tokio::test]
async fn a_topic_that_only_some_events_need_is_told_when_one_does_and_waited_for() {
    let broker = Broker::shared().await;
    let prefix = topic_name();
    broker.create_topic(&format!("{prefix}.user"), 1, &[]).await;
    let mut sink = open(&sink(broker, &format!("{prefix}.{{category}}"), "")).await.unwrap();
    let batch = batch_of([event("1", "user.x"), event("2", "app.x"), event("3", "user.y")]);
    let failure = sink.publish(&batch, 0).await.unwrap().await.unwrap_err();
    assert_eq!(failure.first_undelivered, 1, "what was before it is delivered");
    assert_eq!(failure.error.class(), SinkClass::Configuration);
    assert!(
        failure.error.to_string().contains(&format!("the topic `{prefix}.app` does not exist")),
        "{}",
        failure.error
    );

    broker.create_topic(&format!("{prefix}.app"), 1, &[]).await;
    sink.recover().await.unwrap();
    let receipt = sink.publish(&batch, failure.first_undelivered).await.unwrap();
    assert_eq!(receipt.await.unwrap().rejected(), []);
    sink.close().await;
    assert_eq!(broker.records(&format!("{prefix}.user")).await.len(), 2);
    let records = broker.records(&format!("{prefix}.app")).await;
    assert_eq!(records.len(), 1);
    assert!(
        records[0].key.is_empty() && !records[0].headers.contains_key("ce_partitionkey"),
        "{:?}",
        records[0]
    );
}

#[tokio::test]
async fn a_check_looks_at_the_topics_that_are_known_beforehand() {
    let broker = Broker::shared().await;
    let prefix = topic_name();
    let by_org = sink(broker, &format!("{prefix}.{{org}}.{{format}}"), "{user|org}");
    let findings = check(&by_org).await.unwrap();
    assert!(
        findings[0].is_warning && findings[0].text.contains(&format!("`{prefix}.acme.okta`")),
        "{findings:?}"
    );
    broker.create_topic(&format!("{prefix}.acme.okta"), 2, &[]).await;
    let origins =
        [oktabus::message::Origin::clone(&origin()), oktabus::message::Origin::clone(&Arc::clone(&origin()))];
    let findings = sink::check(&by_org, &origins).await.unwrap();
    let told = findings.iter().filter(|finding| finding.text.contains("has 2 partitions")).count();
    assert_eq!(told, 1, "a topic that routes share is told once: {findings:?}");

    let findings = check(&sink(broker, "okta.{event_type}", "")).await.unwrap();
    assert!(findings[0].text.contains("events choose the topics `okta.{event_type}`"), "{findings:?}");
}
