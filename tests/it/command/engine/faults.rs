//! Okta and the bus fail, and nothing is done twice or forgotten.

use serde_json::{Value, json};

use super::{
    queue::Queue,
    scene::{Scene, essence, until},
};

async fn plant(scene: &Scene, login: &str, status: &str) {
    scene.okta.plant("users", &json!({ "status": status, "profile": { "login": login } })).await;
}

async fn writes(scene: &Scene, what: &str) -> usize {
    let writes = scene.okta.page("/-/writes").await;
    writes.as_array().unwrap().iter().filter(|write| write["what"] == what).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_okta_did_without_telling_is_not_done_again() {
    let scene = Scene::start("allow = [\"*\"]").await;
    plant(&scene, "lost@acme.com", "ACTIVE").await;
    plant(&scene, "gone@acme.com", "DEPROVISIONED").await;
    scene.okta.arm(json!({ "kind": "answer_lost", "count": 1 })).await;
    let deactivated = scene.ask("lost", "user.deactivate", "lost@acme.com").await;
    assert_eq!(essence(&deactivated), ("done", ""), "{deactivated}");
    assert_eq!(writes(&scene, "user.lifecycle.deactivate").await, 1);
    scene.okta.arm(json!({ "kind": "answer_lost", "instead": "internal_error", "count": 1 })).await;
    let deleted = scene.ask("gone", "user.delete", "gone@acme.com").await;
    assert_eq!(essence(&deleted), ("done", ""), "{deleted}");
    assert_eq!(writes(&scene, "user.lifecycle.delete.initiated").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_okta_refuses_for_now_is_tried_again_until_it_is_too_often() {
    let scene = Scene::start("allow = [\"*\"]\nattempts_max = 2").await;
    plant(&scene, "busy@acme.com", "ACTIVE").await;
    scene.okta.arm(json!({ "kind": "status", "status": 503, "method": "POST", "count": 1 })).await;
    let suspended = scene.ask("busy", "user.suspend", "busy@acme.com").await;
    assert_eq!(essence(&suspended), ("done", ""), "{suspended}");
    scene.okta.arm(json!({ "kind": "status", "status": 503, "method": "POST" })).await;
    let parameters = json!({ "user": "busy@acme.com" });
    scene.send(json!({ "id": "never", "action": "user.unsuspend", "parameters": parameters })).await;
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    let failed = scene.outcome("never").await;
    assert_eq!(essence(&failed), ("failed", "okta_unavailable"), "{failed}");
    assert_eq!(failed["attempts"], 2);
    assert_eq!(scene.status().await["troubles"]["okta"], Value::Null, "nothing waits for Okta any more");
    scene.okta.disarm().await;
    assert_eq!(essence(&scene.ask("again", "user.unsuspend", "busy@acme.com").await), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_goes_away_gets_the_outcome_when_it_is_back() {
    outcomes_wait(Queue::nats("allow = [\"*\"]").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_takes_outcomes_alone_gets_them_when_it_is_back() {
    outcomes_wait(Queue::kafka("allow = [\"*\"]").await).await;
}

async fn outcomes_wait((mut scene, queue): (Scene, Queue)) {
    plant(&scene, "away@acme.com", "ACTIVE").await;
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 2_000, "method": "POST" })).await;
    let command =
        json!({ "id": "away", "action": "user.suspend", "parameters": { "user": "away@acme.com" } });
    queue.send(&scene, "away@acme.com", &command).await;
    until(async || scene.status().await["held"] == 1).await;
    scene.nats.kill();
    until(async || writes(&scene, "user.lifecycle.suspend").await == 1).await;
    until(async || scene.status().await["troubles"]["outcomes"].is_string()).await;
    scene.nats.restart().await;
    let outcomes = scene.outcomes_of("away", 1).await;
    assert_eq!(essence(&outcomes[0]), ("done", ""));
    until(async || scene.status().await["held"] == 0).await;
    assert_eq!(writes(&scene, "user.lifecycle.suspend").await, 1);
}
