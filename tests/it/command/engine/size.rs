//! Outcomes that are larger than the bus takes.

use serde_json::{Value, json};

use super::scene::{Scene, essence};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_with_too_much_in_before_and_after_is_cut_down_says_so_and_holds_up_nobody() {
    let mut scene = Scene::prepare("allow = [\"*\"]").await;
    let jetstream = scene.nats.jetstream().await;
    let mut config = jetstream.get_stream("OUTCOMES").await.unwrap().cached_info().config.clone();
    config.max_message_size = 2_000;
    jetstream.update_stream(config).await.unwrap();
    let user = json!({ "login": "ada@acme.com", "department": "x".repeat(6_000) });
    scene.okta.plant("users", &json!({ "profile": user })).await;
    scene.resume();
    let parameters = json!({ "user": "ada@acme.com", "profile": { "department": "y".repeat(6_000) } });
    scene.send(json!({ "id": "large", "action": "user.update", "parameters": parameters })).await;
    let outcome = scene.outcome("large").await;
    assert_eq!(essence(&outcome), ("done", ""));
    assert_eq!(outcome["result"]["truncated"], true);
    assert_eq!((&outcome["before"], &outcome["after"]), (&Value::Null, &Value::Null));
    assert_eq!(essence(&scene.ask("next", "user.suspend", "ada@acme.com").await), ("done", ""));
}
