//! `oktabus command publish --file`: many commands at once, onto a real queue.

use std::fs;

use async_nats::jetstream::stream::Config;
use serde_json::{Value, json};

use super::scene::{Scene, until};

const ROWS: &str = "action,user,reason\nuser.suspend,ada@acme.com,left\nuser.suspend,bob@acme.com,left\n";

async fn publish(scene: &Scene, file: &str, text: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let path = scene.workplace.path(file);
    fs::write(&path, text).unwrap();
    let said = scene.by_hand(&[&["publish", "--file", path.to_str().unwrap()], more].concat()).await;
    (said.code, said.stdout, said.stderr)
}

async fn stored(scene: &Scene) -> Vec<Value> {
    let stored = scene.nats.stored("COMMANDS").await;
    stored.iter().map(|message| serde_json::from_slice(&message.payload).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_carried_out_once_in_its_order_however_often_it_is_sent() {
    let scene = Scene::start("allow = [\"user.suspend\", \"user.get\"]").await;
    for login in ["ada@acme.com", "bob@acme.com", "eve@acme.com"] {
        scene.okta.plant("users", &json!({ "profile": { "login": login } })).await;
    }
    let wrong = format!("{ROWS}user.suspent,eve@acme.com,left\nuser.delete,eve@acme.com,left\n");
    let (code, _, told) = publish(&scene, "leavers.csv", &wrong, &[]).await;
    assert_eq!(code, Some(64), "{told}");
    for part in ["line 4: unknown_action", "line 5: `user.delete` is not allowed", "nothing was sent: 2 of 4"]
    {
        assert!(told.contains(part), "{told}");
    }
    assert!(stored(&scene).await.is_empty());

    let (code, told, more) = publish(&scene, "leavers.csv", ROWS, &[]).await;
    assert_eq!(code, Some(0), "{more}");
    assert!(told.starts_with("published 2 command(s) of"), "{told}");
    // A line more: what was sent before keeps its ids.
    let more = format!("{ROWS}user.suspend,eve@acme.com,left\n");
    let (code, told, _) = publish(&scene, "leavers.csv", &more, &["--json"]).await;
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, json!({ "published": 3, "copies": 0, "refused": [] }));
    until(async || scene.outcomes().await.len() >= 3).await;
    let first = scene.outcomes().await.into_iter().filter(|outcome| outcome["repeated"] == false);
    assert_eq!(first.map(|outcome| outcome["status"].clone()).collect::<Vec<_>>(), ["done", "done", "done"]);
    let users: Vec<_> =
        stored(&scene).await.into_iter().map(|command| command["parameters"]["user"].clone()).collect();
    assert_eq!(users, ["ada@acme.com", "bob@acme.com", "eve@acme.com"], "the stream dropped the copies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_no_commands_are_left_out_where_nothing_is_validated() {
    let scene = Scene::prepare("allow = [\"user.get\"]").await;
    let line = json!({ "id": "c-1", "action": "user.get", "parameters": { "user": "ada@acme.com" } });
    let other = json!({ "id": "c-1", "action": "user.get", "parameters": { "user": "bob@acme.com" } });
    let text = format!("{line}\n{line}\nno json\n{other}\n{{\"id\":\"c-2\",\"action\":\"user.explode\"}}\n");
    let (code, told, more) = publish(&scene, "commands.jsonl", &text, &["--no-validate", "--json"]).await;
    assert_eq!(code, Some(1), "{more}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["published"], &told["copies"]), (&json!(2), &json!(1)));
    let lines: Vec<_> =
        told["refused"].as_array().unwrap().iter().map(|refused| refused["line"].clone()).collect();
    assert_eq!(lines, [3, 4]);
    let ids: Vec<_> = stored(&scene).await.into_iter().map(|command| command["id"].clone()).collect();
    assert_eq!(ids, ["c-1", "c-2"]);
    assert!(more.contains("line 5: unknown_action") && more.contains("sent nevertheless"), "{more}");

    let one = "{\"id\":\"c-3\",\"action\":\"user.explode\"}";
    assert_eq!(publish(&scene, "one.json", one, &[]).await.0, Some(64));
    let (code, _, more) = publish(&scene, "one.json", one, &["--no-validate"]).await;
    assert!(code == Some(0) && more.contains("unknown_action"), "{more}");
    assert_eq!(stored(&scene).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_another_stream_would_take_is_not_published() {
    let scene = Scene::prepare("allow = [\"user.get\"]").await;
    let jetstream = scene.nats.jetstream().await;
    jetstream.delete_stream("COMMANDS").await.unwrap();
    let subjects = vec!["commands.>".to_owned()];
    scene.nats.create_stream(Config { name: "OKTA".to_owned(), subjects, ..Config::default() }).await;
    let said = scene.by_hand(&["publish", "user.get", "-p", "user=ada@acme.com"]).await;
    assert_eq!(said.code, Some(69), "{}", said.stdout);
    for part in ["the stream `OKTA` takes subject `commands.user.get`", "nats stream add COMMANDS"] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
    let (code, _, told) = publish(&scene, "leavers.csv", "action,user\nuser.get,ada@acme.com\n", &[]).await;
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("stopped at line 2") && told.contains("the stream `OKTA` takes"), "{told}");
    assert!(scene.nats.stored("OKTA").await.is_empty());
}
