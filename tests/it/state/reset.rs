//! A route is moved while the daemon runs: that route alone is stopped, begins at its new place, and nothing of the run before is
//! committed after that.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    daemon::{Daemon, Said, Workplace},
    okta::Okta,
    tools::eventually,
};

#[cfg(feature = "nats")]
mod exactly_once;

const FILES: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
page_size = 50
routes = [{ sink = "one" }, { sink = "two" }]
[searches.logins]
org = "acme"
schedule = "0 0 1 1 *"
routes = [{ sink = "two" }]
[sinks.one]
kind = "file"
directory = "{dir}/one"
[sinks.two]
kind = "file"
directory = "{dir}/two"
"#;

async fn reset(workplace: &Workplace, route: &str, to: &str) -> Said {
    workplace.oktabus(&["state", "reset", route, "--to", to, "--reason", "a test", "--yes"]).await
}

/// How the state says that a route stands.
async fn stands(workplace: &Workplace, route: &str) -> Value {
    let said = workplace.oktabus(&["state", "show", "--json"]).await;
    let shown = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    shown.into_iter().find(|shown| shown["route"] == route).unwrap()
}

fn begun(workplace: &Workplace, route: &str) -> usize {
    let log = workplace.log();
    let lines = log.lines().filter(|line| line.contains("the route begins to read"));
    lines.filter(|line| line.contains(&format!("\"route\":\"{route}\""))).count()
}

async fn stopped(daemon: Daemon) {
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn a_route_of_a_running_daemon_is_moved_and_no_other_notices() {
    let okta = Okta::with_backlog(1_000).await;
    let workplace = Workplace::new(&okta, FILES);
    let daemon = workplace.start(&[]);
    for route in ["log/one", "log/two"] {
        workplace.route(route, |route| route.phase == "at_tail" && route.delivered == 1_000).await;
    }
    let before = stands(&workplace, "log/one").await;

    // Whoever has to type its name and does not changes nothing.
    let unasked = workplace.oktabus(&["state", "reset", "log/one", "--to", "-90d"]).await;
    assert!(
        unasked.code == Some(64)
            && unasked.stderr.contains("nothing was changed")
            && unasked.stderr.contains(before["cursor"].as_str().unwrap()),
        "{}",
        unasked.stderr
    );
    let said = reset(&workplace, "log/one", "-90d").await;
    assert!(said.code == Some(0) && said.stdout.contains("route log/one begins at"), "{said:?}");
    workplace.route("log/one", |route| route.phase == "at_tail" && route.delivered == 2_000).await;
    assert_eq!((begun(&workplace, "log/one"), begun(&workplace, "log/two")), (2, 1), "{}", workplace.log());
    let after = stands(&workplace, "log/one").await;
    assert!(after["generation"].as_u64() > before["generation"].as_u64(), "{before} {after}");
    let all = okta.uuids().await;
    assert_eq!(workplace.uuids("one"), [all.clone(), all.clone()].concat());
    assert_eq!(workplace.uuids("two"), all);

    let kept = fs::read_to_string(workplace.path("state/operators.jsonl")).unwrap();
    let decisions: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        decisions.iter().map(|told| (told["decision"].as_str(), told["route"].as_str())).collect();
    assert_eq!(told, [(Some("resetting"), Some("log/one")), (Some("reset"), Some("log/one"))]);
    assert!(decisions.iter().all(|told| told["reason"] == "a test" && told["to"].is_string()), "{kept}");

    // A route of a search has no place in the log, and what is not there is named.
    for (route, words) in [("logins/two", "the routes are log/one, log/two"), ("log/four", "the routes are")]
    {
        let refused = reset(&workplace, route, "now").await;
        assert!(refused.code == Some(64) && refused.stderr.contains(words), "{}", refused.stderr);
    }
    stopped(daemon).await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("one").len(), 2 * all.len());
}

#[tokio::test]
async fn resets_under_load_lose_no_event_and_commit_nothing_of_the_run_before() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, FILES);
    // Pages take their time, so that each reset comes in the middle of some.
    okta.arm(json!({"kind": "delay", "milliseconds": 20})).await;
    let daemon = workplace.start(&[]);
    let mut generation = 0;
    for round in 0..6 {
        workplace.route("log/one", |route| route.delivered > 200 && route.phase != "starting").await;
        let said = reset(&workplace, "log/one", "-90d").await;
        assert_eq!(said.code, Some(0), "{round}: {}", said.stderr);
        let now = stands(&workplace, "log/one").await["generation"].as_u64().unwrap();
        assert!(now > generation, "{round}: {generation} {now}");
        generation = now;
    }
    okta.disarm().await;
    workplace.route("log/one", |route| route.phase == "at_tail").await;
    workplace.route("log/two", |route| route.phase == "at_tail").await;
    stopped(daemon).await;
    let all = okta.uuids().await;
    let arrived = workplace.uuids("one");
    // The last run began at the first event, and has delivered every one in its order.
    assert!(arrived.len() > all.len() && arrived.ends_with(&all), "{} of {}", arrived.len(), all.len());
    assert_eq!(workplace.uuids("two"), all);
    let log = workplace.log();
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
}

#[tokio::test]
async fn a_route_that_is_paused_or_whose_sink_is_away_is_moved_and_stays_as_it_is() {
    let okta = Okta::with_backlog(300).await;
    let workplace = Workplace::new(&okta, FILES);
    let _daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.phase == "at_tail" && route.delivered == 300).await;
    assert_eq!(workplace.oktabus(&["pause", "log/one"]).await.code, Some(0));
    assert_eq!(reset(&workplace, "log/one", "-90d").await.code, Some(0));
    workplace.route("log/one", |route| route.phase == "paused").await;
    assert_eq!(workplace.uuids("one").len(), 300);
    assert_eq!(workplace.oktabus(&["resume", "log/one"]).await.code, Some(0));
    workplace.route("log/one", |route| route.delivered == 600).await;

    // A file stands where the directory was.
    fs::rename(workplace.path("one"), workplace.path("elsewhere")).unwrap();
    fs::write(workplace.path("one"), "").unwrap();
    okta.add(r#"[{"uuid":"later"}]"#).await;
    workplace.route("log/one", |route| route.sink_trouble.is_some()).await;
    let said = reset(&workplace, "log/one", "-90d").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    fs::remove_file(workplace.path("one")).unwrap();
    fs::rename(workplace.path("elsewhere"), workplace.path("one")).unwrap();
    eventually("all of it once more", async || (workplace.uuids("one").len() >= 901).then_some(())).await;
}
