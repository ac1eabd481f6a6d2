//! The policy of commands is another one while they are carried out.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::scene::{Scene, essence, until};

const COMMANDS: usize = 200;

fn policy(suspensions: usize, allow: &str) -> String {
    format!("allow = [{allow}]\nlimits = {{ \"user.suspend\" = \"{suspensions}/1h\" }}\n")
}

async fn reload(scene: &Scene) -> Value {
    let said = scene.workplace.oktabus(&["reload", "--json"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_by_hand_that_waits_is_carried_out_after_a_reload() {
    const GETS: &str = "\"user.get\", \"user.suspend\"";
    let mut scene = Scene::start(&policy(5, GETS)).await;
    scene.plant_user("a@acme.com").await;
    assert_eq!(scene.by_hand(&["pause", "--reason", "a test"]).await.code, Some(0));
    let asking = scene.workplace.path("oktabus.toml");
    let ask = || {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_oktabus"))
            .args(["command", "run", "user.get", "-p", "user=a@acme.com", "--id", "by-hand", "--config"])
            .arg(&asking)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    // It says so when it has waited with the daemon for some seconds. Who asks in the moment of the pause is told to ask again.
    let (mut asked, mut told) = loop {
        let mut asked = ask();
        let mut told = BufReader::new(asked.stderr.take().unwrap()).lines();
        let said = told.next_line().await.unwrap().unwrap();
        if said.contains("the daemon is still at it") {
            break (asked, told);
        }
        assert!(said.contains("asks again"), "{said}");
    };
    for limit in [4, 3] {
        scene = scene.under(&policy(limit, GETS));
        assert_eq!(reload(&scene).await["changed"], json!(["commands hr"]));
    }
    assert!(asked.try_wait().unwrap().is_none(), "it waits on");
    assert_eq!(scene.by_hand(&["resume", "--reason", "a test"]).await.code, Some(0));
    let said = asked.wait_with_output().await.unwrap();
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stdout));
    while let Some(line) = told.next_line().await.unwrap() {
        assert!(line.contains("the daemon is still at it"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_and_what_is_allowed_change_while_commands_run_and_each_has_one_outcome() {
    const SOME: &str = "\"user.get\", \"user.suspend\", \"user.unsuspend\"";
    let scene = Scene::start(&policy(5, SOME)).await;
    for user in ["a@acme.com", "b@acme.com", "c@acme.com"] {
        scene.plant_user(user).await;
    }
    assert_eq!(essence(&scene.ask("a", "user.suspend", "a@acme.com").await), ("done", ""));
    assert_eq!(essence(&scene.ask("early", "user.unlock", "a@acme.com").await), ("refused", "not_allowed"));

    let parameters = json!({ "user": "c@acme.com" });
    for number in 0..COMMANDS {
        let command = json!({ "id": format!("c-{number}"), "action": "user.get", "parameters": parameters });
        scene.send(command).await;
    }
    // They are at work while this happens, again and again.
    let more = format!("{SOME}, \"user.unlock\"");
    let mut scene = scene;
    for limit in [4, 3, 2, 1] {
        scene = scene.under(&policy(limit, &more));
        let answer = reload(&scene).await;
        assert_eq!(answer["changed"], json!(["commands hr"]), "{answer}");
    }
    let of_gets = async || {
        let all = scene.outcomes().await;
        all.into_iter().filter(|outcome| outcome["action"] == "user.get").collect::<Vec<_>>()
    };
    until(async || of_gets().await.len() >= COMMANDS).await;
    let outcomes = of_gets().await;
    assert_eq!(outcomes.len(), COMMANDS);
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "done" && outcome["repeated"] == false));

    // What was counted before counts on, and what was not allowed is.
    assert_eq!(essence(&scene.ask("b", "user.suspend", "b@acme.com").await), ("refused", "limit_tripped"));
    let unlocked = scene.ask("late", "user.unlock", "c@acme.com").await;
    assert_ne!(essence(&unlocked), ("refused", "not_allowed"), "{unlocked}");
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"]);

    // The command line reaches those that are at work now.
    let listed = scene.by_hand(&["limits", "--json"]).await;
    assert!(listed.stdout.contains("user.suspend"), "{}{}", listed.stdout, listed.stderr);
}
