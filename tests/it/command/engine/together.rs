//! Several daemons read one topic.

use serde_json::{Value, json};

use super::{
    queue::Queue,
    scene::{essence, until},
};
use crate::support::daemon::Workplace;

const USERS: usize = 9;

async fn commands(workplace: &Workplace) -> Value {
    let page = workplace.get("/status").await.map(|(_, page)| page).unwrap_or_default();
    serde_json::from_str::<Value>(&page).unwrap_or_default()["commands"][0].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_at_work_while_its_partition_moves_is_done_by_one_daemon() {
    let (scene, queue) = Queue::kafka("allow = [\"user.*\"]\nparallel = 3").await;
    let logins: Vec<_> = (0..USERS).map(|n| format!("both{n}@acme.com")).collect();
    for login in &logins {
        scene.okta.plant("users", &json!({ "status": "ACTIVE", "profile": { "login": login } })).await;
    }
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 2_000, "method": "POST" })).await;
    for action in ["user.suspend", "user.unsuspend"] {
        for login in &logins {
            let id = format!("{action} {login}");
            let command = json!({ "id": id, "action": action, "parameters": { "user": login } });
            queue.send(&scene, login, &command).await;
        }
    }
    until(async || scene.status().await["held"] == 2 * USERS).await;
    let second = queue.another_workplace();
    let _daemon = second.start(&[]);
    until(async || scene.outcomes().await.len() >= 2 * USERS).await;
    until(async || scene.status().await["held"] == 0 && commands(&second).await["held"] == 0).await;

    assert!(
        commands(&second).await["outcomes"]["done"].as_u64() > Some(0),
        "nothing went to the second daemon"
    );
    let outcomes = scene.outcomes().await;
    assert_eq!(outcomes.len(), 2 * USERS, "{outcomes:#?}");
    for outcome in &outcomes {
        assert_eq!((essence(outcome), &outcome["repeated"]), (("done", ""), &json!(false)), "{outcome}");
    }
    let writes = scene.okta.page("/-/writes").await;
    let lifecycle = writes.as_array().unwrap().iter();
    let count =
        lifecycle.filter(|write| write["what"].as_str().unwrap().starts_with("user.lifecycle.")).count();
    assert_eq!(count, 2 * USERS, "{writes:#}");
}
