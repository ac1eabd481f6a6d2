//! `oktabus search`: what it prints, what it publishes and what it refuses, by others' judgement.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

use super::{found, published_before, uuids_in};
use crate::support::{
    daemon::{Said, Workplace, uuid},
    okta::{Okta, TOKEN},
    tools::eventually,
};

const SEARCHES: &str = r#"
[searches.denied]
org = "acme"
schedule = "daily at 00:00"
look_back = "30d"
outcomes = ["FAILURE", "DENY"]
routes = [
  { sink = "files", emit = "batches", batch_size = 20 },
  { sink = "single" },
]
[sinks.files]
kind = "file"
directory = "{dir}/found"
[sinks.single]
kind = "file"
directory = "{dir}/single"
"#;

async fn prepared(events: usize) -> (Okta, Workplace) {
    let okta = Okta::with_backlog(events).await;
    let workplace = Workplace::new(&okta, SEARCHES);
    (okta, workplace)
}

async fn search(workplace: &Workplace, arguments: &[&str]) -> Said {
    let said = workplace.oktabus(&[&["search"], arguments].concat()).await;
    assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
    said
}

fn uuids(lines: &str) -> Vec<String> {
    lines.lines().map(uuid).collect()
}

/// The uuids of the events with one of these outcomes, in the order of `published`.
async fn with_outcomes(okta: &Okta, outcomes: &[&str]) -> Vec<String> {
    let mut wanted = std::collections::BTreeSet::new();
    for event in okta.events().await {
        let event: Value = serde_json::from_str(&event).unwrap();
        if event["outcome"]["result"].as_str().is_some_and(|result| outcomes.contains(&result)) {
            wanted.insert(event["uuid"].as_str().unwrap().to_owned());
        }
    }
    let all = published_before(okta, jiff::Timestamp::now()).await;
    all.into_iter().filter(|uuid| wanted.contains(uuid)).collect()
}

/// What Python's standard library makes of `input`, as one JSON value.
async fn python(program: &str, input: &str) -> Value {
    let mut command = Command::new("python3");
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn json_lines_are_the_events_of_the_window_byte_for_byte() {
    let (okta, workplace) = prepared(2_500).await;
    let said = search(&workplace, &["--since", "-30d"]).await;
    assert_eq!(said.stderr, "", "nothing is told where nobody asked and nothing is a terminal");
    let all = published_before(&okta, jiff::Timestamp::now()).await;
    assert_eq!(uuids(&said.stdout), all);
    let mut sent = okta.events().await;
    let mut printed: Vec<_> = said.stdout.lines().map(str::to_owned).collect();
    sent.sort();
    printed.sort();
    assert_eq!(printed, sent);
    let read = "import sys, json; print(json.dumps([json.loads(line)['uuid'] for line in sys.stdin]))";
    assert_eq!(python(read, &said.stdout).await, json!(all));

    let newest = search(&workplace, &["--since=-30d", "--order", "descending", "--limit", "15"]).await;
    assert_eq!(uuids(&newest.stdout), all.iter().rev().take(15).cloned().collect::<Vec<_>>());
    let ocsf = search(&workplace, &["--since", "-30d", "--limit", "3", "--format", "ocsf"]).await;
    for (line, uuid) in ocsf.stdout.lines().zip(&all) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&event["metadata"]["product"]["vendor_name"], &event["metadata"]["original_event_uid"]),
            (&json!("Okta"), &json!(uuid))
        );
    }
    // By default it is the last hour, and that is said.
    let hour = search(&workplace, &[]).await;
    assert!(hour.stderr.contains("an hour, since there is no --since"), "{}", hour.stderr);
}

#[tokio::test]
async fn what_is_looked_for_may_be_said_in_many_ways() {
    let (okta, workplace) = prepared(1_500).await;
    let expected = with_outcomes(&okta, &["FAILURE", "DENY"]).await;
    assert!(expected.len() > 20);
    let filter = r#"outcome.result eq "FAILURE" or outcome.result eq "DENY""#;
    for arguments in [
        &["--since", "-30d", "--filter", filter][..],
        &["--since", "-30d", "--outcome", "FAILURE", "--outcome", "DENY", "--org", "acme"],
        &["denied", "--page-size", "7"],
    ] {
        let said = search(&workplace, arguments).await;
        assert_eq!(uuids(&said.stdout), expected, "{arguments:?}");
    }
    let said = search(&workplace, &["denied", "--until", "-1h"]).await;
    assert!(said.stderr.contains("the look_back of the search"), "{}", said.stderr);
    let first: Value = serde_json::from_str(&okta.events().await[0]).unwrap();
    let actor = first["actor"]["id"].as_str().unwrap();
    let of_actor = search(&workplace, &["--since", "-30d", "--actor", actor]).await;
    assert!(of_actor.stdout.lines().count() > 0);
    for line in of_actor.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["actor"]["id"], actor);
    }
}

#[tokio::test]
async fn csv_is_read_by_others_and_a_table_by_people() {
    let (okta, workplace) = prepared(500).await;
    let odd = r#"{"uuid":"odd","published":"2026-11-01T00:00:00.000Z","eventType":"a,b","displayMessage":"he said \"no\",\n\u001b[2Jleft","actor":{"alternateId":"=cmd"},"target":[{"id":"\u202egpj.exe"}]}"#;
    let odd = odd.replace(
        "2026-11-01T00:00:00.000Z",
        &(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1)).to_string(),
    );
    okta.add(&odd).await;
    let said = search(&workplace, &["--since", "-30d", "--output", "csv"]).await;
    let read = "import sys, csv, io, json; print(json.dumps(list(csv.DictReader(io.TextIOWrapper(sys.stdin.buffer, newline='')))))";
    let rows = python(read, &said.stdout).await;
    let rows = rows.as_array().unwrap();
    let mut expected = std::collections::BTreeMap::new();
    for event in okta.events().await {
        let event: Value = serde_json::from_str(&event).unwrap();
        expected.insert(event["uuid"].as_str().unwrap().to_owned(), event);
    }
    assert_eq!(rows.len(), expected.len());
    for row in rows {
        let event = &expected[row["uuid"].as_str().unwrap()];
        for (column, path) in [
            ("published", "/published"),
            ("event_type", "/eventType"),
            ("outcome", "/outcome/result"),
            ("actor_id", "/actor/id"),
            ("address", "/client/ipAddress"),
            ("message", "/displayMessage"),
        ] {
            let said = event.pointer(path).and_then(Value::as_str).unwrap_or_default();
            // What a terminal would obey is shown.
            let shown = said.replace('\u{1b}', r"\u{1b}");
            assert_eq!(row[column], shown, "{column} of {event}");
        }
        if row["uuid"] == "odd" {
            assert_eq!(row["actor"], "'=cmd", "no cell is a formula");
        }
    }
    assert!(!said.stdout.contains('\u{1b}'));
    let table = search(&workplace, &["--since", "-30d", "--output", "table"]).await;
    assert!(table.stdout.starts_with("TIME"), "{}", table.stdout);
    assert_eq!(table.stdout.lines().count(), rows.len() + 1);
    assert!(!table.stdout.contains(['\u{1b}', '\u{202e}']) && table.stdout.contains(r"\u{202e}gpj.exe"));
    let none = search(&workplace, &["--since", "-30d", "--actor", "nobody", "--output", "csv"]).await;
    assert_eq!(none.stdout.lines().count(), 1, "the header stands above nothing, too");
}

#[tokio::test]
async fn it_publishes_beside_a_daemon_as_the_search_s_route_does() {
    let (okta, workplace) = prepared(1_500).await;
    let expected = with_outcomes(&okta, &["FAILURE", "DENY"]).await;
    let daemon = workplace.start(&[]);
    eventually("the daemon to run", async || workplace.get("/status").await.ok()).await;
    let said = search(&workplace, &["denied", "--to", "files"]).await;
    assert!(
        said.stdout.is_empty() && said.stderr.contains("event(s) went to the sink files"),
        "{}",
        said.stderr
    );
    let batches = found(&workplace);
    assert_eq!(uuids_in(&batches), expected);
    assert_eq!(batches.len(), expected.len().div_ceil(20));
    assert!(batches.iter().all(|batch| batch["total"] == expected.len() && batch["search"] == "denied"));

    search(&workplace, &["denied", "--to", "single"]).await;
    assert_eq!(workplace.uuids("single"), expected);
    // Again, it comes again: nothing is kept of it.
    search(&workplace, &["--since", "-30d", "--limit", "5", "--to", "single"]).await;
    let all = published_before(&okta, jiff::Timestamp::now()).await;
    let again = workplace.uuids("single");
    assert!(again.len() == expected.len() + 5 && all[..5].iter().all(|uuid| again.contains(uuid)));
    let shown = workplace.oktabus(&["state", "show", "--json"]).await;
    assert!(shown.code == Some(0) && shown.stderr.contains("the daemon is running"), "{}", shown.stderr);
    let lines: Vec<Value> = shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", shown.stdout);
    assert!(lines[0]["route"] == "denied/files" && lines[0]["decided"].is_string());
    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let (okta, workplace) = prepared(10).await;
    for (arguments, words) in [
        (
            &["--filter", "eventType eqq \"x\""][..],
            "--filter: there is no operator `eqq`; did you mean `eq`?",
        ),
        (&["--filter", "eventType eqq \"x\""], "              ^"),
        (&["--event-type", "user.*.start"], "--event-type: "),
        (&["--q", " "], "--q: is empty"),
        (&["--page-size", "1001"], "--page-size: 1001 is not from 1 to 1000"),
        (&["--limit", "0"], "--limit: "),
        (&["--since", "yesterday"], "a time ago such as \"-1h\""),
        (&["--since", "-1h", "--until", "-1h"], "the window has no length"),
        (&["--since", "-1h", "--until", "-2h"], "before it begins"),
        (&["--since", "-91d"], "--since is further back than the 90 days"),
        (&["--since", "2020-01-01T00:00:00Z"], "--since is further back than the 90 days"),
        (&["--since", "-18446744073709551615s"], "--since is further back than the 90 days"),
        (&["denid"], "there is no search `denid`; did you mean `denied`?"),
        (&["--org", "acmee"], "there is no org `acmee`; did you mean `acme`?"),
        (&["--to", "singel"], "there is no sink `singel`; did you mean `single`?"),
        (&["denied", "--filter", "eventType pr"], "cannot be used with"),
        (&["--output", "csv", "--format", "ocsf"], "--format is for --output json"),
    ] {
        let said = workplace.oktabus(&[&["search"], arguments].concat()).await;
        assert_eq!(said.code, Some(64), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(words) && said.stdout.is_empty(), "{arguments:?}: {}", said.stderr);
    }
    assert_eq!(okta.recent().await.len(), 0, "nothing was sent");
}

#[tokio::test]
async fn what_passes_is_waited_for_and_what_does_not_ends_it_with_a_remedy() {
    let (okta, workplace) = prepared(300).await;
    okta.arm(json!({"kind": "status", "status": 503, "count": 2})).await;
    let said = search(&workplace, &["--since", "-30d"]).await;
    assert_eq!(said.stdout.lines().count(), 300);
    assert_eq!(said.stderr.matches("trying again").count(), 1, "{}", said.stderr);

    workplace.write_token("wrong");
    let refused = workplace.oktabus(&["search", "--since", "-30d"]).await;
    assert_eq!(refused.code, Some(69), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("401") && refused.stderr.contains("check the credential"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("wrong"), "{}", refused.stderr);
    workplace.write_token(TOKEN);
    okta.arm(json!({"kind": "status", "status": 400, "error_code": "E0000053"})).await;
    let permanent = workplace.oktabus(&["search", "--since", "-30d"]).await;
    assert!(
        permanent.code == Some(69) && permanent.stderr.contains("check the `filter`"),
        "{}",
        permanent.stderr
    );
}

#[tokio::test]
async fn an_interrupt_ends_it_at_once() {
    let (okta, workplace) = prepared(300).await;
    okta.arm(json!({"kind": "delay", "milliseconds": 30_000})).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_oktabus"))
        .args(["search", "--config"])
        .arg(workplace.path("oktabus.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = lines.next_line().await.unwrap().unwrap();
    assert!(begun.contains("searching from"), "{begun}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), child.wait()).await;
    assert_eq!(ended.expect("at once").unwrap().code(), Some(130));
}
