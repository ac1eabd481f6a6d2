//! The page in a real Chromium: by mouse and keyboard, in light and dark and on a phone, when all is well and when it is not. An
//! accessibility checker looks too. Screenshots go to the folder that `OKTABUS_SCREENSHOTS` names, if it is set.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::{TOKEN, act, bearer, overview_with, pause, start_with_token};
use crate::support::{
    daemon::Workplace,
    judges::{node, program, run},
    okta::Okta,
    tools::tool,
};

/// Two routes and a search to files, and commands from the command line.
const EVERYTHING: &str = r#"
[streams.system-log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [
  { sink = "archive", format = "ocsf" },
  { sink = "raw", redact = { mask = ["actor.alternateId"] } },
]

[searches.failed-logins]
org = "acme"
schedule = "*/15 * * * *"
time_zone = "Europe/Amsterdam"
filter = 'outcome.result eq "FAILURE"'
routes = [{ sink = "archive", format = "ecs", emit = "summary" }]

[sinks.archive]
kind = "file"
directory = "{dir}/archive"

[sinks.raw]
kind = "file"
directory = "{dir}/raw"

[commands.hr]
org = "acme"
outcomes = { sink = "archive" }
signature = { required = false }
allow = ["user.*", "group.*"]
limits = { "user.suspend" = "1/10m" }
"#;

/// Whether the judge is content, what it says and what it complains of.
async fn judge(arguments: &[&str]) -> (bool, String, String) {
    tool("judges-page-node/node_modules");
    let chromium = std::env::var("OKTABUS_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(
        PathBuf::from(&chromium).exists(),
        "{chromium} does not exist: install the Debian package `chromium`, or name a browser in OKTABUS_CHROMIUM"
    );
    let mut command = Command::new(node());
    command.arg(program("page/judge.mjs")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    run(command, String::new()).await
}

/// What the judge says, who must not complain.
async fn judged(arguments: &[&str]) -> Vec<Value> {
    let (is_content, said, complaints) = judge(arguments).await;
    assert!(is_content, "the judge of the page complains: {complaints}\n{said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Looks at the page in all ways, once it says `grade`.
async fn look(workplace: &Workplace, grade: &str, name: &str) -> Value {
    let unwanted = tempfile::tempdir().unwrap();
    let folder =
        std::env::var("OKTABUS_SCREENSHOTS").map_or_else(|_| unwanted.path().to_owned(), PathBuf::from);
    let folder = folder.display().to_string();
    let seen = judged(&["look", &workplace.page_url("/"), TOKEN, grade, &folder, name]).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    seen[0].clone()
}

fn says(seen: &Value, sentence: &str) {
    assert!(seen["sentence"].as_str().unwrap().contains(sentence), "{seen}");
}

#[tokio::test]
async fn the_page_says_at_a_glance_whether_all_is_well_and_what_to_do_if_not() {
    let okta = Okta::start(&["--backlog", "300", "--rate", "20"]).await;
    let workplace = Workplace::new(&okta, EVERYTHING);
    let ada = json!({ "profile": { "login": "ada@acme.com" }, "status": "ACTIVE" });
    okta.plant("users", &ada).await;
    let _daemon = start_with_token(&workplace);
    overview_with(&workplace, "all to be well", |shown| shown["verdict"]["grade"] == "well").await;
    says(&look(&workplace, "well", "well").await, "All is well: 3 routes deliver");

    okta.arm(json!({ "kind": "status", "status": 401, "path": "/api/v1/logs", "count": 1_000_000 })).await;
    overview_with(&workplace, "Okta to refuse", |shown| shown["verdict"]["grade"] == "trouble").await;
    let seen = look(&workplace, "trouble", "okta-refuses").await;
    says(&seen, "gets no events from Okta");
    assert!(seen["remedies"][0].as_str().unwrap().contains("oktabus check"), "{seen}");
    okta.disarm().await;
    overview_with(&workplace, "all to be well again", |shown| shown["verdict"]["grade"] == "well").await;

    assert_eq!(act(&workplace, &pause("system-log/raw"), &bearer()).await.0, 200);
    overview_with(&workplace, "the pause", |shown| shown["verdict"]["grade"] == "attention").await;
    says(&look(&workplace, "attention", "paused").await, "Route system-log/raw is paused.");
    let resume = json!({ "action": "resume_route", "about": "system-log/raw", "confirm": "system-log/raw" });
    assert_eq!(act(&workplace, &resume, &bearer()).await.0, 200);

    for action in ["user.suspend", "user.unsuspend", "user.suspend"] {
        workplace.oktabus(&["command", "run", action, "-p", "user=ada@acme.com"]).await;
    }
    let is_tripped = |shown: &Value| shown["commands"][0]["tripped"] == json!(["user.suspend"]);
    overview_with(&workplace, "the limit to trip", is_tripped).await;
    says(&look(&workplace, "trouble", "limit").await, "the limit user.suspend has tripped");
    let release =
        json!({ "action": "release_limit", "about": "hr", "confirm": "hr", "limit": "user.suspend" });
    assert_eq!(act(&workplace, &release, &bearer()).await.0, 200);
    overview_with(&workplace, "the release", |shown| shown["verdict"]["grade"] == "well").await;
    let audit = workplace.oktabus(&["command", "audit"]).await;
    assert!(audit.code.is_some(), "{audit:?}");

    let (store, away) = (workplace.path("state/store"), workplace.path("state/store.away"));
    std::fs::rename(&store, &away).unwrap();
    let is_away = |shown: &Value| shown["verdict"]["concerns"][0]["about"] == "the state";
    overview_with(&workplace, "the state to be missed", is_away).await;
    says(&look(&workplace, "trouble", "state").await, "The state is not where it was");
    std::fs::rename(&away, &store).unwrap();
    overview_with(&workplace, "the state to be back", |shown| shown["verdict"]["grade"] == "well").await;

    let moved = workplace.path("elsewhere");
    std::fs::rename(workplace.path("archive"), &moved).unwrap();
    std::fs::write(workplace.path("archive"), "no directory").unwrap();
    overview_with(&workplace, "the sink to fail", |shown| shown["sinks"][0]["trouble"] != json!(null)).await;
    says(&look(&workplace, "trouble", "sink").await, "cannot deliver to its sink");
    // All that Okta had is read, so it is known how many events wait.
    let waiting = |shown: &Value| {
        let routes = shown["routes"].as_array().into_iter().flatten();
        routes.filter_map(|route| route["lag_events"].as_u64()).any(|events| events > 0)
    };
    overview_with(&workplace, "events that wait", waiting).await;
}

#[tokio::test]
async fn the_page_is_used_by_keyboard_and_shows_an_event_in_each_format() {
    let okta = Okta::start(&["--backlog", "10", "--rate", "5"]).await;
    let workplace = Workplace::new(&okta, EVERYTHING);
    let _daemon = start_with_token(&workplace);
    overview_with(&workplace, "all to be well", |shown| shown["verdict"]["grade"] == "well").await;
    let seen = judged(&["drive", &workplace.page_url("/"), TOKEN, "system-log/raw"]).await;
    let formats: Vec<_> = seen[0]["formats"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for format in ["okta", "ocsf", "ecs", "udm"] {
        assert!(formats.contains(&format), "{format}: {formats:?}");
    }
    assert!(formats.iter().any(|why| why.contains(" rule ")), "why it is so: {formats:?}");
    let event: Value = serde_json::from_str(seen[0]["event"].as_str().unwrap()).unwrap();
    assert_eq!(event["actor"]["alternateId"], "***", "redacted as its route is");
    assert!(seen[0]["paused"].as_str().unwrap().contains("the judge tries it"), "{seen:?}");
}

/// What anybody can see that is wrong with it: no alternative text, grey on grey, wider than a phone, a script of another place.
const BAD: &str = r#"<!doctype html><html lang="en"><title>bad</title><section id="verdict" data-grade="well"><h2 id="sentence">x</h2></section>
<div id="content"></div><img src="x.png"><div style="width:2000px">wide</div><p style="color:#bbb;background:#ccc">grey</p>
<script src="http://localhost:1/other.js"></script>"#;

#[tokio::test]
async fn the_judge_of_the_page_refuses_what_is_wrong() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let pages = axum::Router::new().route("/", axum::routing::get(async || axum::response::Html(BAD)));
    tokio::spawn(async move { axum::serve(listener, pages).await });
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().display().to_string();
    let (is_content, _, complaints) = judge(&["look", &url, TOKEN, "well", &folder, "bad"]).await;
    assert!(!is_content);
    for told in [
        "image-alt",
        "color-contrast",
        "asks another place: http://localhost:1/other.js",
        "wider than its window",
    ] {
        assert!(complaints.contains(told), "{told}: {complaints}");
    }
}
