//! Nothing that happens to one command holds up another user's.

use jiff::Timestamp;
use serde_json::json;

use super::scene::{Scene, essence, until};

/// How many requests for users were under way at the same time, at most, as the simulated org tells.
async fn overlapping(scene: &Scene) -> usize {
    let recent = scene.okta.recent().await;
    let of_users = recent.iter().filter(|one| one["path"].as_str().unwrap().starts_with("/api/v1/users/"));
    let spans: Vec<_> = of_users
        .map(|one| {
            let begin = one["at"].as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond();
            (begin, begin + one["milliseconds"].as_i64().unwrap())
        })
        .collect();
    let at = |moment: i64| spans.iter().filter(|(begin, end)| (*begin..*end).contains(&moment)).count();
    spans.iter().map(|(begin, _)| at(*begin)).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_of_different_users_go_side_by_side() {
    let scene = Scene::start("allow = [\"*\"]\nparallel = 32").await;
    for n in 0..60 {
        scene.plant_user(&format!("u{n}@acme.com")).await;
    }
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 100, "path": "/api/v1/users/*" })).await;
    for n in 0..60 {
        let parameters = json!({ "user": format!("u{n}@acme.com") });
        scene.send(json!({ "id": n.to_string(), "action": "user.get", "parameters": parameters })).await;
    }
    until(async || scene.outcomes().await.len() >= 60).await;
    let outcomes = scene.outcomes().await;
    assert!(outcomes.iter().all(|outcome| essence(outcome) == ("done", "")), "{outcomes:?}");
    let at_once = overlapping(&scene).await;
    assert!((8..=32).contains(&at_once), "{at_once} at the same time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_of_a_user_waits_for_a_look_into_the_log_about_the_same_user() {
    let scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 3_000, "path": "/api/v1/logs" })).await;
    let parameters = json!({ "user": "ada@acme.com" });
    scene.send(json!({ "id": "look", "action": "log.by_user", "parameters": parameters })).await;
    assert_eq!(essence(&scene.ask("urgent", "user.suspend", "ada@acme.com").await), ("done", ""));
    assert_eq!(scene.outcomes().await.len(), 1, "the look came first");
    assert_eq!(essence(&scene.outcome("look").await), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_waits_behind_searches_of_the_log_however_many_there_are() {
    let scene = Scene::start("allow = [\"*\"]\nparallel = 1").await;
    scene.plant_user("ada@acme.com").await;
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 3_000, "path": "/api/v1/logs" })).await;
    // More than are held at a time.
    for n in 0..40 {
        scene
            .send(json!({ "id": format!("l{n}"), "action": "log.search", "parameters": { "limit": 1 } }))
            .await;
    }
    assert_eq!(essence(&scene.ask("urgent", "user.suspend", "ada@acme.com").await), ("done", ""));
    let outcomes = scene.outcomes().await;
    assert!(outcomes.len() < 5, "{} searches came first", outcomes.len() - 1);
    // They come to their turn, one after another.
    scene.okta.disarm().await;
    until(async || scene.outcomes().await.len() >= 18).await;
    let outcomes = scene.outcomes().await;
    assert!(outcomes.iter().all(|outcome| essence(outcome) == ("done", "")), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_stalls_holds_up_nobody_else_and_is_told() {
    let scene = Scene::start("allow = [\"*\"]\nparallel = 4").await;
    for n in 0..20 {
        scene.plant_user(&format!("u{n}@acme.com")).await;
    }
    scene.plant_user("slow@acme.com").await;
    let path = "/api/v1/users/slow@acme.com";
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 12_000, "path": path })).await;
    let suspend = |id: String, user: String| json!({ "id": id, "action": "user.suspend", "parameters": { "user": user } });
    scene.send(suspend("slow".to_owned(), "slow@acme.com".to_owned())).await;
    for n in 0..20 {
        scene.send(suspend(format!("s{n}"), format!("u{n}@acme.com"))).await;
    }
    until(async || scene.outcomes().await.len() >= 20).await;
    let outcomes = scene.outcomes().await;
    assert!(outcomes.iter().all(|outcome| outcome["command_id"] != "slow"), "it is still waited for");
    assert!(outcomes.iter().all(|outcome| essence(outcome) == ("done", "")), "{outcomes:?}");
    until(async || scene.status().await["troubles"]["look_up"].is_string()).await;
    assert_eq!(scene.workplace.get("/readyz").await.unwrap().0, 503);
    assert_eq!(essence(&scene.outcome("slow").await), ("done", ""));
    until(async || scene.status().await["troubles"]["look_up"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_copies_of_a_command_that_was_begun_take_not_all_the_room() {
    let scene = Scene::start("allow = [\"*\"]\nparallel = 2").await;
    for login in ["slow@acme.com", "quick@acme.com"] {
        scene.plant_user(login).await;
    }
    let path = "/api/v1/users/slow@acme.com";
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 8_000, "path": path })).await;
    let get = |id: &str| json!({ "id": id, "action": "user.get", "parameters": { "user": format!("{id}@acme.com") } });
    // More than are held at a time.
    for _ in 0..60 {
        scene.send(get("slow")).await;
    }
    scene.send(get("quick")).await;
    assert_eq!(essence(&scene.outcome("quick").await), ("done", ""));
    let outcomes = scene.outcomes().await;
    assert!(outcomes.iter().all(|outcome| outcome["command_id"] != "slow"), "it is still waited for");
    assert_eq!(essence(&scene.outcome("slow").await), ("done", ""));
}
