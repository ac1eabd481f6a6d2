//! What somebody at Okta has changed while it was not known whether a command had done it stays as they left it, and what was
//! not done is judged by the policy of the moment.

use reqwest::Method;
use serde_json::json;

use super::scene::{Scene, essence, until};

async fn writes(scene: &Scene, what: &str) -> usize {
    let writes = scene.okta.page("/-/writes").await;
    writes.as_array().unwrap().iter().filter(|write| write["what"] == what).count()
}

/// The answer to the next write is lost, and so are all looks that come after it.
async fn lose_answers(scene: &Scene, looks_before: u32) {
    scene.okta.arm(json!({ "kind": "answer_lost", "count": 1 })).await;
    scene
        .okta
        .arm(json!({ "kind": "status", "status": 503, "method": "GET", "path": "/api/v1/users/*", "after": looks_before }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whom_an_administrator_has_activated_since_is_not_deactivated_again() {
    for is_killed in [false, true] {
        let mut scene = Scene::start("allow = [\"*\"]").await;
        let user = json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com" } });
        let ada = scene.okta.plant("users", &user).await;
        lose_answers(&scene, 1).await;
        scene.send(json!({ "id": "off", "action": "user.deactivate", "parameters": { "user": ada } })).await;
        until(async || writes(&scene, "user.lifecycle.deactivate").await == 1).await;
        if is_killed {
            scene.kill().await;
        }
        scene.okta.act(Method::POST, &format!("/users/{ada}/lifecycle/activate?sendEmail=false")).await;
        scene.okta.disarm().await;
        if is_killed {
            scene.resume();
        }
        let outcome = scene.outcome("off").await;
        assert_eq!(essence(&outcome), ("failed", "changed_meanwhile"), "{outcome}");
        assert_eq!(outcome["before"]["status"], "ACTIVE", "{outcome}");
        assert_eq!(writes(&scene, "user.lifecycle.deactivate").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whom_an_administrator_has_added_again_is_not_removed_again() {
    let scene = Scene::start("allow = [\"*\"]").await;
    let user = json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com" } });
    let ada = scene.okta.plant("users", &user).await;
    let group = json!({ "profile": { "name": "Staff" }, "members": [ada] });
    let staff = scene.okta.plant("groups", &group).await;
    lose_answers(&scene, 2).await;
    let parameters = json!({ "user": ada, "group": staff });
    scene.send(json!({ "id": "out", "action": "group.remove_user", "parameters": parameters })).await;
    until(async || writes(&scene, "group.user_membership.remove").await == 1).await;
    scene.okta.act(Method::PUT, &format!("/groups/{staff}/users/{ada}")).await;
    scene.okta.disarm().await;
    let outcome = scene.outcome("out").await;
    assert_eq!(essence(&outcome), ("failed", "changed_meanwhile"), "{outcome}");
    assert_eq!(writes(&scene, "group.user_membership.remove").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_administrator_takes_back_in_the_moment_when_the_answer_is_lost_is_not_done_again() {
    const USERS: usize = 6;
    let scene = Scene::start("allow = [\"*\"]").await;
    let staff = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    let mut users = Vec::new();
    for n in 0..USERS {
        users.push(scene.plant_user(&format!("u{n}@acme.com")).await);
    }
    scene.okta.arm(json!({ "kind": "answer_lost", "method": "PUT", "count": USERS })).await;
    for (n, user) in users.iter().enumerate() {
        // The look comes after the reversal, and both within a second.
        let path = format!("/api/v1/users/{user}/groups");
        let late = json!({ "kind": "delay", "milliseconds": 500, "method": "GET", "path": path, "after": 1, "count": 1 });
        scene.okta.arm(late).await;
        let parameters = json!({ "user": user, "group": staff });
        scene
            .send(json!({ "id": format!("in{n}"), "action": "group.add_user", "parameters": parameters }))
            .await;
        until(async || writes(&scene, "group.user_membership.add").await > n).await;
        scene.okta.act(Method::DELETE, &format!("/groups/{staff}/users/{user}")).await;
    }
    for n in 0..USERS {
        let outcome = scene.outcome(&format!("in{n}")).await;
        // A look that was faster than the administrator has seen it.
        let seen = [("failed", "changed_meanwhile"), ("done", "")];
        assert!(seen.contains(&essence(&outcome)), "{outcome}");
    }
    assert_eq!(writes(&scene, "group.user_membership.add").await, USERS, "nothing is done again");
    assert_eq!(scene.okta.api(&format!("/groups/{staff}/users")).await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_and_not_done_is_judged_anew_after_a_kill() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    let user = json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com" } });
    let ada = scene.okta.plant("users", &user).await;
    scene.okta.arm(json!({ "kind": "status", "status": 503, "method": "POST" })).await;
    scene.send(json!({ "id": "off", "action": "user.deactivate", "parameters": { "user": ada } })).await;
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    scene.kill().await;
    scene.okta.disarm().await;
    let mut scene = scene.under("allow = [\"*\"]\nprotect = { users = [\"ada@acme.com\"] }");
    scene.resume();
    assert_eq!(essence(&scene.outcome("off").await), ("refused", "protected"));
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_for_a_restart_are_counted_once() {
    let mut scene =
        Scene::start("allow = [\"*\"]\nparallel = 1\nlimits = { \"user.suspend\" = \"6/1h\" }").await;
    for n in 0..6 {
        let user = json!({ "status": "ACTIVE", "profile": { "login": format!("l{n}@acme.com") } });
        scene.okta.plant("users", &user).await;
    }
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 1_500, "method": "POST", "count": 1 })).await;
    for n in 0..6 {
        let parameters = json!({ "user": format!("l{n}@acme.com") });
        scene
            .send(json!({ "id": format!("l{n}"), "action": "user.suspend", "parameters": parameters }))
            .await;
    }
    until(async || scene.status().await["held"] == 6).await;
    scene.stop().await;
    scene.resume();
    for n in 0..6 {
        let outcome = scene.outcome(&format!("l{n}")).await;
        assert_eq!(essence(&outcome), ("done", ""), "{outcome}");
    }
}
