//! The wall clock is stepped by an hour, back and forward, while events flow: nothing breaks.

use crate::support::{clock::Clock, daemon::Workplace, okta::Okta};

const STREAM: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "100ms"
routes = [{ sink = "files" }]

[sinks.files]
kind = "file"
directory = "{dir}/archive"
rotate = { age = "1h" }
"#;
const HOUR: i64 = 3_600;

#[tokio::test]
async fn a_clock_that_is_stepped_breaks_nothing() {
    let okta = Okta::start(&["--backlog", "1000", "--rate", "50", "--rate-limit", "1000000"]).await;
    let workplace = Workplace::new(&okta, STREAM);
    let clock = Clock::new(&workplace);
    let environment = clock.environment();
    let daemon = workplace.start_with(&[], &environment);
    let mut delivered = workplace.route("log/files", |route| route.delivered >= 1_000).await.delivered;
    for offset in [-HOUR, HOUR, -HOUR, 0] {
        clock.put(offset);
        let route = workplace.route("log/files", |route| route.delivered > delivered + 20).await;
        delivered = route.delivered;
        assert_eq!((route.okta_trouble, route.sink_trouble, route.state_trouble), (None, None, None));
        assert_eq!(route.possible_gaps, 0);
        assert_eq!(workplace.get("/livez").await.unwrap().0, 200);
        assert_eq!(workplace.get("/readyz").await.unwrap().0, 200);
    }
    // The lines of the log tell that the clock was really moved.
    let log = workplace.log();
    let first = log.lines().next().unwrap().to_owned();
    daemon.kill().await;

    clock.put(-HOUR);
    let daemon = workplace.start_with(&[], &environment);
    workplace.route("log/files", |route| route.delivered > delivered + 20).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let last = workplace.log().lines().last().unwrap().to_owned();
    assert!(timestamp(&last) < timestamp(&first), "the clock was not moved:\n{first}\n{last}");

    workplace.catch_up().await;
    let arrived = workplace.uuids("archive");
    // New events have come meanwhile.
    assert_eq!(arrived, okta.uuids().await[..arrived.len()]);
}

fn timestamp(line: &str) -> jiff::Timestamp {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line["timestamp"].as_str().unwrap().parse().unwrap()
}
