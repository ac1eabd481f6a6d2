//! A change that waits for Okta's rate limit is not begun: whoever asked for it, and whoever has the name, may be another by
//! the time when it can be sent, be the daemon the same or not.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    scene::{Scene, essence, until},
    signatures::{HEADER, Signer},
};

/// How long Okta asks to wait.
const WAIT_SECONDS: u32 = 4;

/// Lets Okta take no change for a while, from the next one on.
async fn throttle(scene: &Scene, method: &str) {
    let fault = json!({ "kind": "rate_limited", "seconds": WAIT_SECONDS, "method": method });
    scene.okta.arm(fault).await;
}

/// Waits until Okta has refused the change for now.
async fn refused_for_now(scene: &Scene) {
    let counts = async || scene.okta.page("/-/requests").await;
    until(async || counts().await.as_array().unwrap().iter().any(|count| count["status"] == 429)).await;
}

/// An administrator gives the user another login, and the one that they had to a new user, whose id this is.
async fn give_login_away(scene: &Scene, user: &str, login: &str) -> String {
    let profile = json!({ "profile": { "login": "former@acme.com", "email": "former@acme.com" } });
    scene.okta.act_with(Method::POST, &format!("/users/{user}"), &profile).await;
    scene.plant_user(login).await
}

async fn members(scene: &Scene, group: &str) -> Vec<String> {
    let users = scene.okta.api(&format!("/groups/{group}/users")).await;
    users.as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_rate_limit_is_done_to_whoever_has_the_login_then() {
    for is_killed in [false, true] {
        let mut scene = Scene::start("allow = [\"*\"]").await;
        let former = scene.plant_user("ada@acme.com").await;
        let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
        throttle(&scene, "PUT").await;
        let parameters = json!({ "user": "ada@acme.com", "group": "Staff" });
        scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
        refused_for_now(&scene).await;
        if is_killed {
            scene.kill().await;
        }
        let heir = give_login_away(&scene, &former, "ada@acme.com").await;
        scene.okta.disarm().await;
        if is_killed {
            scene.resume();
        }
        let outcome = scene.outcome("join").await;
        let members = members(&scene, &group).await;
        match essence(&outcome) {
            ("done", "") => assert_eq!(members, [heir], "killed: {is_killed}"),
            // It died before it knew Okta's answer, so that something may have been sent for the former bearer.
            ("failed", "changed_meanwhile") if is_killed => assert_eq!(members, [] as [&str; 0]),
            _ => panic!("killed: {is_killed}: {outcome}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_rate_limit_is_not_done_for_whom_nobody_trusts_any_more() {
    const OF_HR: &str = "allow = [\"user.*\"]\n[commands.hr.signature]\n\
        keys.hr = { algorithm = \"ed25519\", public_key_file = \"{dir}/hr.pub\", allow = [\"user.*\"] }\n";
    const OF_BOTH: &str = "keys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\", \
        allow = [\"user.*\"] }\n";
    const NARROWED: &str = "keys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\", \
        allow = [\"user.get\"] }\n";
    for (policy, is_removed) in [(OF_HR.to_owned(), true), (format!("{OF_HR}{NARROWED}"), false)] {
        let mut scene = Scene::prepare(&format!("{OF_HR}{OF_BOTH}")).await;
        Signer::make_keys(&scene.workplace.path(""));
        scene.resume();
        scene.plant_user("ada@acme.com").await;
        throttle(&scene, "POST").await;
        let command =
            json!({ "id": "c1", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
        let payload = command.to_string();
        let signature = Signer::Hmac.sign(&scene.workplace.path(""), "acme/hr", &payload, 0);
        scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
        refused_for_now(&scene).await;
        scene.kill().await;
        let mut scene = scene.under(&policy);
        scene.okta.disarm().await;
        scene.resume();
        until(async || scene.status().await["held"] == 0 && scene.audit().iter().any(is_over)).await;
        assert_eq!(scene.writes().await, [] as [&str; 0], "removed: {is_removed}");
        // If it dies before it knows Okta's answer, only a look can tell: then there is an outcome.
        let dead_letters = scene.dead_letters();
        if !is_removed {
            assert_eq!(essence(&scene.outcome("c1").await).1, "not_allowed");
        } else if dead_letters.is_empty() {
            assert_eq!(essence(&scene.outcome("c1").await).1, "bad_signature");
        } else {
            assert!(dead_letters.contains("bad_signature"), "{dead_letters}");
        }
    }
}

/// Whether the audit's record is of an end.
fn is_over(record: &Value) -> bool {
    ["refused", "ended"].iter().any(|decision| record["decision"] == *decision)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_exchanged_while_a_change_waits_counts_no_more() {
    const POLICY: &str = "allow = [\"user.*\"]\n[commands.hr.signature]\n\
        keys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\", allow = [\"user.*\"] }\n";
    let mut scene = Scene::prepare(POLICY).await;
    Signer::make_keys(&scene.workplace.path(""));
    scene.resume();
    scene.plant_user("ada@acme.com").await;
    throttle(&scene, "POST").await;
    let command = json!({ "id": "c1", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    let payload = command.to_string();
    let signature = Signer::Hmac.sign(&scene.workplace.path(""), "acme/hr", &payload, 0);
    scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    refused_for_now(&scene).await;
    std::fs::write(scene.workplace.path("portal.secret"), "another-secret-another-secret-another\n").unwrap();
    scene.reload().await;
    until(async || scene.workplace.log().contains("a key of signatures has been exchanged")).await;
    scene.okta.disarm().await;
    let outcome = scene.outcome("c1").await;
    assert_eq!(essence(&outcome), ("refused", "bad_signature"), "{outcome}");
    assert_eq!(scene.writes().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_command_whose_key_was_narrowed_is_refused_once() {
    let policy = |allowed: &str| {
        format!(
            "allow = [\"user.*\"]\n[commands.hr.signature]\nkeys.portal = {{ algorithm = \"hmac-sha256\", \
             secret_file = \"{{dir}}/portal.secret\", allow = [\"{allowed}\"] }}\n"
        )
    };
    let mut scene = Scene::prepare(&policy("user.*")).await;
    Signer::make_keys(&scene.workplace.path(""));
    scene.resume();
    scene.plant_user("ada@acme.com").await;
    let not_before = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20);
    let command = json!({
        "id": "c1", "action": "user.suspend", "parameters": { "user": "ada@acme.com" }, "not_before": not_before,
    });
    let payload = command.to_string();
    let signature = Signer::Hmac.sign(&scene.workplace.path(""), "acme/hr", &payload, 0);
    scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    until(async || scene.status().await["parked"] == 1).await;
    scene.stop().await;
    let mut scene = scene.under(&policy("user.get"));
    scene.resume();
    until(async || scene.status().await["parked"] == 1).await;
    for _ in 0..3 {
        scene.by_hand(&["cancel", "c1"]).await;
    }
    until(async || scene.status().await["parked"] == 0 && scene.status().await["held"] == 0).await;
    let outcomes = scene.outcomes_of("c1", 1).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!(essence(&outcomes[0]).0, "refused");
    scene.stop().await;
    assert_eq!(scene.outcomes().await.len(), 1);
    assert_eq!(scene.writes().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_waits_after_a_change_was_refused_for_now_is_no_doubt() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    let former = scene.plant_user("ada@acme.com").await;
    throttle(&scene, "POST").await;
    // The look that decides whether to try again does not come back.
    let stuck = json!({ "kind": "rate_limited", "seconds": 50, "path": format!("/api/v1/users/{former}") });
    scene.okta.arm(stuck).await;
    let parameters = json!({ "user": "ada@acme.com" });
    scene.send(json!({ "id": "c1", "action": "user.deactivate", "parameters": parameters })).await;
    let throttled = async |path: &str| scene.okta.counted(path, 429).await;
    until(async || throttled("/api/v1/users/{id}/lifecycle/deactivate").await > 0).await;
    until(async || {
        throttled("/api/v1/users/{id}").await > 0 || scene.status().await["troubles"]["okta"].is_string()
    })
    .await;
    scene.kill().await;
    scene.okta.disarm().await;
    let heir = give_login_away(&scene, &former, "ada@acme.com").await;
    scene.resume();
    assert_eq!(essence(&scene.outcome("c1").await), ("done", ""));
    let status = async |id: &str| scene.okta.api(&format!("/users/{id}")).await["status"].clone();
    assert_eq!((status(&former).await, status(&heir).await), (json!("ACTIVE"), json!("DEPROVISIONED")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_stopped_between_its_steps_does_not_say_that_nothing_was_done() {
    let scene = Scene::start("allow = [\"*\"]").await;
    let user = scene.plant_user("ada@acme.com").await;
    throttle(&scene, "DELETE").await;
    let parameters = json!({ "user": "ada@acme.com", "deactivate_first": true });
    scene.send(json!({ "id": "c1", "action": "user.delete", "parameters": parameters })).await;
    refused_for_now(&scene).await;
    assert_eq!(scene.by_hand(&["cancel", "c1"]).await.code, Some(0));
    scene.okta.disarm().await;
    let outcome = scene.outcome("c1").await;
    assert_eq!(essence(&outcome), ("failed", "cancelled"), "{outcome}");
    let message = outcome["error"]["message"].as_str().unwrap();
    assert!(message.contains("what was done stays"), "{message}");
    assert_eq!(scene.okta.api(&format!("/users/{user}")).await["status"], "DEPROVISIONED");
    assert_eq!(scene.writes().await, ["user.lifecycle.deactivate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_given_away_between_the_parts_of_a_command_ends_all_of_it() {
    let scene = Scene::start("allow = [\"*\"]").await;
    let mut users = Vec::new();
    for n in 0..4 {
        users.push(scene.plant_user(&format!("u{n}@acme.com")).await);
    }
    let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    let fault = json!({ "kind": "rate_limited", "seconds": WAIT_SECONDS, "method": "PUT", "after": 1 });
    scene.okta.arm(fault).await;
    let logins = ["u0@acme.com", "u1@acme.com", "u2@acme.com", "u3@acme.com"];
    let parameters = json!({ "users": logins, "group": "Staff" });
    scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
    refused_for_now(&scene).await;
    give_login_away(&scene, &users[2], "u2@acme.com").await;
    scene.okta.disarm().await;
    let outcome = scene.outcome("join").await;
    assert_eq!(essence(&outcome), ("failed", "changed_meanwhile"), "{outcome}");
    assert_eq!(members(&scene, &group).await, [users[0].clone()], "{outcome}");
    // What is done is told.
    assert_eq!(statuses(&outcome), ["done", "failed", "failed", "failed"], "{outcome}");
    let message = outcome["error"]["message"].as_str().unwrap();
    assert!(message.contains("what was done stays"), "{message}");
}

/// What became of each part.
fn statuses(outcome: &Value) -> Vec<&str> {
    let parts = outcome["result"]["memberships"].as_array().unwrap();
    parts.iter().map(|part| part["status"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_okta_does_not_say_who_has_a_login_nothing_is_sent() {
    let scene = Scene::start("allow = [\"*\"]").await;
    let users = [scene.plant_user("u0@acme.com").await, scene.plant_user("u1@acme.com").await];
    let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    let once =
        json!({ "kind": "rate_limited", "seconds": WAIT_SECONDS, "method": "PUT", "after": 1, "count": 1 });
    scene.okta.arm(once).await;
    let parameters = json!({ "users": ["u0@acme.com", "u1@acme.com"], "group": "Staff" });
    scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
    refused_for_now(&scene).await;
    // Something was sent, so that only the name can tell that it is somebody else's by now.
    scene
        .okta
        .arm(json!({ "kind": "status", "status": 503, "method": "GET", "path": "/api/v1/users/u1@acme.com" }))
        .await;
    give_login_away(&scene, &users[1], "u1@acme.com").await;
    until(async || scene.okta.counted("/api/v1/users/{id}", 503).await >= 4).await;
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    scene.okta.disarm().await;
    let outcome = scene.outcome("join").await;
    assert_eq!(essence(&outcome), ("failed", "changed_meanwhile"), "{outcome}");
    assert_eq!(statuses(&outcome), ["done", "failed"], "{outcome}");
    assert_eq!(members(&scene, &group).await, [users[0].clone()], "{outcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_given_away_while_a_list_is_paused_halfway_is_looked_up_again() {
    let scene = Scene::start("allow = [\"*\"]").await;
    let mut users = Vec::new();
    for n in 0..4 {
        users.push(scene.plant_user(&format!("u{n}@acme.com")).await);
    }
    let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    let second = format!("/api/v1/groups/{group}/users/{}", users[1]);
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 4_000, "method": "PUT", "path": second })).await;
    let logins = ["u0@acme.com", "u1@acme.com", "u2@acme.com", "u3@acme.com"];
    let parameters = json!({ "users": logins, "group": "Staff" });
    scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
    until(async || scene.okta.counted("/api/v1/users/{id}/groups", 200).await >= 2).await;
    assert_eq!(scene.by_hand(&["pause"]).await.code, Some(0));
    until(async || scene.writes().await.len() == 2).await;
    give_login_away(&scene, &users[3], "u3@acme.com").await;
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    let outcome = scene.outcome("join").await;
    assert_eq!(essence(&outcome), ("failed", "changed_meanwhile"), "{outcome}");
    assert_eq!(statuses(&outcome), ["done", "done", "done", "failed"], "{outcome}");
    let mut members = members(&scene, &group).await;
    members.sort();
    users.truncate(3);
    users.sort();
    assert_eq!(members, users, "{outcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_are_done_in_different_attempts_are_all_remembered() {
    let scene = Scene::start("allow = [\"*\"]").await;
    let mut users = Vec::new();
    for n in 0..3 {
        users.push(scene.plant_user(&format!("u{n}@acme.com")).await);
    }
    let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    let path = |user: &str| format!("/api/v1/groups/{group}/users/{user}");
    // The first attempt does the last part alone, the second the first one, and Okta throttles before the other.
    for user in &users[..2] {
        let busy = json!({ "kind": "status", "status": 409, "error_code": "E0000112", "method": "PUT" });
        let mut busy = busy.as_object().unwrap().clone();
        busy.insert("path".to_owned(), path(user).into());
        busy.insert("count".to_owned(), 1.into());
        scene.okta.arm(busy.into()).await;
    }
    let parameters = json!({ "users": ["u0@acme.com", "u1@acme.com", "u2@acme.com"], "group": "Staff" });
    scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
    until(async || scene.writes().await.len() == 1).await;
    let throttled =
        json!({ "kind": "rate_limited", "seconds": WAIT_SECONDS, "method": "PUT", "path": path(&users[1]) });
    scene.okta.arm(throttled).await;
    refused_for_now(&scene).await;
    for user in [&users[0], &users[2]] {
        scene.okta.act(Method::DELETE, &format!("/groups/{group}/users/{user}")).await;
    }
    scene.okta.disarm().await;
    let outcome = scene.outcome("join").await;
    assert_eq!(essence(&outcome), ("done", ""), "{outcome}");
    assert_eq!(statuses(&outcome), ["done"; 3], "{outcome}");
    assert_eq!(members(&scene, &group).await, [users[1].clone()], "what was taken back stays so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_list_had_done_when_the_daemon_was_killed_is_told_as_done() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    let users = [scene.plant_user("u0@acme.com").await, scene.plant_user("u1@acme.com").await];
    let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    scene.okta.arm(json!({ "kind": "answer_lost", "method": "PUT", "after": 1, "count": 1 })).await;
    let path = format!("/api/v1/users/{}/groups", users[1]);
    scene
        .okta
        .arm(json!({ "kind": "status", "status": 503, "method": "GET", "path": path, "after": 1 }))
        .await;
    let parameters = json!({ "users": ["u0@acme.com", "u1@acme.com"], "group": "Staff" });
    scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
    until(async || scene.writes().await.len() == 2).await;
    scene.kill().await;
    scene.okta.disarm().await;
    scene.resume();
    let outcome = scene.outcome("join").await;
    assert_eq!(essence(&outcome), ("done", ""), "{outcome}");
    assert_eq!(statuses(&outcome), ["done", "done"], "{outcome}");
    let parts = outcome["result"]["memberships"].as_array().unwrap();
    assert!(parts.iter().all(|part| part["was_member"] == false), "{outcome}");
    assert_eq!(members(&scene, &group).await.len(), 2);
    assert_eq!(scene.writes().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_done_is_told_as_done_and_not_done_again_whoever_reverts_it() {
    for is_killed in [false, true] {
        let mut scene = Scene::start("allow = [\"*\"]").await;
        let users = [scene.plant_user("u0@acme.com").await, scene.plant_user("u1@acme.com").await];
        let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
        let fault = json!({ "kind": "rate_limited", "seconds": WAIT_SECONDS, "method": "PUT", "after": 1 });
        scene.okta.arm(fault).await;
        let parameters = json!({ "users": ["u0@acme.com", "u1@acme.com"], "group": "Staff" });
        scene.send(json!({ "id": "join", "action": "group.add_user", "parameters": parameters })).await;
        refused_for_now(&scene).await;
        until(async || scene.status().await["troubles"]["okta"].is_string()).await;
        scene.okta.act(Method::DELETE, &format!("/groups/{group}/users/{}", users[0])).await;
        if is_killed {
            scene.kill().await;
            scene.resume();
        }
        scene.okta.disarm().await;
        let outcome = scene.outcome("join").await;
        assert_eq!(essence(&outcome), ("done", ""), "{outcome}");
        let parts = outcome["result"]["memberships"].as_array().unwrap();
        let told = |part: &Value| (part["status"].clone(), part["was_member"].clone());
        assert_eq!(parts.iter().map(told).collect::<Vec<_>>(), vec![(json!("done"), json!(false)); 2]);
        assert_eq!(members(&scene, &group).await, [users[1].clone()], "killed: {is_killed}");
    }
}
