//! Ids, keys and bytes on Kafka and JetStream are those of the live route.

use std::collections::BTreeMap;

use crate::support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta};

const EVENTS: usize = 3_000;
const TOPIC: &str = "okta.replay";

#[tokio::test]
async fn a_replayed_message_is_the_message() {
    let okta = Okta::with_backlog(EVENTS).await;
    let broker = Broker::shared().await;
    broker.create_topic(TOPIC, 3, &[]).await;
    let nats = NatsServer::start().await;
    let rest = format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
routes = [{{ sink = "kafka", format = "ocsf" }}, {{ sink = "nats", format = "ecs" }}]
{}
{}
[sinks.kafka]
kind = "kafka"
topic = "{TOPIC}"
[sinks.nats]
kind = "nats"
stream = "OKTA"
create = {{}}
"#,
        broker.section(),
        nats.section()
    );
    let workplace = Workplace::new(&okta, &rest);
    workplace.catch_up().await;
    for route in ["log/kafka", "log/nats"] {
        let said = workplace.oktabus(&["replay", "--route", route, "--from", "-7d"]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains(&format!("{EVENTS} events delivered")), "{said:?}");
    }

    // Each record is there twice, the same in everything that is of the message.
    let mut counts = BTreeMap::new();
    for record in broker.records(TOPIC).await {
        *counts.entry((record.partition, record.key, record.headers, record.value)).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), EVENTS);
    assert!(counts.values().all(|count| *count == 2));
    // JetStream recognised every id, and took none of them twice.
    assert_eq!(nats.stored("OKTA").await.len(), EVENTS);
}
