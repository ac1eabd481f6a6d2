//! How the daemon ends, and what a second one finds.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

#[tokio::test]
async fn a_daemon_that_is_told_to_stop_keeps_its_cursor_and_the_next_goes_on() {
    let okta = Okta::with_backlog(20_000).await;
    okta.arm(json!({"kind": "delay", "milliseconds": 100})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered > 0).await;
    let asked = Instant::now();
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(10));

    let kept = workplace.oktabus(&["state", "show", "--json"]).await;
    let kept: serde_json::Value = serde_json::from_str(&kept.stdout).unwrap();
    let delivered = kept["delivered"].as_u64().unwrap();
    assert!(delivered < 20_000, "it was stopped too late to show anything");
    assert_eq!(workplace.lines("archive").len() as u64, delivered);
    assert_eq!(kept["route"], "log/files");
    assert!(kept["cursor"].as_str().unwrap().contains("after="), "{kept}");
    assert!(kept["generation"].as_u64().unwrap() > 1 && kept["age_seconds"].as_i64().unwrap() >= 0);

    okta.disarm().await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn a_sink_that_never_opened_is_not_waited_for() {
    let okta = Okta::with_backlog(2_000).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    std::fs::write(workplace.path("archive"), "a file where a folder should be").unwrap();
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.sink_trouble.is_some()).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn somebody_who_never_ends_a_request_for_a_page_holds_up_no_stop() {
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 100).await;
    let mut client = tokio::net::TcpStream::connect(workplace.admin()).await.unwrap();
    client.write_all(b"GET /status HTTP/1.1\r\nHost:").await.unwrap();
    workplace.routes().await;
    let asked = Instant::now();
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn two_daemons_cannot_share_a_state() {
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let _first = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 100).await;
    let second = workplace.oktabus(&["run"]).await;
    assert_eq!(second.code, Some(65));
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
}

#[tokio::test]
async fn a_command_that_has_the_state_for_a_moment_does_not_end_a_daemon_that_starts() {
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    // What `oktabus command list` holds while it reads.
    let store = std::fs::File::open(workplace.path("state/store/db")).unwrap();
    store.lock().unwrap();
    let daemon = workplace.start(&[]);
    let waits = async || workplace.log().contains("another process has the state").then_some(());
    eventually("the daemon waits", waits).await;
    store.unlock().unwrap();
    workplace.route("log/files", |route| route.sink_trouble.is_none()).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}
