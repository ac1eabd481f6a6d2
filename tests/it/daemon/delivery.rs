//! What arrives: every event, once, in Okta's order and with Okta's bytes, for as few requests as can be.

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta};

#[tokio::test]
async fn every_event_arrives_once_in_order_and_byte_for_byte() {
    let okta = Okta::with_backlog(3_500).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    let expected = okta.events().await;
    assert_eq!(expected.len(), 3_500);
    assert_eq!(workplace.lines("archive"), expected);
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn a_short_page_is_the_tail_and_costs_no_further_request() {
    let okta = Okta::with_backlog(2_500).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    assert_eq!(okta.answered(200).await, 3);
    // Nothing is new, and one request is enough to know it.
    workplace.catch_up().await;
    assert_eq!(okta.answered(200).await, 4);
    assert_eq!(workplace.lines("archive").len(), 2_500);
}

#[tokio::test]
async fn routes_of_one_stream_share_their_requests() {
    let okta = Okta::with_backlog(4_500).await;
    let shared = r#"
[streams.log]
org = "acme"
start = "-90d"
routes = [{ sink = "a" }, { sink = "b" }, { sink = "b", name = "log/failures", outcomes = ["FAILURE", "DENY"] }]
[sinks.a]
kind = "file"
directory = "{dir}/a"
[sinks.b]
kind = "file"
directory = "{dir}/b"
"#;
    let workplace = Workplace::new(&okta, shared);
    workplace.catch_up().await;
    assert_eq!(okta.answered(200).await, 5);
    let all = okta.events().await;
    assert_eq!(workplace.lines("a"), all);
    let is_failure = |event: &&String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        matches!(event["outcome"]["result"].as_str(), Some("FAILURE" | "DENY"))
    };
    let failures = all.iter().filter(is_failure).count();
    assert!(failures > 10 && failures < all.len());
    assert_eq!(workplace.lines("b").len(), all.len() + failures);
}

#[tokio::test]
async fn a_streams_filter_runs_at_okta_and_a_routes_filter_here() {
    let okta = Okta::with_backlog(3_000).await;
    let filtered = r#"
[streams.log]
org = "acme"
start = "-90d"
filter = 'eventType sw "user."'
routes = [{ sink = "files", event_types = ["user.session.*"], severities = ["INFO"] }]
[sinks.files]
kind = "file"
directory = "{dir}/archive"
"#;
    let workplace = Workplace::new(&okta, filtered);
    workplace.catch_up().await;
    let is_wanted = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["eventType"].as_str().unwrap().starts_with("user.session.") && event["severity"] == "INFO"
    };
    let wanted: Vec<_> = okta.events().await.into_iter().filter(is_wanted).collect();
    assert!(wanted.len() > 10);
    assert_eq!(workplace.lines("archive"), wanted);
}

#[tokio::test]
async fn an_event_that_comes_late_with_an_old_time_is_delivered() {
    let okta = Okta::with_backlog(1_500).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 1_500).await;
    okta.add(r#"{"uuid":"late","published":"2020-01-01T00:00:00.000Z","eventType":"user.session.start"}"#)
        .await;
    workplace.route("log/files", |route| route.delivered == 1_501).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert_eq!(workplace.uuids("archive").last().unwrap(), "late");
}

#[tokio::test]
async fn full_files_are_closed_and_compressed() {
    let okta = Okta::with_backlog(5_000).await;
    let rotating = TO_FILES.to_owned() + "rotate = { size = \"1 MiB\", compress = \"zstd\" }\n";
    let workplace = Workplace::new(&okta, &rotating);
    workplace.catch_up().await;
    let files = std::fs::read_dir(workplace.path("archive")).unwrap().count();
    assert!(files > 3, "{files} files");
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn standard_output_has_one_line_an_event() {
    let okta = Okta::with_backlog(150).await;
    let to_stdout = r#"
[streams.log]
org = "acme"
start = "-90d"
routes = [{ sink = "out" }]
[sinks.out]
kind = "stdout"
"#;
    let workplace = Workplace::new(&okta, to_stdout);
    workplace.catch_up().await;
    let printed = std::fs::read_to_string(workplace.path("stdout")).unwrap();
    assert_eq!(printed.lines().collect::<Vec<_>>(), okta.events().await);
}
