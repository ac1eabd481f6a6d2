//! What an operator stops: all commands of a section, or a single one.

use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::scene::{Scene, essence, until};

fn decisions(scene: &Scene) -> Vec<String> {
    let decisions = scene.audit().into_iter().map(|line| line["decision"].as_str().unwrap().to_owned());
    decisions.filter(|decision| ["paused", "resumed", "cancelled"].contains(&decision.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_while_commands_are_paused_also_after_a_restart() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    let paused = scene.by_hand(&["pause", "--reason", "a test", "--requested-by", "eve"]).await;
    assert_eq!((paused.code, paused.stdout.starts_with("paused: ")), (Some(0), true), "{paused:?}");
    let again = scene.by_hand(&["pause"]).await;
    let first = again.stdout.strip_prefix("it was paused already, and stays so as it is by eve at ");
    assert!(again.code == Some(0) && first.is_some_and(|first| first.ends_with(": a test\n")), "{again:?}");
    let listed = scene.by_hand(&["list"]).await;
    assert!(listed.stderr.contains("hr were paused by eve"), "{listed:?}");
    let suspend = json!({ "id": "s", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    scene.send(suspend).await;
    for is_again in [false, true] {
        if is_again {
            scene.stop().await;
            scene.resume();
        }
        until(async || scene.status().await["phase"] == "running").await;
        let status = scene.status().await;
        assert!(status["paused"]["at"].is_string(), "{status}");
        let why = (&status["paused"]["by"], &status["paused"]["reason"]);
        assert_eq!(why, (&json!("eve"), &json!("a test")), "the first who paused, and why");
        until(async || scene.workplace.metric("oktabus_commands_paused{commands=\"hr\"}").await == Some(1.0))
            .await;
        // What a person wants is no trouble.
        until(async || scene.workplace.get("/readyz").await.unwrap().0 == 200).await;
    }
    let status = scene.status().await;
    assert_eq!(status["held"], 0, "it stays in its queue: {status}");
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
    let resumed = scene.by_hand(&["resume"]).await;
    assert_eq!((resumed.code, resumed.stdout.as_str()), (Some(0), "resumed\n"), "{resumed:?}");
    assert_eq!(essence(&scene.outcome("s").await), ("done", ""));
    let again = scene.by_hand(&["resume"]).await;
    assert_eq!(again.stdout, "it was not paused\n", "{again:?}");
    assert_eq!(scene.status().await["paused"], json!(null));
    assert_eq!(decisions(&scene), ["paused", "paused", "resumed", "resumed"]);
    let audit = scene.audit();
    let first = audit.iter().find(|line| line["decision"] == "paused").unwrap();
    assert_eq!((&first["requested_by"], &first["reason"]), (&json!("eve"), &json!("a test")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_tried_again_and_again_is_stopped_by_a_pause() {
    let scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    scene.okta.arm(json!({ "kind": "status", "status": 503, "method": "POST" })).await;
    let suspend = json!({ "id": "s", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    scene.send(suspend).await;
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    assert_eq!(scene.by_hand(&["pause"]).await.code, Some(0));
    scene.okta.disarm().await;
    // The next attempt looks at the user, and sends nothing.
    let looks = async || {
        let recent = scene.okta.recent().await;
        recent.iter().filter(|one| one["method"] == "GET").count()
    };
    let before = looks().await;
    until(async || looks().await > before).await;
    assert_eq!(scene.status().await["held"], 1);
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    assert_eq!(essence(&scene.outcome("s").await), ("done", ""));
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_cancelled_before_it_comes_and_while_it_waits_and_not_when_it_has_ended() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("ended", "user.get", "ada@acme.com").await), ("done", ""));
    let late = scene.by_hand(&["cancel", "ended"]).await;
    assert_eq!(late.code, Some(64), "{late:?}");
    assert!(late.stderr.contains("the command ended has ended: done"), "{late:?}");

    let unknown =
        scene.by_hand(&["cancel", "unknown", "--reason", "a mistake", "--requested-by", "eve"]).await;
    assert_eq!(unknown.stdout, "cancelled: nothing more is sent for `unknown`\n", "{unknown:?}");
    assert!(unknown.stderr.contains("no command `unknown` has come so far"), "{unknown:?}");
    let again = scene.by_hand(&["cancel", "unknown"]).await;
    assert!(
        again.code == Some(0) && again.stdout.starts_with("`unknown` was cancelled already by eve at "),
        "{again:?}"
    );

    let not_before = Timestamp::now() + 4.seconds();
    scene
        .send(json!({
            "id": "waits", "action": "user.suspend", "parameters": { "user": "ada@acme.com" },
            "not_before": not_before,
        }))
        .await;
    until(async || scene.by_hand(&["show", "waits", "--json"]).await.stdout.contains("\"received\"")).await;
    let known = scene.by_hand(&["cancel", "waits"]).await;
    assert!(known.code == Some(0) && !known.stderr.contains("so far"), "{known:?}");
    scene.stop().await;
    scene.resume();

    let outcome = scene.ask("unknown", "user.suspend", "ada@acme.com").await;
    assert_eq!(essence(&outcome), ("refused", "cancelled"), "{outcome}");
    let message = outcome["error"]["message"].as_str().unwrap();
    assert!(message.contains("by eve") && message.contains("a mistake"), "{message}");
    let outcome = scene.outcome("waits").await;
    assert_eq!(essence(&outcome), ("refused", "cancelled"), "{outcome}");
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
    assert_eq!(decisions(&scene), ["cancelled", "cancelled", "cancelled"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_without_an_answer_that_was_not_done_is_not_sent_again_once_it_is_cancelled() {
    let scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    scene.okta.arm(json!({ "kind": "drop_connection", "method": "POST" })).await;
    let suspend = json!({ "id": "s", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    scene.send(suspend).await;
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    assert_eq!(scene.by_hand(&["cancel", "s"]).await.code, Some(0));
    scene.okta.disarm().await;
    let outcome = scene.outcome("s").await;
    assert_eq!(outcome["error"]["code"], "cancelled", "{outcome}");
    assert_eq!(outcome["status"], "refused", "{outcome}");
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
    assert_eq!(essence(&scene.ask("s2", "user.suspend", "ada@acme.com").await), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_and_not_done_when_it_expired_is_not_done_after_a_kill() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    scene.okta.arm(json!({ "kind": "drop_connection", "method": "POST" })).await;
    let expires_at = Timestamp::now() + 5.seconds();
    scene
        .send(json!({
            "id": "late", "action": "user.suspend", "parameters": { "user": "ada@acme.com" },
            "expires_at": expires_at,
        }))
        .await;
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    scene.kill().await;
    until(async || Timestamp::now() > expires_at).await;
    scene.okta.disarm().await;
    scene.resume();
    let late = scene.outcome("late").await;
    assert_eq!(essence(&late), ("expired", "expired"), "{late}");
    assert!(late["attempts"].as_u64() >= Some(1), "it was begun: {late}");
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
}
