//! Limits count whom a change strikes, and what they refused may be asked for again once they are released.

use serde_json::json;

use super::scene::{Scene, essence};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_group_counts_its_members() {
    let scene = Scene::start("allow = [\"*\"]\nlimits = { \"group.delete\" = \"10/1h\" }").await;
    let mut members = Vec::new();
    for n in 0..30 {
        members.push(scene.plant_user(&format!("m{n}@acme.com")).await);
    }
    for (name, members, expected) in [
        ("Few", &members[..3], ("done", "")),
        ("Many", &members[..], ("refused", "limit_tripped")),
        ("None", &[][..], ("refused", "limit_tripped")),
    ] {
        scene.okta.plant("groups", &json!({ "profile": { "name": name }, "members": members })).await;
        scene.send(json!({ "id": name, "action": "group.delete", "parameters": { "group": name } })).await;
        let outcome = scene.outcome(name).await;
        assert_eq!(essence(&outcome), expected, "{outcome}");
    }
    assert_eq!(scene.status().await["tripped"], json!(["group.delete"]));
    assert_eq!(scene.writes().await, ["group.lifecycle.delete"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_limit_has_refused_is_done_for_a_copy_after_the_release() {
    let mut scene = Scene::start("allow = [\"*\"]\nlimits = { \"user.suspend\" = \"1/1h\" }").await;
    for user in ["a@acme.com", "b@acme.com"] {
        scene.plant_user(user).await;
    }
    assert_eq!(essence(&scene.ask("a", "user.suspend", "a@acme.com").await), ("done", ""));
    let suspend = json!({ "id": "b", "action": "user.suspend", "parameters": { "user": "b@acme.com" } });
    for count in 1..=2 {
        scene.send(suspend.clone()).await;
        let outcomes = scene.outcomes_of("b", count).await;
        assert!(outcomes.iter().all(|outcome| essence(outcome) == ("refused", "limit_tripped")));
    }
    assert_eq!(scene.by_hand(&["release", "user.suspend"]).await.code, Some(0));
    scene.stop().await;
    scene.resume();
    for (count, is_repeated) in [(3, false), (4, true)] {
        scene.send(suspend.clone()).await;
        let outcome = scene.outcomes_of("b", count).await.remove(count - 1);
        assert_eq!(essence(&outcome), ("done", ""), "{outcome}");
        assert_eq!(outcome["repeated"], is_repeated, "{outcome}");
    }
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"; 2]);
    let stored = scene.nats.stored("OUTCOMES").await;
    let mut ids: Vec<_> = stored.iter().map(|message| message.header("Nats-Msg-Id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "no outcome is taken for a copy of another: {stored:?}");
}
