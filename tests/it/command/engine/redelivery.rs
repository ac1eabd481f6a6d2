//! What the bus gives again is no copy that somebody sent: it is answered once.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    queue::Queue,
    scene::{Scene, essence, until},
};

fn get(id: &str) -> Value {
    json!({ "id": id, "action": "user.get", "parameters": { "user": "ada@acme.com" } })
}

/// How many outcomes there are of all these.
async fn counts(scene: &Scene, ids: &[&str]) -> Vec<usize> {
    let outcomes = scene.outcomes().await;
    ids.iter().map(|id| outcomes.iter().filter(|outcome| outcome["command_id"] == **id).count()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_answers_no_finished_command_again_that_stands_behind_a_waiting_one() {
    let (mut scene, queue) = Queue::kafka("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    // It waits in the queue, and the group's offset with it.
    let not_before = Timestamp::now() + SignedDuration::from_mins(8);
    let mut waiting = get("waiting");
    waiting["not_before"] = json!(not_before);
    queue.send(&scene, "ada", &waiting).await;
    let nonsense = json!({ "id": "nonsense", "action": "user.nonsense", "parameters": {} });
    for command in [get("first"), nonsense, get("second")] {
        queue.send(&scene, "ada", &command).await;
    }
    for (id, status) in [("first", "done"), ("nonsense", "refused"), ("second", "done")] {
        assert_eq!(essence(&scene.outcome(id).await).0, status);
    }
    let ids = ["first", "nonsense", "second"];
    for (marker, first) in [("after", 1), ("later", 2)] {
        scene.stop().await;
        scene.resume();
        if marker == "later" {
            // A copy that somebody sends has its answer, and that is given once too.
            queue.send(&scene, "ada", &get("first")).await;
            let answers = scene.outcomes_of("first", 2).await;
            assert_eq!(answers[1]["repeated"], true, "{answers:?}");
            scene.stop().await;
            scene.resume();
        }
        queue.send(&scene, "ada", &get(marker)).await;
        scene.outcome(marker).await;
        // All that came before it is dealt with.
        until(async || scene.status().await["held"] == 0).await;
        assert_eq!(counts(&scene, &ids).await, [first, 1, 1]);
        assert_eq!(scene.status().await["repeated"], 0);
    }
    let repeated = scene.audit().iter().filter(|line| line["decision"] == "repeated").count();
    assert_eq!(repeated, 1);
}
