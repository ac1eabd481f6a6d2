//! An entry of the journal that cannot be read concerns its command alone.

use jiff::{SignedDuration, Timestamp};
use oktabus::state::{Entry, Opening, State, StatePaths};
use serde_json::{Value, json};

use super::scene::{Scene, essence, until};
use crate::support::daemon::Said;

async fn state_of(scene: &Scene) -> State {
    State::open(StatePaths::within(scene.workplace.path("state")), Opening::Trusted).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_cannot_be_read_is_set_aside_and_everything_else_goes_on() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    scene.stop().await;
    let state = state_of(&scene).await;
    let entry =
        Entry { received_at: Timestamp::now(), content: "{\"stage\":\"from the future\"}".to_owned() };
    state.record("hr/spoiled", 0, entry).await.unwrap();
    state.close().await.unwrap();
    drop(state);
    let verified = scene.workplace.oktabus(&["state", "verify"]).await;
    assert_eq!(verified.code, Some(65), "{verified:?}");
    assert!(verified.stdout.contains("the entry of command hr/spoiled: "), "{verified:?}");
    scene.resume();
    let spoiled = scene.ask("spoiled", "user.suspend", "ada@acme.com").await;
    assert_eq!(essence(&spoiled), ("failed", "journal_unreadable"), "{spoiled}");
    assert_eq!(essence(&scene.ask("after", "user.suspend", "ada@acme.com").await), ("done", ""));
    let letters = scene.dead_letters();
    assert!(letters.contains("spoiled") && letters.contains("journal"), "{letters}");
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let again = scene.ask("spoiled", "user.suspend", "ada@acme.com").await;
    assert_eq!(essence(&again), ("failed", "journal_unreadable"));
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"], "it is not known whether it was done");
    let listed = scene.by_hand(&["list", "--json"]).await.stdout;
    assert_eq!(listed.lines().filter(|line| line.contains("\"spoiled\"")).count(), 1, "{listed}");
    let verified = scene.workplace.oktabus(&["state", "verify"]).await;
    assert!(verified.code == Some(0) && verified.stdout.contains("all are sound"), "{verified:?}");
}

/// A daemon that finds the note of the parked command `far` as `changed` makes it.
async fn with_parked(changed: impl FnOnce(&str) -> String) -> Scene {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    let not_before = Timestamp::now() + SignedDuration::from_mins(20);
    scene
        .send(json!({
            "id": "far", "action": "user.get", "parameters": { "user": "ada@acme.com" }, "not_before": not_before,
        }))
        .await;
    until(async || scene.status().await["parked"] == 1).await;
    scene.stop().await;
    let state = state_of(&scene).await;
    let parked = state.note("parked/hr/far").await.unwrap().unwrap();
    state.keep_note("parked/hr/far", parked.generation, changed(&parked.content)).await.unwrap();
    state.close().await.unwrap();
    drop(state);
    scene.resume();
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waited_in_the_state_and_cannot_be_read_any_more_ends() {
    let mut scene = with_parked(|content| {
        let mut content: Value = serde_json::from_str(content).unwrap();
        (content["payload"], content["due"]) = (json!("e30="), json!(Timestamp::now()));
        content.to_string()
    })
    .await;
    let outcome = scene.outcome("far").await;
    assert_eq!(outcome["status"], "refused", "{outcome}");
    until(async || scene.status().await["parked"] == 0).await;
    scene.stop().await;
    scene.resume();
    assert_eq!(essence(&scene.ask("after", "group.find", "x").await).0, "refused");
    assert_eq!(scene.outcomes_of("far", 1).await.len(), 1, "it is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_and_cannot_be_read_at_all_holds_up_no_other() {
    let mut scene = Scene::prepare("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    keep_note(&scene, "parked/hr/spoiled", "{").await;
    scene.resume();
    assert_eq!(essence(&scene.ask("other", "user.get", "ada@acme.com").await), ("done", ""));
    assert!(scene.workplace.log().contains("spoiled"), "it is told");
    until(async || scene.dead_letters().contains("parked/hr/spoiled")).await;
    until(async || scene.status().await["parked"] == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_note_cannot_be_read_fails_and_its_note_is_in_the_dead_letters() {
    let mut scene = with_parked(|_| "{".to_owned()).await;
    let outcome = scene.outcome("far").await;
    assert_eq!(
        (essence(&outcome), &outcome["action"]),
        (("failed", "parked_unreadable"), &json!("user.get"))
    );
    let letters = scene.dead_letters();
    assert!(letters.contains("parked/hr/far") && letters.lines().count() == 1, "{letters}");
    let shown = scene.by_hand(&["show", "far"]).await.stdout;
    assert!(shown.starts_with("user.get: failed"), "{shown}");
    until(async || scene.status().await["parked"] == 0).await;
    scene.stop().await;
    scene.resume();
    assert_eq!(essence(&scene.ask("after", "group.find", "x").await).0, "refused");
    assert_eq!(scene.outcomes_of("far", 1).await.len(), 1, "it is over");
    assert_eq!(scene.dead_letters(), letters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_that_cannot_be_read_is_named_with_the_way_out() {
    let limits = "allow = [\"*\"]\nlimits = { \"user.suspend\" = \"5/1h\" }";
    let mut scene = Scene::prepare(limits).await;
    scene.plant_user("ada@acme.com").await;
    for note in ["limits/hr", "cancelled/hr/other", "paused/hr"] {
        keep_note(&scene, note, "{\"from\": \"the future\"}").await;
        scene.resume();
        until(async || scene.status().await["troubles"]["engine"].is_string()).await;
        let trouble = scene.status().await["troubles"]["engine"].as_str().unwrap().to_owned();
        let command = format!("oktabus state remove-note {note}");
        assert!(trouble.contains(&format!("`{note}`")) && trouble.contains(&command), "{trouble}");
        assert_eq!(scene.writes().await, [""; 0], "it fails closed");
        let early = remove_note(&scene, note).await;
        assert_eq!(early.code, Some(65), "the daemon has the state: {early:?}");
        scene.stop().await;
        let removed = remove_note(&scene, note).await;
        assert_eq!(removed.code, Some(0), "{removed:?}");
        assert!(removed.stdout.contains("the future") && removed.stderr.contains("now "), "{removed:?}");
        let again = remove_note(&scene, note).await;
        assert_eq!(again.code, Some(64), "{again:?}");
    }
    let foreign = remove_note(&scene, "replay/x").await;
    assert_eq!(foreign.code, Some(64), "{foreign:?}");
    scene.resume();
    assert_eq!(essence(&scene.ask("s", "user.suspend", "ada@acme.com").await), ("done", ""));
}

async fn remove_note(scene: &Scene, name: &str) -> Said {
    scene.workplace.oktabus(&["state", "remove-note", name, "--yes"]).await
}

/// Writes a note while the daemon is not there.
async fn keep_note(scene: &Scene, name: &str, content: &str) {
    let state = state_of(scene).await;
    state.keep_note(name, 0, content.to_owned()).await.unwrap();
    state.close().await.unwrap();
}
