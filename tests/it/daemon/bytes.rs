//! An event reaches every sink with the bytes that Okta sent: no number is rounded, nothing is sorted or written otherwise.

use crate::support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta};

/// What a reader that takes an event apart and writes it anew would change.
const EVENTS: [&str; 5] = [
    r#"{"uuid":"numbers","latitude":34.4740,"large":12345678901234567890123,"power":1E+2,"zero":-0.0}"#,
    r#"{"zebra":1,"uuid":"order","apple":{"z":null,"a":[]},"Apple":true}"#,
    r#"{"uuid":"space", "a" : [ 1,2 ,  3 ]}"#,
    r#"{"uuid":"escapes","text":"\u00e9 \/ é \ud83d\ude00 😀 \u0000"}"#,
    r#"{"uuid":"twice","a":1,"a":2}"#,
];
const TOPIC: &str = "bytes";

#[tokio::test]
async fn numbers_and_the_order_of_members_reach_every_sink_as_okta_wrote_them() {
    let okta = Okta::with_backlog(0).await;
    okta.add(&EVENTS.join("\n")).await;
    let (broker, nats) = (Broker::shared().await, NatsServer::start().await);
    broker.create_topic(TOPIC, 1, &[]).await;
    let routes = r#"{ sink = "nats" }, { sink = "kafka" }, { sink = "files" }"#;
    let config = nats.configuration(routes)
        + &broker.section()
        + &format!("[sinks.kafka]\nkind = \"kafka\"\ntopic = \"{TOPIC}\"\n")
        + "[sinks.files]\nkind = \"file\"\ndirectory = \"{dir}/archive\"\n";
    let workplace = Workplace::new(&okta, &config);
    workplace.catch_up().await;
    assert_eq!(workplace.lines("archive"), EVENTS);
    let records: Vec<_> = broker.records(TOPIC).await.into_iter().map(|record| record.value).collect();
    assert_eq!(records, EVENTS.map(|event| event.as_bytes().to_vec()));
    let stored: Vec<_> = nats.stored("OKTA").await.into_iter().map(|message| message.payload).collect();
    assert_eq!(stored, EVENTS.map(|event| event.as_bytes().to_vec()));
}
