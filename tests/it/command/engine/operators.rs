//! What operators rely on when something else is wrong: no daemon, a state that was recovered, a disk or an audit that takes
//! nothing.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    scene::{Scene, essence, until},
    signatures::{HEADER, Signer},
};
use crate::support::{
    clock::Clock,
    files::copy,
    image::{Image, can_mount},
};

fn suspend(id: &str) -> Value {
    json!({ "id": id, "action": "user.suspend", "parameters": { "user": "ada@acme.com" } })
}

fn decisions(scene: &Scene) -> Vec<String> {
    scene.audit().into_iter().map(|line| line["decision"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_by_hand_without_the_daemon_leaves_alone_what_waits_in_the_state() {
    let mut scene = Scene::prepare(
        "allow = [\"user.*\"]\n[commands.hr.signature]\n\
         keys.hr = { algorithm = \"ed25519\", public_key_file = \"{dir}/hr.pub\", allow = [\"user.*\"] }\n",
    )
    .await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    scene.plant_user("ada@acme.com").await;
    scene.resume();
    for id in ["due", "cancelled"] {
        let mut command = suspend(id);
        command["not_before"] = json!(Timestamp::now() + SignedDuration::from_mins(20));
        let payload = command.to_string();
        let signature = Signer::Ed25519.sign(&directory, "acme/hr", &payload, 0);
        scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    }
    until(async || scene.status().await["parked"] == 2).await;
    scene.stop().await;
    assert_eq!(scene.by_hand(&["cancel", "cancelled"]).await.code, Some(0));
    let clock = Clock::new(&scene.workplace);
    clock.put(20 * 60 + 60);
    let run = ["command", "run", "user.get", "-p", "user=ada@acme.com", "--json"];
    let own = scene.workplace.oktabus_with(&run, &clock.environment()).await;
    assert_eq!(own.code, Some(0), "{own:?}");
    assert_eq!(scene.writes().await, [""; 0]);

    scene.resume_with(&clock.environment());
    assert_eq!(essence(&scene.outcome("due").await), ("done", ""));
    assert_eq!(essence(&scene.outcome("cancelled").await), ("refused", "cancelled"));
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_paused_after_each_recovery_until_somebody_resumes_them() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    scene.stop().await;
    let store = scene.workplace.path("state/store");
    copy(&store, &scene.workplace.path("older"));
    assert_eq!(scene.by_hand(&["cancel", "evil"]).await.code, Some(0));
    let impossible = scene.by_hand(&["cancel", &"x".repeat(257)]).await;
    assert!(impossible.stderr.contains("no command can have the id"), "{impossible:?}");
    let lost = || fs::remove_dir_all(&store).unwrap();
    let older = || {
        lost();
        copy(&scene.workplace.path("older"), &store);
    };
    older();
    let refused = scene.workplace.oktabus(&["run"]).await;
    assert!(refused.code == Some(65) && refused.stderr.contains("start paused"), "{refused:?}");
    scene.send(suspend("evil")).await;
    let mut daemon = scene.workplace.start(&["--recover=store"]);
    for way in ["store", "witness", "now", "since=-1h"] {
        until(async || scene.status().await["phase"] == "running").await;
        let paused = scene.status().await["paused"].clone();
        let reason = paused["reason"].as_str().unwrap();
        assert_eq!(paused["by"], "recovery", "{paused}");
        assert!(reason.contains("cancellations") && reason.contains("oktabus command resume"), "{reason}");
        assert!(scene.workplace.log().contains("start paused"), "{way}");
        assert_eq!(scene.writes().await, [""; 0], "{way}");
        daemon.terminate().await;
        assert!(daemon.ended().await.success());
        lost();
        let next = match way {
            "store" => "--recover=witness",
            "witness" => "--recover=now",
            "now" => "--recover=since=-1h",
            _ => break,
        };
        daemon = scene.workplace.start(&[next]);
    }
    let recovered = scene.workplace.start(&["--recover=witness"]);
    until(async || scene.status().await["phase"] == "running").await;
    recovered.terminate().await;
    assert!(recovered.ended().await.success());
    // It lasts.
    scene.resume();
    until(async || scene.status().await["phase"] == "running").await;
    assert_eq!(scene.status().await["paused"]["by"], "recovery");
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    assert_eq!(essence(&scene.outcome("evil").await), ("done", ""));
    scene.stop().await;
    scene.resume();
    assert_eq!(essence(&scene.ask("after", "user.unsuspend", "ada@acme.com").await), ("done", ""));

    // A backup is no different.
    scene.stop().await;
    let backup = scene.workplace.path("backup.jsonl");
    let backup = backup.to_str().unwrap();
    assert_eq!(scene.workplace.oktabus(&["state", "export", "--to", backup]).await.code, Some(0));
    let imported = scene.workplace.oktabus(&["state", "import", backup, "--yes"]).await;
    assert!(imported.code == Some(0) && imported.stderr.contains("start paused"), "{imported:?}");
    let listed = scene.by_hand(&["list"]).await;
    assert!(listed.stderr.contains("hr were paused by recovery"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_on_a_full_disk_holds_is_seen_and_is_told_and_holds_up_nobody() {
    if !can_mount("a pause on a full disk") {
        return;
    }
    let mut scene = Scene::prepare("allow = [\"*\"]").await;
    let state = scene.workplace.path("state");
    let image = Image::create(&scene.workplace.path("disk.img"), 48, &state);
    scene.plant_user("ada@acme.com").await;
    scene.resume();
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    let filler = image.fill();
    let paused = scene.by_hand(&["pause", "--reason", "a test"]).await;
    assert_eq!(paused.code, Some(69), "{paused:?}");
    assert!(paused.stdout.starts_with("paused: ") && paused.stderr.contains("memory"), "{paused:?}");
    assert_eq!(scene.status().await["paused"]["reason"], "a test");
    until(async || scene.workplace.metric("oktabus_commands_paused{commands=\"hr\"}").await == Some(1.0))
        .await;
    until(async || scene.workplace.get("/readyz").await.unwrap().0 == 503).await;
    let (cancelled, resumed, listed) = tokio::join!(
        scene.by_hand(&["cancel", "evil"]),
        scene.by_hand(&["resume"]),
        scene.by_hand(&["list"])
    );
    assert!(listed.code == Some(0) && listed.stderr.contains("were paused"), "{listed:?}");
    assert!(cancelled.code == Some(69) && cancelled.stdout.starts_with("cancelled: "), "{cancelled:?}");
    assert!(resumed.code == Some(69) && resumed.stderr.contains("paused"), "{resumed:?}");
    assert_eq!(scene.status().await["paused"]["reason"], "a test");

    fs::remove_file(filler).unwrap();
    until(async || scene.workplace.get("/readyz").await.unwrap().0 == 200).await;
    until(async || ["paused", "cancelled"].iter().all(|is| decisions(&scene).iter().any(|one| one == is)))
        .await;
    let before_it: Vec<_> = decisions(&scene).into_iter().take_while(|one| one != "paused").collect();
    assert!(!before_it.contains(&"resuming".to_owned()), "{before_it:?}");
    scene.kill().await;
    scene.resume();
    until(async || scene.status().await["phase"] == "running").await;
    assert_eq!(scene.status().await["paused"]["reason"], "a test");
    scene.send(suspend("evil")).await;
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    assert_eq!(essence(&scene.outcome("evil").await), ("refused", "cancelled"));
    scene.stop().await;
    drop(image);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_does_is_recorded_though_the_audit_takes_nothing_at_first() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    scene.stop().await;
    let (file, aside) =
        (scene.workplace.path("state/audit/hr.jsonl"), scene.workplace.path("state/audit/aside"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    scene.resume();
    until(async || scene.status().await["phase"] == "running").await;

    let paused = scene.by_hand(&["pause"]).await;
    assert_eq!(paused.code, Some(69), "{paused:?}");
    assert!(paused.stdout.starts_with("paused: ") && paused.stderr.contains("audit"), "{paused:?}");
    let (resumed, cancelled) = tokio::join!(scene.by_hand(&["resume"]), scene.by_hand(&["cancel", "evil"]));
    assert!(resumed.code == Some(69) && resumed.stderr.contains("still paused"), "{resumed:?}");
    let status = scene.status().await;
    assert!(status["paused"]["at"].is_string() && status["troubles"]["audit"].is_string(), "{status}");
    assert!(cancelled.code == Some(69) && cancelled.stdout.starts_with("cancelled: "), "{cancelled:?}");

    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    // At once: the pause may not be recorded yet.
    until(async || scene.by_hand(&["resume"]).await.code == Some(0)).await;
    until(async || scene.status().await["troubles"] == json!({})).await;
    let wanted = ["paused", "cancelled"];
    until(async || wanted.iter().all(|is| decisions(&scene).iter().any(|one| one == is))).await;
    let switched: Vec<_> = decisions(&scene)
        .into_iter()
        .filter(|one| ["paused", "resuming", "resumed"].contains(&&**one))
        .collect();
    assert_eq!(switched, ["paused", "resuming", "resumed"]);
    assert_eq!(scene.status().await["paused"], json!(null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_by_hand_without_the_daemon_wait_for_each_other() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    scene.stop().await;
    // Each has the state for a second.
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 500 })).await;
    let run = ["run", "user.get", "-p", "user=ada@acme.com", "--json"];
    let (first, second, third) = tokio::join!(scene.by_hand(&run), scene.by_hand(&run), scene.by_hand(&run));
    for said in [first, second, third] {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}
