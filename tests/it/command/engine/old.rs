//! Messages that are older than the journal remembers: they may have been carried out before.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{queue::Queue, scene::essence};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_older_than_the_journal_remembers_is_refused() {
    let (scene, queue) = Queue::kafka("allow = [\"*\"]\nkeep = \"2d\"").await;
    for user in ["old@acme.com", "young@acme.com"] {
        scene.plant_user(user).await;
    }
    for (id, user, hours, expected) in
        [("old", "old@acme.com", 49, ("refused", "too_old")), ("young", "young@acme.com", 47, ("done", ""))]
    {
        let command = json!({ "id": id, "action": "user.suspend", "parameters": { "user": user } });
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        queue.send_as_of(at, &command).await;
        let outcome = scene.outcome(id).await;
        assert_eq!(essence(&outcome), expected, "{outcome}");
    }
    let requests = scene.okta.page("/-/requests/recent").await.to_string();
    assert!(!requests.contains("old@acme.com"), "Okta is not even asked: {requests}");
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"]);
    let audit = scene.audit();
    assert!(audit.iter().any(|line| line["command_id"] == "old" && line["error"] == "too_old"), "{audit:?}");
    // A copy that is not old has the outcome that it has.
    let copy = json!({ "id": "old", "action": "user.suspend", "parameters": { "user": "old@acme.com" } });
    queue.send(&scene, "k", &copy).await;
    let outcomes = scene.outcomes_of("old", 2).await;
    assert_eq!(essence(&outcomes[1]), ("refused", "too_old"), "{outcomes:?}");
}
