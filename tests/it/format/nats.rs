//! Events that are larger than a NATS server or a JetStream stream takes.

use async_nats::jetstream::stream::Config;

use super::{assert_cut_and_whole, large_event};
use crate::support::{daemon::Workplace, nats::NatsServer, okta::Okta};

fn workplace(okta: &Okta, nats: &NatsServer) -> Workplace {
    Workplace::new(okta, &nats.configuration(r#"{ sink = "nats", format = "ocsf" }"#))
}

async fn payloads(nats: &NatsServer) -> Vec<String> {
    let stored = nats.stored("OKTA").await;
    stored.into_iter().map(|message| String::from_utf8(message.payload).unwrap()).collect()
}

#[tokio::test]
async fn what_a_server_does_not_take_whole_arrives_with_less_detail() {
    let okta = Okta::with_backlog(0).await;
    let nats = NatsServer::start().await;
    let workplace = workplace(&okta, &nats);
    okta.add(&format!("[{},{}]", large_event("large", 2 << 20), large_event("small", 10))).await;
    workplace.catch_up().await;
    assert_cut_and_whole(payloads(&nats).await, 2_048).await;
    assert!(!workplace.path("state/dead-letters").exists());
}

#[tokio::test]
async fn what_a_stream_does_not_take_whole_arrives_with_less_detail_or_becomes_a_dead_letter() {
    let okta = Okta::with_backlog(0).await;
    let nats = NatsServer::start().await;
    let stream = |max_message_size| Config {
        name: "OKTA".to_owned(),
        subjects: vec!["okta.>".to_owned()],
        max_message_size,
        ..Config::default()
    };
    nats.create_stream(stream(16_384)).await;
    let workplace = workplace(&okta, &nats);
    okta.add(&format!("[{},{}]", large_event("large", 20_000), large_event("small", 10))).await;
    workplace.catch_up().await;
    assert_cut_and_whole(payloads(&nats).await, 20).await;

    nats.jetstream().await.update_stream(stream(4_096)).await.unwrap();
    let mut hopeless: serde_json::Value = serde_json::from_str(&large_event("hopeless", 10)).unwrap();
    // Even the essential is much: texts of which each keeps half a kilobyte.
    for text in [
        "/displayMessage",
        "/actor/displayName",
        "/actor/alternateId",
        "/client/userAgent/rawUserAgent",
        "/outcome/reason",
        "/target/0/displayName",
        "/target/0/alternateId",
        "/authenticationContext/externalSessionId",
    ] {
        *hopeless.pointer_mut(text).unwrap() = "x".repeat(3_000).into();
    }
    okta.add(&hopeless.to_string()).await;
    workplace.catch_up().await;
    assert_eq!(payloads(&nats).await.len(), 2);
    let letter = std::fs::read_to_string(workplace.path("state/dead-letters/log.nats.jsonl")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
    assert_eq!(letter["id"], "acme:hopeless:ocsf");
    assert!(letter["event"].to_string().len() > 20_000);
}
