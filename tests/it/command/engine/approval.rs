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
    serde_json::from_str::<Value>(&shown.stdout).unwrap()["fingerprint"].as_str().unwrap().to_owned()
}

/// Approves `command` by a message `id` that `key` signs, and gives the status and the code of its outcome.
async fn approve(scene: &Scene, id: &str, (command, fingerprint): (&str, &str), key: &str) -> String {
    let file = if key == "portal" { "portal.secret" } else { "hr.key" };
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
    // Whom it is about is what it says itself: nobody has asked Okta.
    for asked in [&["list"][..], &["show", "ada"]] {
        let told = scene.by_hand(asked).await.stdout;
        assert!(told.contains("ada@acme.com"), "{told}");
    }
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
