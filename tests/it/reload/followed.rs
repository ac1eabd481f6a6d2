//! Whatever shows the daemon or acts on it follows the configuration that is in force.

use std::{fs, process::Stdio};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{add, assert_each_once, exchange, files, names, stream, with_org};
use crate::support::{
    daemon::Workplace,
    okta::Okta,
    tools::{eventually, free_port},
};

const ONE: &str = r#"{ sink = "one" }"#;
const BOTH: &str = r#"{ sink = "one" }, { sink = "two", name = "second" }"#;

#[tokio::test]
async fn metrics_pages_tails_and_pauses_follow() {
    let okta = Okta::with_backlog(100).await;
    let one = stream(ONE) + &files("one");
    let two = stream(BOTH) + &files("one") + &files("two");
    let workplace = Workplace::new(&okta, &one);
    let _daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.delivered == 100).await;
    let mut tail = Command::new(env!("CARGO_BIN_EXE_oktabus"))
        .args(["tail", "--json", "--config"])
        .arg(workplace.path("oktabus.toml"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut passed = BufReader::new(tail.stdout.take().unwrap()).lines();
    // It is open once something passes.
    let opened = async {
        for number in 0.. {
            add(&okta, &format!("opening-{number}"), 1).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        line = passed.next_line() => assert!(line.unwrap().is_some()),
        () = opened => unreachable!("it does not end"),
    }

    exchange(&workplace, &with_org(&okta, &two)).await;
    let delivered = "oktabus_messages_delivered_total{route=\"second\"}";
    let phase = "oktabus_route_phase{route=\"second\",phase=\"at_tail\"}";
    assert!(workplace.metric(delivered).await.is_some());
    workplace.route("second", |route| route.phase == "at_tail").await;
    assert_eq!(workplace.metric(phase).await, Some(1.0));
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 200);
    // The tail that was open before shows the route that there was not.
    add(&okta, "passing", 1).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let line: Value = serde_json::from_str(&passed.next_line().await.unwrap().unwrap()).unwrap();
        if line["id"] == "acme:passing-0" {
            seen.push(line["route"].as_str().unwrap().to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, ["log/one", "second"]);

    // A pause stays while the route is changed, and commands know the route.
    assert_eq!(workplace.oktabus(&["pause", "second", "--reason", "a test"]).await.code, Some(0));
    let changed = two.replace("name = \"second\"", "name = \"second\", event_types = [\"user.*\"]");
    assert_eq!(names(&exchange(&workplace, &with_org(&okta, &changed)).await, "changed"), ["route second"]);
    workplace.route("second", |route| route.phase == "paused").await;
    add(&okta, "late", 5).await;
    assert_eq!(workplace.oktabus(&["resume", "second"]).await.code, Some(0));
    assert_each_once(&okta, &workplace, &["two"]).await;

    // What is gone is on no page.
    exchange(&workplace, &with_org(&okta, &one)).await;
    assert_eq!((workplace.metric(delivered).await, workplace.metric(phase).await), (None, None));
    let status = workplace.oktabus(&["status", "--json"]).await.stdout;
    assert!(!status.contains("\"second\""), "{status}");
    assert_eq!(workplace.oktabus(&["pause", "second"]).await.code, Some(1));
    assert_each_once(&okta, &workplace, &["one"]).await;
}

#[tokio::test]
async fn the_level_of_the_log_changes_and_no_route_notices() {
    let okta = Okta::with_backlog(100).await;
    let one = stream(ONE) + &files("one");
    let workplace = Workplace::new(&okta, &one);
    let daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.delivered == 100).await;
    let level = |level: &str| {
        let path = workplace.path("oktabus.toml");
        let text = fs::read_to_string(&path).unwrap();
        let plain: String =
            text.lines().filter(|line| !line.starts_with("level")).map(|line| format!("{line}\n")).collect();
        fs::write(path, plain.replace("[log]\n", &format!("[log]\nlevel = \"{level}\"\n"))).unwrap();
    };
    level("debug");
    daemon.reload().await;
    eventually("a line of that level", async || {
        workplace.log().contains("\"level\":\"DEBUG\"").then_some(())
    })
    .await;
    level("error");
    let said = workplace.oktabus(&["reload"]).await;
    assert_eq!((said.code, said.stdout.contains("settings   log.level")), (Some(0), true), "{}", said.stdout);
    let lines = workplace.log().lines().count();
    daemon.signal("-USR1").await;
    add(&okta, "quietly", 20).await;
    assert_each_once(&okta, &workplace, &["one"]).await;
    assert_eq!(workplace.log().lines().count(), lines, "{}", workplace.log());
}

#[tokio::test]
async fn the_pages_move_and_get_a_token() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, &(stream(ONE) + &files("one")));
    let _daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.delivered == 10).await;
    workplace.write_secret("pages", "a-token-of-the-pages");
    let path = workplace.path("oktabus.toml");
    let text = fs::read_to_string(&path).unwrap();
    let token = format!("[admin]\ntoken_file = \"{}\"\n", workplace.path("pages").display());
    fs::write(&path, text.replace("[admin]\n", &token)).unwrap();
    assert_eq!(workplace.oktabus(&["reload"]).await.code, Some(0));
    assert_eq!(workplace.get("/status").await.unwrap().0, 401);

    // Another token counts as soon as the reload is answered.
    for token in ["another-token-of-the-pages", "a-third-token-of-the-pages"] {
        workplace.write_secret("pages", token);
        assert_eq!(workplace.oktabus(&["reload"]).await.code, Some(0));
        let shown = reqwest::Client::new().get(workplace.page_url("/status")).bearer_auth(token);
        assert_eq!(shown.send().await.unwrap().status().as_u16(), 200);
    }

    let moved = format!("127.0.0.1:{}", free_port());
    fs::write(&path, text.replace(workplace.admin(), &moved)).unwrap();
    assert_eq!(workplace.oktabus(&["reload"]).await.code, Some(0));
    let asked = reqwest::Client::new().get(format!("http://{moved}/status"));
    let page = asked.send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    eventually("the former address to be free", async || {
        workplace.get("/livez").await.is_err().then_some(())
    })
    .await;
    assert_eq!(workplace.log().matches("the route begins to read").count(), 1);
}
