//! Commands that a second key must approve: by the daemon, judged by what the simulated org was told.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    scene::{Scene, essence, until},
    signatures::{HEADER, Signer},
};
use crate::support::clock::Clock;

/// `desk` is `hr` under another name.
const POLICY: &str = r#"allow = ["user.*"]
approve = ["user.deactivate"]
approve_within = "1h"
[commands.hr.signature]
max_age = "12h"
keys.hr = { algorithm = "ed25519", public_key_file = "{dir}/hr.pub", approve = ["user.deactivate"] }
keys.desk = { algorithm = "ed25519", public_key_file = "{dir}/hr.pub", approve = ["user.deactivate"] }
keys.portal = { algorithm = "hmac-sha256", secret_file = "{dir}/portal.secret", approve = ["user.deactivate"] }
"#;

async fn prepare() -> Scene {
    let scene = Scene::prepare(POLICY).await;
    Signer::make_keys(&scene.workplace.path(""));
    scene
}

/// Sends a signed command to deactivate a new user, and gives its bytes when it waits.
async fn ask(scene: &Scene, id: &str, more: Value) -> String {
    // Who lists before the daemon is up opens the state in its place.
    scene.status().await;
    let login = format!("{id}@acme.com");
    scene.plant_user(&login).await;
    let mut command = json!({ "id": id, "action": "user.deactivate", "parameters": { "user": login } });
    command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let payload = command.to_string();
    send(scene, &payload).await;
    until(async || waiting(scene).await.contains(&format!("\"{id}\""))).await;
    payload
}

async fn send(scene: &Scene, payload: &str) {
    let signature = Signer::Ed25519.sign(&scene.workplace.path(""), "acme/hr", payload, 0);
    scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
}

async fn waiting(scene: &Scene) -> String {
    scene.by_hand(&["list", "--status", "awaits_approval", "--json"]).await.stdout
}

async fn fingerprint(scene: &Scene, id: &str) -> String {
    let shown = scene.by_hand(&["show", id, "--json"]).await;
    let shown = serde_json::from_str::<Value>(&shown.stdout).unwrap();
    shown["second_key"]["awaited"]["fingerprint"].as_str().unwrap().to_owned()
}

/// Approves `command` by a message `id` that `key` signs, and gives the status and the code of its outcome.
async fn approve(scene: &Scene, id: &str, (command, fingerprint): (&str, &str), key: &str) -> String {
    let file = match key {
        "portal" => "portal.secret",
        "boss" => "boss.secret",
        _ => "hr.key",
    };
    let file = scene.workplace.path(file).display().to_string();
    let (command, fingerprint) = (format!("command={command}"), format!("fingerprint={fingerprint}"));
    let arguments = ["publish", "command.approve", "-p", &command, "-p", &fingerprint, "--id", id];
    let said = scene.by_hand(&[&arguments[..], &["--sign-key", &file, "--key-id", key]].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let outcome = scene.outcome(id).await;
    let (status, code) = essence(&outcome);
    format!("{status} {code}").trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_key_approves_is_done_once_and_nothing_else_is() {
    let mut scene = prepare().await;
    scene.resume();
    let metric = || scene.workplace.metric("oktabus_commands_awaiting_approval{commands=\"hr\"}");
    until(async || metric().await.is_some_and(|waiting| waiting.to_string() == "0")).await;
    let payload = ask(&scene, "ada", json!({})).await;
    assert_eq!(scene.status().await["awaits_approval"], 1);
    until(async || metric().await.is_some_and(|waiting| waiting.to_string() == "1")).await;
    // Whom it is about can be seen before it is approved, and what it says.
    let user = scene.okta.api("/users/ada@acme.com").await["id"].as_str().unwrap().to_owned();
    for asked in [&["list", "--status", "awaits_approval"][..], &["show", "ada"]] {
        let told = scene.by_hand(asked).await.stdout;
        assert!(told.contains(&format!("ada@acme.com ({user})")), "{told}");
    }
    let shown = scene.by_hand(&["show", "ada"]).await.stdout;
    assert!(shown.contains(r#"{"user":"ada@acme.com"}"#), "{shown}");
    let shown: Value = serde_json::from_str(&scene.by_hand(&["show", "ada", "--json"]).await.stdout).unwrap();
    assert_eq!(shown["subjects"]["users"][0]["id"], user);
    assert_eq!(shown["asks"]["parameters"]["user"], "ada@acme.com");
    let known = fingerprint(&scene, "ada").await;
    let another = known.replace("v1:", "v1:0");
    for (id, about, key, told) in [
        ("same", ("ada", &*known), "hr", "refused same_key"),
        ("renamed", ("ada", &known), "desk", "refused same_key"),
        ("changed", ("ada", &another), "portal", "refused another_command"),
        ("nobody", ("eve", &known), "portal", "refused nothing_to_approve"),
    ] {
        assert_eq!(approve(&scene, id, about, key).await, told, "{id}");
    }
    // Other bytes under its id are another command.
    send(&scene, &payload.replace("ada@acme.com", "bob@acme.com")).await;
    until(async || scene.audit().iter().any(|line| line["error"] == "id_reused")).await;
    // The operator of the machine is no second key, and no first.
    let parameters = ["-p", "command=ada", "-p", &format!("fingerprint={known}")];
    let said = scene.by_hand(&[&["run", "command.approve"][..], &parameters].concat()).await;
    assert!(said.code == Some(1) && said.stdout.contains("approver_without_key"), "{said:?}");
    let said = scene.by_hand(&["run", "user.deactivate", "-p", "user=ada@acme.com"]).await;
    assert!(said.code == Some(1) && said.stdout.contains("approval_impossible"), "{said:?}");
    assert!(scene.writes().await.is_empty());

    scene.kill().await;
    scene.resume();
    assert_eq!(approve(&scene, "second", ("ada", &known), "portal").await, "done");
    assert_eq!(essence(&scene.outcome("ada").await), ("done", ""));
    assert_eq!(approve(&scene, "late", ("ada", &known), "portal").await, "refused nothing_to_approve");
    send(&scene, &payload).await;
    assert_eq!(scene.outcomes_of("ada", 2).await[1]["repeated"], true);
    assert_eq!(scene.writes().await.len(), 1);

    let audit = scene.audit();
    let line = |id: &str, decision: &str| {
        let is_it = |line: &&Value| line["command_id"] == id && line["decision"] == decision;
        audit.iter().find(is_it).unwrap_or_else(|| panic!("no {decision} of {id}: {audit:?}"))
    };
    assert_eq!(line("ada", "awaits_approval")["fingerprint"], known);
    assert_eq!(line("ada", "awaits_approval")["subjects"]["users"][0]["id"], user);
    assert_eq!(line("ada", "approved")["signed_by"], "portal");
    for decision in ["begun", "ended"] {
        let line = line("ada", decision);
        assert_eq!((&line["signed_by"], &line["approved_by"]), (&json!("hr"), &json!("portal")));
    }
    let shown = scene.by_hand(&["show", "ada"]).await.stdout;
    assert!(shown.contains("approved by") && shown.contains("portal at "), "{shown}");
    assert_eq!(scene.status().await["awaits_approval"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_outlives_a_kill_and_what_nobody_approves_in_time_is_not_done() {
    let mut scene = prepare().await;
    let clock = Clock::new(&scene.workplace);
    scene.resume_with(&clock.environment());
    let not_before = Timestamp::now() + SignedDuration::from_hours(2);
    ask(&scene, "later", json!({ "not_before": not_before })).await;
    ask(&scene, "never", json!({})).await;
    ask(&scene, "stopped", json!({})).await;
    let (later, never) = (fingerprint(&scene, "later").await, fingerprint(&scene, "never").await);
    assert_eq!(approve(&scene, "yes", ("later", &later), "portal").await, "done");
    assert_eq!(scene.by_hand(&["cancel", "stopped"]).await.code, Some(0));
    assert_eq!(essence(&scene.outcome("stopped").await), ("refused", "cancelled"));
    scene.kill().await;
    assert!(scene.writes().await.is_empty());

    clock.put(2 * 3_600 + 60);
    scene.resume_with(&clock.environment());
    assert_eq!(essence(&scene.outcome("later").await), ("done", ""));
    assert_eq!(essence(&scene.outcome("never").await), ("expired", "not_approved"));
    assert_eq!(approve(&scene, "too-late", ("never", &never), "portal").await, "refused nothing_to_approve");
    assert_eq!(scene.writes().await.len(), 1);
    assert_eq!(scene.outcomes_of("later", 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_bears_a_name_only_since_it_was_approved_is_not_acted_on() {
    let policy = POLICY.replace("[\"user.*\"]", "[\"*\"]");
    let policy = policy.replace("[\"user.deactivate\"]", "[\"user.deactivate\", \"group.delete\"]");
    let mut scene = Scene::prepare(&policy).await;
    Signer::make_keys(&scene.workplace.path(""));
    scene.resume();
    scene.status().await;
    let profile =
        |login: &str, number: &str| json!({ "login": login, "email": login, "employeeNumber": number });
    let ada = scene.okta.plant("users", &json!({ "profile": profile("ada@acme.com", "7") })).await;
    let staff = scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    let having = json!({ "attribute": "employeeNumber", "value": "7" });
    for (id, action, parameters) in [
        ("by-login", "user.deactivate", json!({ "user": "ada@acme.com" })),
        ("by-attribute", "user.deactivate", json!({ "user": having })),
        ("by-name", "group.delete", json!({ "group": "Staff" })),
        ("by-id", "user.deactivate", json!({ "user": ada })),
    ] {
        send(&scene, &json!({ "id": id, "action": action, "parameters": parameters }).to_string()).await;
    }
    until(async || waiting(&scene).await.lines().count() == 4).await;
    let unknown =
        json!({ "id": "none", "action": "user.deactivate", "parameters": { "user": "eve@acme.com" } });
    send(&scene, &unknown.to_string()).await;
    assert_eq!(essence(&scene.outcome("none").await), ("failed", "user_not_found"));

    // Their names are others' now.
    scene.okta.plant("users", &json!({ "id": ada, "profile": profile("former@acme.com", "8") })).await;
    scene.okta.plant("users", &json!({ "profile": profile("ada@acme.com", "7") })).await;
    scene.okta.plant("groups", &json!({ "id": staff, "profile": { "name": "Former" } })).await;
    scene.okta.plant("groups", &json!({ "profile": { "name": "Staff" } })).await;
    for (id, expected) in [
        ("by-login", ("failed", "changed_meanwhile")),
        ("by-attribute", ("failed", "changed_meanwhile")),
        ("by-name", ("failed", "changed_meanwhile")),
        ("by-id", ("done", "")),
    ] {
        let known = fingerprint(&scene, id).await;
        assert_eq!(approve(&scene, &format!("yes-{id}"), (id, &known), "portal").await, "done");
        assert_eq!(essence(&scene.outcome(id).await), expected, "{id}");
    }
    assert_eq!(scene.writes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_may_not_ask_for_any_more_ends_what_it_has_asked_for_and_takes_no_id_of_others() {
    let mut scene = prepare().await;
    scene.resume();
    let payload = ask(&scene, "ada", json!({})).await;
    scene.stop().await;
    let narrowed = POLICY.replacen("hr.pub\",", "hr.pub\", allow = [\"user.get\"],", 1);
    let narrowed = narrowed.replacen("portal.secret\",", "portal.secret\", allow = [\"user.get\"],", 1);
    let mut scene = scene.under(&narrowed);
    scene.resume();
    scene.status().await;
    // Whoever else signs the same ends nothing.
    let portal = Signer::Hmac.sign(&scene.workplace.path(""), "acme/hr", &payload, 0);
    scene.send_raw(payload.as_bytes(), &[(HEADER, &portal)]).await;
    assert_eq!(essence(&scene.outcome("COMMANDS@2").await), ("refused", "not_allowed"));
    assert!(waiting(&scene).await.contains("\"ada\""));
    send(&scene, &payload).await;
    assert_eq!(essence(&scene.outcome("ada").await), ("refused", "not_allowed"));
    until(async || waiting(&scene).await.is_empty()).await;

    scene.stop().await;
    let mut scene = scene.under(POLICY);
    scene.resume();
    scene.status().await;
    assert_eq!(scene.by_hand(&["list", "--status", "refused", "--json"]).await.stdout.lines().count(), 1);
    assert!(scene.writes().await.is_empty());
    scene.stop().await;
    // The id of a command that another key has yet to send.
    let mut scene =
        scene.under(&POLICY.replacen("portal.secret\",", "portal.secret\", allow = [\"user.get\"],", 1));
    scene.resume();
    let next =
        json!({ "id": "next", "action": "user.deactivate", "parameters": { "user": "next@acme.com" } });
    let misspelt =
        json!({ "id": "next", "action": "user.deactivat", "parameters": { "user": "next@acme.com" } });
    for (number, message) in [(4, next), (5, misspelt)] {
        let payload = message.to_string();
        let signature = Signer::Hmac.sign(&scene.workplace.path(""), "acme/hr", &payload, 0);
        scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
        let refused = scene.outcome(&format!("COMMANDS@{number}")).await;
        assert!(refused["status"] == "refused" && refused["error"]["message"].to_string().contains("`next`"));
    }
    ask(&scene, "next", json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_by_a_key_that_may_not_approve_any_more_is_asked_for_again() {
    let boss = "keys.boss = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/boss.secret\", approve = [\"user.deactivate\"] }\n";
    let policy = format!("{POLICY}{boss}");
    let mut scene = Scene::prepare(&policy).await;
    Signer::make_keys(&scene.workplace.path(""));
    scene.workplace.write_secret("boss.secret", &"b".repeat(40));
    let clock = Clock::new(&scene.workplace);
    scene.resume_with(&clock.environment());
    let not_before = Timestamp::now() + SignedDuration::from_mins(40);
    ask(&scene, "ada", json!({ "not_before": not_before })).await;
    let known = fingerprint(&scene, "ada").await;
    assert_eq!(approve(&scene, "first", ("ada", &known), "portal").await, "done");
    assert_eq!(waiting(&scene).await, "");
    scene.stop().await;
    let withdrawn = policy.replacen("portal.secret\", approve = [\"user.deactivate\"]", "portal.secret\"", 1);
    assert_ne!(withdrawn, policy);
    let mut scene = scene.under(&withdrawn);
    scene.resume_with(&clock.environment());
    scene.status().await;
    until(async || waiting(&scene).await.contains("\"ada\"")).await;
    assert_eq!(approve(&scene, "second", ("ada", &known), "boss").await, "done");
    scene.stop().await;
    clock.put(41 * 60);
    scene.resume_with(&clock.environment());
    assert_eq!(essence(&scene.outcome("ada").await), ("done", ""));
    let ended =
        scene.audit().into_iter().find(|line| line["command_id"] == "ada" && line["decision"] == "ended");
    assert_eq!(ended.unwrap()["approved_by"], "boss");
    // A key that may approve nothing does not send approvals.
    let secret = scene.workplace.path("portal.secret").display().to_string();
    let arguments =
        ["publish", "command.approve", "-p", "command=x", "-p", "fingerprint=v1:0", "--sign-key", &secret];
    let said = scene.by_hand(&arguments).await;
    assert!(said.code == Some(64) && said.stderr.contains("may approve nothing"), "{said:?}");
    // Nor does it take an id by one.
    let said = scene.by_hand(&[&arguments[..], &["--no-validate", "--id", "taken"]].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let is_refused =
        |line: &Value| line["error"] == "not_allowed" && line["reason"].to_string().contains("`taken`");
    until(async || scene.audit().iter().any(is_refused)).await;
    ask(&scene, "taken", json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_the_rate_limit_and_lost_its_approval_can_be_approved_again() {
    let mut scene = prepare().await;
    scene.resume();
    ask(&scene, "ada", json!({})).await;
    let known = fingerprint(&scene, "ada").await;
    scene.okta.arm(json!({ "kind": "rate_limited", "seconds": 4, "method": "POST" })).await;
    assert_eq!(approve(&scene, "first", ("ada", &known), "portal").await, "done");
    let path = "/api/v1/users/{id}/lifecycle/deactivate";
    until(async || scene.okta.counted(path, 429).await > 0).await;
    // What the state has of it says by then that nothing was sent.
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    scene.kill().await;
    // The key was stolen: another one has its name.
    std::fs::write(scene.workplace.path("portal.secret"), "another-secret-another-secret-another\n").unwrap();
    scene.okta.disarm().await;
    scene.resume();
    scene.status().await;
    until(async || waiting(&scene).await.contains("\"ada\"")).await;
    assert!(scene.writes().await.is_empty());
    let known = fingerprint(&scene, "ada").await;
    assert_eq!(approve(&scene, "again", ("ada", &known), "portal").await, "done");
    assert_eq!(essence(&scene.outcome("ada").await), ("done", ""));
    assert_eq!(scene.writes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_sent_is_not_sent_again_without_its_approval() {
    let mut scene = prepare().await;
    scene.resume();
    ask(&scene, "ada", json!({})).await;
    let known = fingerprint(&scene, "ada").await;
    scene.okta.arm(json!({ "kind": "status", "status": 503, "method": "POST" })).await;
    assert_eq!(approve(&scene, "first", ("ada", &known), "portal").await, "done");
    until(async || scene.status().await["troubles"]["okta"].is_string()).await;
    scene.kill().await;
    let without = POLICY.replace("portal.secret\", approve = [\"user.deactivate\"] }", "portal.secret\" }");
    assert_ne!(without, POLICY);
    let mut scene = scene.under(&without);
    scene.okta.disarm().await;
    scene.resume();
    let outcome = scene.outcome("ada").await;
    assert_eq!(essence(&outcome), ("failed", "not_approved"), "{outcome}");
    assert!(scene.writes().await.is_empty());
}
