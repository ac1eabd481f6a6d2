//! Routes, sinks and searches come, change and go while events flow.

use super::{assert_each_once, exchange, files, names, stream, while_events_flow, with_org};
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

const ONE: &str = r#"{ sink = "one" }"#;

/// Waits until something is in a folder.
async fn arrived(workplace: &Workplace, folder: &str) {
    eventually(&format!("events in {folder}"), async || {
        (workplace.path(folder).exists() && !workplace.lines(folder).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn routes_come_change_and_go_while_events_flow_and_no_event_is_missed_or_there_twice() {
    let okta = Okta::with_backlog(5_000).await;
    let workplace = Workplace::new(&okta, &(stream(ONE) + &files("one")));
    let daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.delivered > 0).await;
    while_events_flow(&okta, change_routes(&okta, &workplace)).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    // Each of them once for each time that it began, and no more.
    let begun = |route: &str| {
        let log = workplace.log();
        let lines = log.lines().filter(|line| line.contains("the route begins to read"));
        lines.filter(|line| line.contains(&format!("\"route\":\"{route}\""))).count()
    };
    assert_eq!((begun("log/one"), begun("moving")), (2, 5), "{}", workplace.log());
    // What was written stays in the folders before, and that is no error.
    let log = workplace.log();
    assert!(!log.contains("\"level\":\"ERROR\"") && log.contains("the sink has another directory"), "{log}");
    workplace.catch_up().await;
    assert_each_once(&okta, &workplace, &["one"]).await;
    assert_each_once(&okta, &workplace, &["two", "three", "four"]).await;
}

async fn change_routes(okta: &Okta, workplace: &Workplace) {
    let change = async |rest: String| exchange(workplace, &with_org(okta, &rest)).await;
    let (one, moving) = (["route log/one"], ["route moving"]);

    // Another route of the same stream.
    let with =
        |sink: &str| stream(&format!(r#"{ONE}, {{ sink = "{sink}", name = "moving" }}"#)) + &files("one");
    let answer = change(with("two") + &files("two")).await;
    assert_eq!(
        (names(&answer, "added"), names(&answer, "kept")),
        (moving.map(str::to_owned).into(), one.map(str::to_owned).into())
    );
    workplace.route("moving", |route| route.delivered > 5_000).await;

    // Its sink is another one, and it goes on there.
    let answer = change(with("three") + &files("three")).await;
    assert_eq!(
        (names(&answer, "changed"), names(&answer, "kept")),
        (moving.map(str::to_owned).into(), one.map(str::to_owned).into())
    );
    arrived(workplace, "three").await;
    // The place of its sink is another one.
    let elsewhere = files("three").replace("/three\"", "/four\"");
    let answer = change(with("three") + &elsewhere).await;
    assert_eq!(names(&answer, "settings"), ["sinks.three.directory"]);
    arrived(workplace, "four").await;

    // It goes, and comes back to where it stood.
    let answer = change(stream(ONE) + &files("one")).await;
    assert_eq!(
        (names(&answer, "removed"), names(&answer, "kept")),
        (moving.map(str::to_owned).into(), one.map(str::to_owned).into())
    );
    assert_eq!(workplace.routes().await.len(), 1);
    let stands = workplace.oktabus(&["state", "show", "--json"]).await.stdout;
    assert!(stands.contains("\"route\":\"moving\""), "{stands}");
    assert!(change(with("three") + &elsewhere).await["added"].is_array());

    // The stream itself is another one: both routes go on where they stood.
    let answer = change(with("three").replace("200ms", "100ms") + &elsewhere).await;
    assert_eq!(names(&answer, "changed"), ["route log/one", "route moving"]);
    for route in ["log/one", "moving"] {
        workplace.route(route, |route| route.phase != "starting").await;
    }
}

#[tokio::test]
async fn a_search_comes_and_its_schedule_changes() {
    let okta = Okta::with_backlog(100).await;
    let search = |schedule: &str| {
        format!(
            "[searches.logins]\norg = \"acme\"\nschedule = \"{schedule}\"\nroutes = [{{ sink = \"found\" }}]\n"
        )
    };
    let both = stream(ONE) + &files("one") + &files("found");
    let workplace = Workplace::new(&okta, &(stream(ONE) + &files("one")));
    let _daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.phase == "at_tail").await;
    assert_eq!(workplace.metric("oktabus_search_runs_total{route=\"logins/found\"}").await, None);

    let answer = exchange(&workplace, &with_org(&okta, &(both.clone() + &search("0 0 1 1 *")))).await;
    assert_eq!(
        (names(&answer, "added"), names(&answer, "kept")),
        (vec!["route logins/found".to_owned()], vec!["route log/one".to_owned()])
    );
    assert_eq!(workplace.metric("oktabus_search_runs_total{route=\"logins/found\"}").await, Some(0.0));
    workplace.route("logins/found", |route| route.phase == "at_tail").await;
    let answer = exchange(&workplace, &with_org(&okta, &(both + &search("* * * * *")))).await;
    assert_eq!(names(&answer, "changed"), ["route logins/found"]);
    eventually("the search to have its schedule", async || {
        let (_, page) = workplace.get("/status").await.ok()?;
        let status: serde_json::Value = serde_json::from_str(&page).unwrap();
        let of_search = status["routes"].as_array()?.iter().find(|route| route["route"] == "logins/found");
        of_search?["search"].is_object().then_some(())
    })
    .await;
}
