//! The daemon with a Kafka broker that is frozen, or a topic that refuses records.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::support::{daemon::Workplace, kafka::Broker, okta::Okta, tools::eventually};

const ROUTE: &str = "log/kafka";

fn workplace(okta: &Okta, broker: &Broker, topic: &str, more: &str) -> Workplace {
    let bus = broker.section();
    let config = format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{{ sink = "kafka" }}]
{bus}
[sinks.kafka]
kind = "kafka"
topic = "{topic}"
{more}
"#
    );
    Workplace::new(okta, &config)
}

async fn found(broker: &Broker, topic: &str) -> BTreeSet<String> {
    broker.records(topic).await.iter().map(|record| record.headers["ce_id"].clone()).collect()
}

#[tokio::test]
async fn a_topic_that_is_made_to_refuse_records_gets_them_all_when_it_is_mended() {
    let okta = Okta::with_backlog(50).await;
    let (broker, topic) = (Broker::shared().await, "brake");
    broker.create_topic(topic, 1, &[]).await;
    let workplace = workplace(&okta, broker, topic, "key = \"\"");
    let _daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered == 50).await;
    broker.set_topic(topic, &[("cleanup.policy", "compact")]).await;
    let events: Vec<_> = (0..40).map(|event| format!(r#"{{"uuid":"refused-{event}"}}"#)).collect();
    okta.add(&format!("[{}]", events.join(","))).await;
    workplace.route(ROUTE, |route| route.sink_trouble.is_some() && route.held == 40).await;
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
    okta.add(r#"[{"uuid":"later"}]"#).await;

    broker.set_topic(topic, &[("cleanup.policy", "delete")]).await;
    let mended = workplace.route(ROUTE, |route| route.delivered == 91 && route.sink_trouble.is_none()).await;
    assert_eq!((mended.dead_letters, mended.held), (0, 0));
    assert_eq!(found(broker, topic).await.len(), 91);
    assert!(!workplace.path("state/dead-letters/log.kafka.jsonl").exists());
}

#[tokio::test]
async fn a_broker_that_hangs_is_told_once_and_holds_up_no_stop() {
    let okta = Okta::with_backlog(50).await;
    let (mut broker, topic) = (Broker::start().await, "outage");
    broker.create_topic(topic, 1, &[]).await;
    let workplace = workplace(&okta, &broker, topic, "");
    let daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered == 50).await;
    broker.process().freeze();
    okta.add(r#"[{"uuid":"meanwhile"}]"#).await;
    let trouble = async || workplace.route(ROUTE, |route| route.sink_trouble.is_some()).await.sink_trouble;
    let first = trouble().await;
    // It says for how long: the trouble stays the same, its text does not.
    eventually("the text to change", async || (trouble().await != first).then_some(())).await;
    eventually("the text to change again", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        (trouble().await != first).then_some(())
    })
    .await;
    let told = workplace.log().matches("acknowledged nothing").count();
    assert!(told <= 1, "told {told} times:\n{}", workplace.log());
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200);

    let asked = Instant::now();
    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    assert!(asked.elapsed() < Duration::from_secs(6), "the grace period is 10 s: {:?}", asked.elapsed());
    broker.process().thaw();
    workplace.catch_up().await;
    assert_eq!(found(&broker, topic).await, okta.uuids().await.into_iter().collect());
}
