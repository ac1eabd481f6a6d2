//! Whatever arrives: an outcome or a dead letter, never a crash, never a block.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{
    queue::Queue,
    scene::{Scene, essence, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_gets_a_reason_and_stops_nobody() {
    all_that_is_bad(Queue::nats("allow = [\"*\"]").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_from_kafka_gets_a_reason_and_stops_nobody() {
    all_that_is_bad(Queue::kafka("allow = [\"*\"]").await).await;
}

async fn all_that_is_bad((scene, queue): (Scene, Queue)) {
    let huge = format!("{{\"id\":\"huge\",\"reason\":\"{}\"}}", "x".repeat(300 << 10));
    // Without an id: dead letters.
    for message in ["", "\u{0}", "no json", "[]", "{\"id\":\"\",\"action\":\"user.get\"}", &huge] {
        queue.send_raw(&scene, "", message.as_bytes()).await;
    }
    queue.send_raw(&scene, "", b"\xff\xfe").await;
    let smiling =
        json!({ "firstName": "\u{1f600}", "lastName": "L", "email": "a@acme.com", "login": "a@acme.com" });
    let refused = [
        (json!({ "id": "b1" }), "refused", "bad_member"),
        (json!({ "id": "b2", "action": "user.explode" }), "refused", "unknown_action"),
        (json!({ "id": "b3", "action": "user.suspend" }), "refused", "bad_parameters"),
        (
            json!({ "id": "b4", "action": "user.suspend", "parameters": { "user": 5 } }),
            "refused",
            "bad_parameters",
        ),
        (
            json!({ "id": "b5", "action": "user.get", "parameters": { "user": "a" }, "acton": 1 }),
            "refused",
            "unknown_name",
        ),
        (
            json!({ "id": "b6", "action": "user.suspend", "parameters": { "user": "nobody@acme.com" } }),
            "failed",
            "user_not_found",
        ),
        (
            json!({ "id": "b7", "action": "group.get", "parameters": { "group": "No such group" } }),
            "failed",
            "group_not_found",
        ),
        (
            json!({ "id": "b8", "action": "user.create", "parameters": { "profile": smiling } }),
            "failed",
            "invalid_parameters",
        ),
        // No URL can be made of these. Whoever tried again would do so for ever.
        (
            json!({ "id": "b9", "action": "user.get", "parameters": { "user": "n".repeat(70_000) } }),
            "failed",
            "invalid_parameters",
        ),
        (
            json!({ "id": "b10", "action": "group.get", "parameters": { "group": "n".repeat(70_000) } }),
            "failed",
            "invalid_parameters",
        ),
        (
            json!({ "id": "b11", "action": "log.search", "parameters": { "q": "q".repeat(70_000) } }),
            "failed",
            "invalid_parameters",
        ),
    ];
    for (command, ..) in &refused {
        queue.send(&scene, "", command).await;
    }
    let good = json!({ "id": "good", "action": "group.find", "parameters": { "name": "E" } });
    queue.send(&scene, "", &good).await;
    assert_eq!(essence(&scene.outcome("good").await), ("done", ""));
    for (command, status, code) in &refused {
        let outcome = scene.outcome(command["id"].as_str().unwrap()).await;
        assert_eq!(essence(&outcome), (*status, *code), "{outcome}");
        assert!(outcome["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    let letters = scene.workplace.path("state/dead-letters/commands.hr.jsonl");
    let count = || std::fs::read_to_string(&letters).map_or(0, |text| text.lines().count());
    until(async || count() == 7).await;
    assert_eq!(scene.status().await["dead_letters"], 7);

    let secrets =
        json!({ "action": "user.set_password", "parameters": { "user": "ada", "password": "hunter2" } });
    queue.send(&scene, "", &secrets).await;
    queue.send_raw(&scene, "", &secrets.to_string().as_bytes()[1..]).await;
    until(async || count() == 9).await;
    let text = std::fs::read_to_string(&letters).unwrap();
    assert!(text.contains("user.set_password") && !text.contains("hunter2"), "{text}");
    assert_eq!(std::fs::metadata(&letters).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_message_is_answered_once_and_never_under_the_id_of_another_command() {
    let scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("mine", "user.get", "ada@acme.com").await), ("done", ""));
    // The second message of the queue, and a third that is broken by itself.
    scene.send(json!({ "id": "mine", "action": "user.explode" })).await;
    scene.send(json!({ "id": "broken", "action": "user.explode" })).await;
    let of_place = scene.outcome("COMMANDS@2").await;
    assert_eq!(essence(&of_place), ("refused", "unknown_action"), "{of_place}");
    assert_eq!(essence(&scene.outcome("broken").await), ("refused", "unknown_action"));
    let copy = scene.ask("mine", "user.get", "ada@acme.com").await;
    assert_eq!(essence(&copy), ("done", ""));
    // What is not broken any more is another command, and has no right to that id.
    scene
        .send(json!({ "id": "broken", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } }))
        .await;
    let reused = scene.outcome("COMMANDS@5").await;
    assert_eq!(essence(&reused), ("refused", "id_reused"), "{reused}");
    assert_eq!(scene.outcomes_of("broken", 1).await.len(), 1);
    assert_eq!(scene.outcomes_of("mine", 2).await.len(), 2);
    let shown = scene.by_hand(&["show", "broken", "--json"]).await.stdout;
    assert!(shown.contains("unknown_action"), "{shown}");
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
}
