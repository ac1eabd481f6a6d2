//! What Okta's answers and links may do, and whoever answers in its place: the stored link is kept, nothing is delivered
//! twice, and no token goes where it does not belong.

use std::fs;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

const MOVES_NOT: &str = "the link does not move";

/// Runs a daemon that meets `fault` from its second request on, and sees that every event arrives once.
async fn survives(mut fault: Value) -> Workplace {
    let okta = Okta::with_backlog(3_500).await;
    fault["after"] = json!(1);
    okta.arm(fault.clone()).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await, "{fault}");
    workplace
}

#[tokio::test]
async fn whoever_answers_in_oktas_place_costs_neither_the_link_nor_a_duplicate() {
    let strays = [
        json!({"kind": "not_json", "status": 204, "count": 1}),
        json!({"kind": "not_json", "status": 400, "count": 1}),
        json!({"kind": "not_json", "status": 403, "count": 1}),
        json!({"kind": "not_json", "status": 407, "count": 1}),
        json!({"kind": "not_json", "status": 511, "count": 1}),
        json!({"kind": "status", "status": 410, "count": 1}),
        json!({"kind": "status", "status": 418, "count": 1}),
        json!({"kind": "status", "status": 400, "error_code": "E0000001", "count": 1}),
    ];
    for workplace in join_all(strays.map(survives)).await {
        assert!(!workplace.log().contains("POSSIBLE GAP"), "{}", workplace.log());
    }
}

#[tokio::test]
async fn what_okta_repeats_across_pages_is_delivered_once() {
    survives(json!({"kind": "duplicates", "events": 300, "count": 2})).await;
}

#[tokio::test]
async fn a_link_that_does_not_move_is_told_once_and_delivers_nothing_twice() {
    let okta = Okta::with_backlog(2_500).await;
    okta.arm(json!({"kind": "stuck_next", "after": 1})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    let told = |trouble: &String| trouble.contains(MOVES_NOT);
    workplace.route("log/files", |route| route.okta_trouble.as_ref().is_some_and(told)).await;
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
    let asked = okta.answered(200).await;
    eventually("two more attempts", async || (okta.answered(200).await >= asked + 2).then_some(())).await;
    assert_eq!(workplace.log().matches(MOVES_NOT).count(), 1, "{}", workplace.log());
    assert!(okta.answered(200).await <= 10, "it does not spin");
    okta.disarm().await;
    workplace.route("log/files", |route| route.delivered == 2_500 && route.okta_trouble.is_none()).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn an_event_of_the_future_makes_no_gap_when_the_link_is_refused() {
    let okta = Okta::with_backlog(2_500).await;
    okta.arm(json!({"kind": "odd_event", "oddity": "far_future", "count": 1})).await;
    okta.arm(json!({"kind": "refuse_cursor", "count": 1})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    let mut arrived = workplace.uuids("archive");
    assert!(workplace.log().contains("POSSIBLE GAP"));
    // The odd event itself is none of those that the org knows of.
    arrived.remove(0);
    assert_eq!(arrived, okta.uuids().await);
}

#[tokio::test]
async fn an_org_under_another_address_is_read_on_and_nothing_is_lost_or_twice() {
    let okta = Okta::with_backlog(1_500).await;
    let org = |url: &str| {
        format!("[orgs.acme]\nurl = \"{url}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n{TO_FILES}")
    };
    let workplace = Workplace::with_orgs(&org(okta.url()));
    workplace.catch_up().await;
    let now = jiff::Timestamp::now();
    okta.add(&format!(r#"[{{"uuid":"after-the-move","published":"{now:.3}"}}]"#)).await;
    // The stored link leads to the old address, to which no credential is sent any more.
    workplace.configure(&org(&okta.url().replace("127.0.0.1", "localhost")));
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    let hosts = workplace.oktabus(&["state", "show", "--json"]).await.stdout;
    assert!(hosts.contains("://localhost:"), "{hosts}");
}

#[tokio::test]
async fn a_link_to_another_resource_of_the_org_is_never_followed() {
    let okta = Okta::with_backlog(2_500).await;
    okta.arm(json!({"kind": "foreign_next", "next_path": "/api/v1/users"})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let _daemon = workplace.start(&[]);
    let told =
        |trouble: &String| trouble.contains("/api/v1/users, not to") && trouble.contains("not followed");
    workplace.route("log/files", |route| route.okta_trouble.as_ref().is_some_and(told)).await;
    okta.disarm().await;
    workplace.route("log/files", |route| route.delivered == 2_500).await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    let others = okta.recent().await.into_iter().filter(|request| request["path"] != "/api/v1/logs");
    assert_eq!(others.count(), 0);
}

#[tokio::test]
async fn a_page_of_millions_of_items_is_refused_and_takes_no_more_memory_than_its_bytes() {
    let options = ["--backlog", "1500", "--rate", "0", "--rate-limit", "1000000", "--gzip"];
    let okta = Okta::start(&options).await;
    okta.arm(json!({"kind": "many_items", "items": 10_000_000})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    let told = |trouble: &String| trouble.contains("more than the 1000 events that were asked for");
    workplace.route("log/files", |route| route.okta_trouble.as_ref().is_some_and(told)).await;
    let memory = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 300 << 10, "{peak_kib} KiB");
    okta.disarm().await;
    workplace.route("log/files", |route| route.delivered == 1_500).await;
}
