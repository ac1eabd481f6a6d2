//! Outcomes and the audit of one name in one directory: each in files of its own, whoever writes there besides.

use std::fs;

use serde_json::{Value, json};

use super::scene::{Scene, until};

/// Each line begins a file.
const TO_FILES: &str = r#"
[orgs.acme]
url = "{okta}"
auth = { token_file = "{dir}/token" }
budget = { share = 1.0 }
[commands.hr]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.>" }
signature = { required = false }
outcomes = { sink = "files" }
audit = { sink = "files" }
allow = ["user.get"]
limits = { "user.get" = "1000/1h" }
[sinks.files]
kind = "file"
directory = "{dir}/archive"
rotate = { size = "1 KiB" }
"#;

/// The lines of the files whose names begin so.
fn lines(scene: &Scene, begin: &str) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(scene.workplace.path("archive")) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(begin) && name.ends_with(".jsonl")
    });
    paths.sort();
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_audit_and_releases_share_a_directory_and_nothing_is_lost() {
    let mut scene = Scene::prepare("allow = [\"user.get\"]").await;
    let text = TO_FILES.replace("{okta}", scene.okta.url());
    scene.workplace.configure(&format!("{text}{}", scene.nats.section()));
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let mut sent = 0;
    for _ in 0..2 {
        scene.resume();
        for _ in 0..2 {
            for _ in 0..5 {
                sent += 1;
                let parameters = json!({ "user": "ada@acme.com" });
                let command =
                    json!({ "id": format!("c-{sent}"), "action": "user.get", "parameters": parameters });
                scene.send(command).await;
            }
            until(async || lines(&scene, "commands.hr.outcomes-").len() == sent).await;
            let released = scene.by_hand(&["release", "user.get", "--reason", "a test"]).await;
            assert_eq!(released.code, Some(0), "{released:?}");
        }
        scene.stop().await;
    }
    let released = scene.by_hand(&["release", "user.get", "--reason", "a test"]).await;
    assert_eq!(released.code, Some(0), "{released:?}");

    let mut ids: Vec<_> =
        lines(&scene, "commands.hr.outcomes-").iter().map(|line| line["command_id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), sent);
    let audit = lines(&scene, "commands.hr.audit-");
    let decided = |decision: &str| audit.iter().filter(|line| line["decision"] == decision).count();
    assert_eq!((decided("begun"), decided("ended"), decided("released")), (sent, sent, 5), "{audit:?}");
}
