//! Events that are larger than a Kafka topic or its client takes.

use super::{assert_cut_and_whole, large_event};
use crate::support::{daemon::Workplace, kafka::Broker, okta::Okta};

fn workplace(okta: &Okta, broker: &Broker, topic: &str, options: &str) -> Workplace {
    let config = format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
routes = [{{ sink = "kafka", format = "ocsf" }}]
{}
options = {{ {options} }}
[sinks.kafka]
kind = "kafka"
topic = "{topic}"
"#,
        broker.section()
    );
    Workplace::new(okta, &config)
}

async fn values(broker: &Broker, topic: &str) -> Vec<String> {
    let records = broker.records(topic).await;
    records.into_iter().map(|record| String::from_utf8(record.value.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn what_a_topic_does_not_take_whole_arrives_with_less_detail() {
    let (okta, broker) = (Okta::with_backlog(0).await, Broker::shared().await);
    broker.create_topic("format-topic", 1, &[("max.message.bytes", "32768")]).await;
    let workplace = workplace(&okta, broker, "format-topic", "");
    okta.add(&format!("[{},{}]", large_event("large", 200_000), large_event("small", 10))).await;
    workplace.catch_up().await;
    assert_cut_and_whole(values(broker, "format-topic").await, 195).await;
    assert!(!workplace.path("state/dead-letters").exists());
}

#[tokio::test]
async fn what_the_client_does_not_take_whole_arrives_with_less_detail() {
    let (okta, broker) = (Okta::with_backlog(0).await, Broker::shared().await);
    broker.create_topic("format-client", 1, &[]).await;
    let workplace = workplace(&okta, broker, "format-client", "\"message.max.bytes\" = 32768");
    okta.add(&format!("[{},{}]", large_event("large", 200_000), large_event("small", 10))).await;
    workplace.catch_up().await;
    assert_cut_and_whole(values(broker, "format-client").await, 195).await;
    assert!(!workplace.path("state/dead-letters").exists());
}
