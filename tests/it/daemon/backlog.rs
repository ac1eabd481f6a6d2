//! A backlog: how fast it is drained, in which order, how much memory it takes, and how a stop ends it.

use std::{
    cell::Cell,
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use super::TO_FILES;
use crate::support::{
    daemon::{Daemon, Workplace},
    okta::Okta,
};

/// How much memory the daemon has for itself now, in KiB.
fn own_memory_kib(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many series the page of metrics has.
async fn series(workplace: &Workplace) -> usize {
    let page = workplace.get("/metrics").await.unwrap().1;
    page.lines().filter(|line| line.starts_with("oktabus_")).count()
}

#[tokio::test]
async fn a_burst_is_drained_at_the_rate_of_the_limit_and_memory_stays_flat() {
    // 50 pages, of which half a limit of 120 a minute lets 50 pass in the first window.
    const EVENTS: u64 = 50_000;
    let okta = Okta::start(&["--backlog", "50000", "--rate", "0", "--rate-limit", "120"]).await;
    let org = format!("[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n", okta.url());
    let workplace = Workplace::with_orgs(&(org + TO_FILES));
    let began = Instant::now();
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered >= 5_000).await;
    let early = own_memory_kib(&daemon);
    let late = Cell::new(0);
    workplace
        .route("log/files", |route| {
            late.set(late.get().max(own_memory_kib(&daemon)));
            route.delivered == EVENTS
        })
        .await;
    let late = late.get();
    assert!(began.elapsed() < Duration::from_secs(75), "{:?}", began.elapsed());
    assert_eq!(okta.answered(429).await, 0);
    assert!(late < early + (64 << 10), "{early} KiB, then {late} KiB");
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert!(workplace.uuids("archive") == okta.uuids().await, "something is missing or out of order");
}

#[tokio::test]
async fn a_backlog_that_takes_longer_than_many_polls_has_one_reader_and_keeps_its_order() {
    let okta = Okta::with_backlog(20_000).await;
    // One answer takes longer than two polls.
    okta.arm(json!({"kind": "delay", "milliseconds": 450})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    assert!(workplace.uuids("archive") == okta.uuids().await, "something is missing or out of order");
    // Twenty full pages, and the one that says that there are no more.
    assert_eq!(okta.answered(200).await, 21);
}

#[tokio::test]
async fn a_stop_in_a_backlog_ends_with_the_pages_in_flight() {
    let okta = Okta::with_backlog(60_000).await;
    okta.arm(json!({"kind": "delay", "milliseconds": 100})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered > 0).await;
    let (asked, answered) = (Instant::now(), okta.answered(200).await);
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let after = okta.answered(200).await - answered;
    assert!(after <= 5, "{after} pages were read after the stop");

    okta.disarm().await;
    let kept = workplace.lines("archive").len();
    workplace.catch_up().await;
    assert!(workplace.uuids("archive") == okta.uuids().await, "something is missing or twice");
    assert!(kept < 60_000, "it was stopped too late to show anything");
}

#[tokio::test]
async fn a_body_that_stalls_holds_up_no_stop() {
    let okta = Okta::with_backlog(3_500).await;
    okta.arm(json!({"kind": "stall", "after": 1})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 1_000).await;
    // The second page has begun and does not end; nothing gives up on it before a read timeout of many seconds.
    let asked = Instant::now();
    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    okta.disarm().await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

/// `OKTABUS_PAGES` sets another number of pages.
#[tokio::test]
async fn ten_thousand_pages_cost_neither_memory_nor_series() {
    let pages = std::env::var("OKTABUS_PAGES").map_or(10_000, |pages| pages.parse().unwrap());
    let events: u64 = pages * 2;
    let okta = Okta::with_backlog(events as usize).await;
    let workplace = Workplace::new(&okta, &TO_FILES.replace("start", "page_size = 2\nstart"));
    let daemon = workplace.start(&[]);
    // However many there are: each wait is for progress alone.
    let until = async |delivered_min: u64| {
        let mut delivered = 0;
        while delivered < delivered_min {
            let before = delivered;
            delivered = workplace.route("log/files", |route| route.delivered > before).await.delivered;
        }
        (own_memory_kib(&daemon), series(&workplace).await)
    };
    let early = until(events / 4).await;
    let late = until(events).await;
    println!("{early:?}, then {late:?}");
    assert_eq!(early.1, late.1, "the number of series grows with the pages");
    assert!(late.0 < early.0 + (8 << 10), "{} KiB, then {} KiB", early.0, late.0);
}
