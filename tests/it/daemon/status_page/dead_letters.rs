//! Dead letters that somebody has delivered again from the page.

use serde_json::{Value, json};

use super::{act, bearer, start_with_token};
use crate::support::{
    daemon::Workplace,
    nats::{NatsServer, limited_stream},
    okta::Okta,
    tools::eventually,
};

fn retry(route: &str) -> Value {
    json!({ "action": "retry_dead_letters", "about": route, "confirm": route, "reason": "there is room" })
}

#[tokio::test]
async fn the_dead_letters_of_a_route_are_delivered_again_once_the_sink_takes_them() {
    let okta = Okta::with_backlog(10).await;
    let nats = NatsServer::start().await;
    nats.create_stream(limited_stream(20_000)).await;
    let workplace = Workplace::new(&okta, &nats.configuration(r#"{ sink = "nats" }"#));
    let _daemon = start_with_token(&workplace);
    let padding = "x".repeat(40_000);
    okta.add(&format!(r#"[{{"uuid":"large","padding":"{padding}"}},{{"uuid":"after"}}]"#)).await;
    let path = workplace.path("state/dead-letters/log.nats.jsonl");
    eventually("a dead letter", async || path.exists().then_some(())).await;

    assert_eq!(act(&workplace, &retry("log/nats"), &[]).await.0, 401, "it needs the token");
    let (code, told) = act(&workplace, &retry("log/flies"), &bearer()).await;
    assert_eq!(code, 422, "{told}");
    let (code, told) = act(&workplace, &retry("log/nats"), &bearer()).await;
    assert_eq!(code, 200, "{told}");
    assert!(told.contains("0 of 1 dead letters are delivered. The first that is kept: "), "{told}");

    nats.jetstream().await.update_stream(limited_stream(-1)).await.unwrap();
    let (code, told) = act(&workplace, &retry("log/nats"), &bearer()).await;
    assert!(code == 200 && told.contains("1 of 1 dead letters are delivered."), "{code} {told}");
    let stored = nats.stored("OKTA").await;
    assert_eq!(stored.iter().filter(|stored| stored.header("ce-id") == Some("large")).count(), 1);
    let (_, told) = act(&workplace, &retry("log/nats"), &bearer()).await;
    assert!(told.contains("has no dead letters"), "{told}");
    let recorded = std::fs::read_to_string(workplace.path("state/operators.jsonl")).unwrap();
    assert_eq!(recorded.matches("retrying dead letters").count(), 2, "{recorded}");
    assert!(recorded.contains("there is room"), "{recorded}");
}
