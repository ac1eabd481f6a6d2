//! Commands whose `not_before` is far off wait in the state, and the queue goes on without them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    queue::Queue,
    scene::{Scene, essence, until},
    signatures::{HEADER, Signer},
};
use crate::support::clock::Clock;

/// Far off: more than what waits in the queue.
const FAR_MINUTES: i64 = 20;

fn far(id: &str, minutes: i64) -> Value {
    let not_before = Timestamp::now() + SignedDuration::from_mins(minutes);
    json!({ "id": id, "action": "user.get", "parameters": { "user": "ada@acme.com" }, "not_before": not_before })
}

async fn listed(scene: &Scene) -> usize {
    let listed = scene.by_hand(&["list", "--status", "parked", "--limit", "1000", "--json"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    listed.stdout.lines().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_far_off_holds_up_no_queue_of_kafka() {
    wait_for_their_time(Queue::kafka("allow = [\"*\"]\nkeep = \"7d\"").await, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_far_off_holds_up_no_queue_of_nats() {
    wait_for_their_time(Queue::nats("allow = [\"*\"]\nkeep = \"7d\"").await, 30).await;
}

async fn wait_for_their_time((mut scene, queue): (Scene, Queue), count: usize) {
    scene.plant_user("ada@acme.com").await;
    for n in 0..count {
        queue.send(&scene, "ada", &far(&format!("far{n}"), FAR_MINUTES)).await;
    }
    let now = json!({ "id": "now", "action": "user.get", "parameters": { "user": "ada@acme.com" } });
    queue.send(&scene, "ada", &now).await;
    assert_eq!(essence(&scene.outcome("now").await), ("done", ""), "those before it do not hold it up");

    // What cannot be kept is refused, not forgotten.
    let mut secret = far("secret", FAR_MINUTES);
    secret["action"] = json!("user.set_password");
    secret["parameters"]["password"] = json!("Correct-horse-7-battery");
    queue.send(&scene, "ada", &secret).await;
    queue.send(&scene, "ada", &far("beyond", 8 * 24 * 60)).await;
    for id in ["secret", "beyond"] {
        assert_eq!(essence(&scene.outcome(id).await), ("refused", "cannot_wait"));
    }
    let sent = u64::try_from(count).unwrap() + 3;
    until(async || queue.acknowledged(&scene).await == sent).await;
    assert_eq!(listed(&scene).await, count);

    // A restart changes nothing, and whoever is cancelled need not wait.
    scene.stop().await;
    let clock = Clock::new(&scene.workplace);
    scene.resume_with(&clock.environment());
    until(async || scene.status().await["parked"] == count).await;
    let metric = async || scene.workplace.metric("oktabus_commands_parked{commands=\"hr\"}").await;
    until(async || metric().await.is_some_and(|parked| parked.to_string() == count.to_string())).await;
    assert_eq!(scene.by_hand(&["cancel", "far0"]).await.code, Some(0));
    assert_eq!(essence(&scene.outcome("far0").await), ("refused", "cancelled"));
    until(async || scene.status().await["parked"] == count - 1).await;
    assert_eq!(scene.outcomes().await.len(), 4, "nothing is done before its time");

    scene.stop().await;
    clock.put(FAR_MINUTES * 60 + 60);
    scene.resume_with(&clock.environment());
    until(async || scene.outcomes().await.len() >= count + 3).await;
    until(async || scene.status().await["parked"] == 0).await;
    let outcomes = scene.outcomes().await;
    assert_eq!(outcomes.len(), count + 3, "one each");
    let done = outcomes.iter().filter(|outcome| essence(outcome) == ("done", "")).count();
    assert_eq!(done, count);
    assert_eq!(listed(&scene).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_is_not_done_once_its_key_is_taken_away() {
    const KEPT: &str = "allow = [\"user.*\"]\n[commands.hr.signature]\n\
        keys.hr = { algorithm = \"ed25519\", public_key_file = \"{dir}/hr.pub\", allow = [\"user.*\"] }\n";
    const TAKEN_AWAY: &str = "keys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\", \
        allow = [\"user.*\"] }\n";
    let mut scene = Scene::prepare(&format!("{KEPT}{TAKEN_AWAY}")).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    scene.plant_user("ada@acme.com").await;
    scene.resume();
    for (id, signer) in [("by-kept", Signer::Ed25519), ("by-taken", Signer::Hmac)] {
        let mut command = far(id, FAR_MINUTES);
        command["action"] = json!("user.clear_sessions");
        let payload = command.to_string();
        let signature = signer.sign(&directory, "acme/hr", &payload, 0);
        scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    }
    until(async || scene.status().await["parked"] == 2).await;
    scene.stop().await;
    let mut scene = scene.under(KEPT);
    let clock = Clock::new(&scene.workplace);
    clock.put(FAR_MINUTES * 60 + 60);
    scene.resume_with(&clock.environment());
    assert_eq!(essence(&scene.outcome("by-kept").await), ("done", ""));
    let taken = scene.outcome("by-taken").await;
    assert_eq!(taken["status"], "refused", "{taken}");
    let writes = scene.writes().await;
    assert_eq!(writes.len(), 1, "{writes:?}");
    until(async || scene.status().await["parked"] == 0).await;
}
