//! `status`, `top` and `tail` against a running daemon.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    daemon::{Daemon, TO_FILES, Workplace},
    okta::Okta,
    tools::eventually,
};

async fn at_tail() -> (Okta, Workplace, Daemon) {
    let okta = Okta::with_backlog(50).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    (okta, workplace, daemon)
}

#[tokio::test]
async fn the_status_says_whether_all_is_well_and_what_to_do_if_not() {
    let (okta, workplace, daemon) = at_tail().await;
    let well = workplace.oktabus(&["status"]).await;
    assert_eq!(well.code, Some(0), "{}", well.stderr);
    assert!(well.stdout.starts_with("ok  All is well: one route delivers"), "{}", well.stdout);
    assert!(!well.stdout.contains('\u{1b}'), "a pipe gets no colours");
    let has = |words: &[&str]| well.stdout.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["log/files", "live", "50", "okta", "files"]), "{}", well.stdout);
    assert!(
        has(&["acme", "logs", " of "]) && has(&["files", "file", "works", "exactly once"]),
        "{}",
        well.stdout
    );
    let json: Value = serde_json::from_str(&workplace.oktabus(&["status", "--json"]).await.stdout).unwrap();
    assert_eq!((&json["verdict"]["grade"], &json["routes"][0]["delivered"]), (&"well".into(), &50.into()));

    okta.arm(serde_json::json!({"kind": "status", "status": 403})).await;
    workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    let troubled = workplace.oktabus(&["status"]).await;
    assert_eq!(troubled.code, Some(1));
    assert!(troubled.stdout.starts_with("TROUBLE  Route log/files"), "{}", troubled.stdout);
    assert!(
        troubled.stdout.contains("  -> ") && troubled.stdout.contains("oktabus check"),
        "{}",
        troubled.stdout
    );

    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let gone = workplace.oktabus(&["status"]).await;
    assert_eq!(gone.code, Some(69));
    assert!(gone.stderr.contains("no daemon runs with the state in"), "{}", gone.stderr);
}

#[tokio::test]
async fn a_route_is_paused_and_resumed_and_who_did_it_is_recorded() {
    let (okta, workplace, _daemon) = at_tail().await;
    let unknown = workplace.oktabus(&["pause", "log/flies"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("no route `log/flies`; there are: log/files"), "{}", unknown.stderr);

    let paused = workplace.oktabus(&["pause", "log/files", "--reason", "an upgrade"]).await;
    assert_eq!((paused.code, paused.stdout.as_str()), (Some(0), "The route log/files is paused.\n"));
    workplace.route("log/files", |route| route.phase == "paused").await;
    okta.add("{\"uuid\":\"late\"}").await;
    let again = workplace.oktabus(&["pause", "log/files"]).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "The route log/files was paused already.\n"));

    let resumed = workplace.oktabus(&["resume", "log/files"]).await;
    assert_eq!((resumed.code, resumed.stdout.as_str()), (Some(0), "The route log/files is resumed.\n"));
    eventually("the event to be delivered", async || {
        workplace.uuids("archive").iter().any(|uuid| uuid == "late").then_some(())
    })
    .await;
    let recorded = std::fs::read_to_string(workplace.path("state/operators.jsonl")).unwrap();
    let lines: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["reason"], "an upgrade");
    assert!(lines.iter().all(|line| line["requested_by"].as_str().unwrap().contains("uid ")), "{recorded}");
}

#[tokio::test]
async fn top_prints_one_look_below_the_other_where_there_is_no_terminal() {
    let (_okta, workplace, _daemon) = at_tail().await;
    let said = workplace.oktabus(&["top", "--count", "2", "--interval", "0.2"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(said.stdout.matches("All is well").count(), 2, "{}", said.stdout);
    assert!(said.stdout.contains("LAST HOUR") && !said.stdout.contains('\u{1b}'), "{}", said.stdout);
}

/// A tail with these arguments.
fn tail(workplace: &Workplace, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
    command.arg("tail").args(arguments).arg("--config").arg(workplace.path("oktabus.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a tail prints until it has seen enough, while events come again and again.
async fn seen(okta: &Okta, workplace: &Workplace, arguments: &[&str]) -> String {
    let running = tokio::spawn(tail(workplace, arguments).output());
    let mut number = 0;
    eventually("the tail to have seen enough", async || {
        for (who, what) in [("ada", "user.session.start"), ("bob", "user.session.start"), ("ada", "group.lifecycle.create")] {
            number += 1;
            okta.add(&format!(
                r#"[{{"uuid":"{what}-{number}","eventType":"{what}","published":"2026-01-01T00:00:00.000Z",
                "outcome":{{"result":"FAILURE"}},"actor":{{"id":"00u{who}","alternateId":"{who}@acme.com","displayName":"\u001b[2J{who}"}}}}]"#
            ).replace('\n', " "))
            .await;
        }
        running.is_finished().then_some(())
    })
    .await;
    let output = running.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_tail_shows_what_passes_and_is_wanted() {
    let (okta, workplace, _daemon) = at_tail().await;
    let json = [
        "log/files",
        "--event-type",
        "user.*",
        "--outcome",
        "FAILURE",
        "--actor",
        "ada@acme.com",
        "--limit",
        "2",
        "--json",
    ];
    let lines = seen(&okta, &workplace, &json).await;
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2, "{lines}");
    for event in &events {
        assert_eq!((&event["route"], &event["format"]), (&"log/files".into(), &"okta".into()));
        assert_eq!(event["event"]["eventType"], "user.session.start");
        assert_eq!(event["event"]["actor"]["id"], "00uada");
        assert_eq!(
            event["id"].as_str().unwrap(),
            format!("acme:{}", event["event"]["uuid"].as_str().unwrap())
        );
    }
    let people = seen(&okta, &workplace, &["--limit", "3"]).await;
    assert_eq!(people.lines().count(), 3, "{people}");
    assert!(
        people.lines().all(|line| line.starts_with("log/files ") && line.contains("FAILURE")),
        "{people}"
    );
    assert!(!people.contains('\u{1b}'), "nothing commands the terminal");

    let wrong = tail(&workplace, &["log/flies"]).output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there are: log/files"));
}

#[tokio::test]
async fn a_tail_ends_with_the_daemon_and_does_not_keep_it() {
    let (_okta, workplace, daemon) = at_tail().await;
    let running = tail(&workplace, &["--outcome", "FAIL"]).spawn().unwrap();
    let other = workplace.oktabus(&["status"]).await;
    assert_eq!(other.code, Some(0));
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let output = running.wait_with_output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(told.contains("`FAIL` is not known as outcome: Okta writes SUCCESS, FAILURE,"), "{told}");
}
