//! StatePaths of outcomes and of the audit that cannot be opened when the daemon starts.

use std::fs;

use serde_json::{Value, json};

use super::scene::{Scene, until};
use crate::support::{daemon::TO_FILES, okta::Okta};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_cannot_be_opened_is_a_trouble_and_is_used_once_it_can_be() {
    let mut scene = Scene::prepare("allow = [\"*\"]").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let (okta, nats) = (scene.okta.url(), scene.nats.section());
    scene.workplace.configure(&format!(
        r#"
[orgs.acme]
url = "{okta}"
auth = {{ token_file = "{{dir}}/token" }}
{nats}
[sinks.files]
kind = "file"
directory = "{{dir}}/told"
[commands.hr]
org = "acme"
intake = {{ kind = "nats", stream = "COMMANDS", subject = "commands.>" }}
signature = {{ required = false }}
outcomes = {{ sink = "files" }}
audit = {{ sink = "files" }}
allow = ["*"]
"#
    ));
    let told = scene.workplace.path("told");
    fs::write(&told, "not a directory").unwrap();
    scene.resume();
    scene.send(json!({ "id": "c-1", "action": "user.get", "parameters": { "user": "ada@acme.com" } })).await;
    until(async || !scene.status().await["troubles"].as_object().is_none_or(serde_json::Map::is_empty)).await;

    fs::remove_file(&told).unwrap();
    let outcomes = async || {
        let files = fs::read_dir(&told).into_iter().flatten().map(|file| file.unwrap().path());
        let outcomes = files.filter(|path| path.to_string_lossy().contains(".outcomes-"));
        let lines = outcomes.map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    until(async || outcomes().await.iter().any(|outcome| outcome["command_id"] == "c-1")).await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_run_while_outcomes_have_no_place() {
    let mut scene = Scene::prepare_at(Okta::with_backlog(40).await, "allow = [\"*\"]").await;
    let (okta, nats) = (scene.okta.url(), scene.nats.section());
    scene.workplace.configure(&format!(
        r#"
[orgs.acme]
url = "{okta}"
auth = {{ token_file = "{{dir}}/token" }}
{nats}
{TO_FILES}
[sinks.nowhere]
kind = "file"
directory = "{{dir}}/told"
[commands.hr]
org = "acme"
intake = {{ kind = "nats", stream = "COMMANDS", subject = "commands.>" }}
signature = {{ required = false }}
outcomes = {{ sink = "nowhere" }}
allow = ["*"]
"#
    ));
    fs::write(scene.workplace.path("told"), "not a directory").unwrap();
    scene.resume();
    scene.send(json!({ "id": "c-1", "action": "group.find", "parameters": { "name": "E" } })).await;
    until(async || scene.status().await["troubles"]["outcomes"].is_string()).await;
    let archive = scene.workplace.path("archive");
    let events = scene.okta.uuids().await;
    until(async || archive.exists() && scene.workplace.uuids("archive") == events).await;
    scene.stop().await;
}
