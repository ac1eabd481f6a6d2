//! Whatever Okta's side does, nothing is lost, nothing spins and no token leaks.

use serde_json::{Value, json};

use super::TO_FILES;
use crate::support::{
    daemon::Workplace,
    okta::{Okta, leaks_token},
};

/// Impatient enough for a test.
const QUICK: &str = "http = { read_timeout = \"1s\", total_timeout = \"5s\", body_max = \"8 MiB\" }\n";

fn workplace(okta: &Okta) -> Workplace {
    Workplace::new(okta, &(QUICK.to_owned() + TO_FILES))
}

/// Runs a daemon that meets `fault` on its second request, and sees that every event arrives once all the same.
async fn survives(fault: Value) -> (Okta, Workplace) {
    let okta = Okta::with_backlog(3_500).await;
    let mut fault = fault;
    fault["after"] = json!(1);
    okta.arm(fault.clone()).await;
    let workplace = workplace(&okta);
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await, "{fault}");
    assert!(!leaks_token(&workplace.path("log")), "{fault}");
    (okta, workplace)
}

#[tokio::test]
async fn answers_that_are_no_pages_are_asked_for_again() {
    for fault in [
        json!({"kind": "cut_body", "count": 1}),
        json!({"kind": "drop_connection", "count": 1}),
        json!({"kind": "not_json", "count": 1}),
        json!({"kind": "stall", "count": 1}),
    ] {
        survives(fault).await;
    }
}

#[tokio::test]
async fn server_errors_are_waited_out() {
    for status in [500, 503] {
        let (okta, _) = survives(json!({"kind": "status", "status": status, "count": 2})).await;
        assert_eq!(okta.answered(status).await, 2);
    }
}

#[tokio::test]
async fn a_429_is_obeyed_until_its_reset() {
    let (okta, _) = survives(json!({"kind": "rate_limited", "seconds": 2, "count": 1})).await;
    assert_eq!(okta.answered(429).await, 1);
}

#[tokio::test]
async fn a_429_that_does_not_say_until_when_is_survived() {
    for headers in ["absent", "concurrency"] {
        survives(json!({"kind": "rate_limited", "headers": headers, "count": 1})).await;
    }
    survives(json!({"kind": "rate_limited", "seconds": -30, "count": 1})).await;
}

#[tokio::test]
async fn a_wrong_clock_does_no_harm() {
    for seconds in [-7_200, 7_200] {
        survives(json!({"kind": "clock_skew", "seconds": seconds})).await;
    }
}

#[tokio::test]
async fn a_refused_link_costs_neither_loss_nor_duplicate() {
    survives(json!({"kind": "refuse_cursor", "count": 1})).await;
}

#[tokio::test]
async fn a_possible_gap_is_seen_in_log_status_and_metrics() {
    let okta = Okta::with_backlog(2_500).await;
    okta.arm(json!({"kind": "refuse_cursor", "count": 1})).await;
    let workplace = workplace(&okta);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.possible_gaps == 1 && route.delivered == 2_500).await;
    let (_, metrics) = workplace.get("/metrics").await.unwrap();
    assert!(metrics.contains("oktabus_possible_gaps_total{route=\"log/files\"} 1"), "{metrics}");
    assert!(workplace.log().contains("POSSIBLE GAP"));
}

#[tokio::test]
async fn empty_pages_before_the_end_are_not_the_end() {
    survives(json!({"kind": "empty_pages", "count": 2})).await;
}

#[tokio::test]
async fn odd_events_are_delivered_like_any_other() {
    for oddity in ["no_uuid", "number_uuid", "string_actor"] {
        let okta = Okta::with_backlog(1_500).await;
        okta.arm(json!({"kind": "odd_event", "oddity": oddity, "count": 1})).await;
        let workplace = workplace(&okta);
        workplace.catch_up().await;
        let odd = workplace.lines("archive").iter().filter(|line| line.contains("odd.event")).count();
        assert_eq!(odd, 1, "{oddity}");
        assert_eq!(workplace.lines("archive").len(), 1_501, "{oddity}");
    }
}

#[tokio::test]
async fn a_link_to_another_host_is_never_followed() {
    let okta = Okta::with_backlog(2_500).await;
    okta.arm(json!({"kind": "foreign_next", "host": "evil.example"})).await;
    let workplace = workplace(&okta);
    let daemon = workplace.start(&[]);
    let route = workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    let trouble = route.okta_trouble.unwrap();
    assert!(trouble.contains("evil.example") && trouble.contains("not followed"), "{trouble}");
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200);
    okta.disarm().await;
    workplace.route("log/files", |route| route.delivered == 2_500).await;
    drop(daemon);
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn a_huge_answer_is_given_up_with_what_to_do() {
    let okta = Okta::with_backlog(1_500).await;
    okta.arm(json!({"kind": "huge_body", "mebibytes": 64})).await;
    let workplace = workplace(&okta);
    let _daemon = workplace.start(&[]);
    // On a busy machine the first attempts may run into a timeout instead.
    let told = |trouble: &String| trouble.contains("body_max");
    workplace.route("log/files", |route| route.okta_trouble.as_ref().is_some_and(told)).await;
    okta.disarm().await;
    workplace.route("log/files", |route| route.delivered == 1_500).await;
}

#[tokio::test]
async fn a_new_token_in_the_file_is_picked_up_and_the_cursor_is_kept() {
    let okta = Okta::with_backlog(1_500).await;
    let workplace = workplace(&okta);
    workplace.write_token("00wrong");
    let _daemon = workplace.start(&[]);
    let route = workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    let trouble = route.okta_trouble.unwrap();
    assert!(trouble.contains("401 E0000011") && trouble.contains("30 days"), "{trouble}");
    workplace.write_token(crate::support::okta::TOKEN);
    workplace.route("log/files", |route| route.delivered == 1_500).await;
}

#[tokio::test]
async fn errors_that_need_somebody_are_told_and_do_not_spin() {
    for (status, remedy) in [(403, "administrator role"), (404, "domain"), (400, "filter")] {
        let okta = Okta::with_backlog(1_500).await;
        okta.arm(json!({"kind": "status", "status": status})).await;
        let workplace = workplace(&okta);
        let _daemon = workplace.start(&[]);
        let route = workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
        let trouble = route.okta_trouble.unwrap();
        assert!(trouble.contains(remedy), "{status}: {trouble}");
        assert!(okta.answered(status).await <= 2, "{status}");
        okta.disarm().await;
        workplace.route("log/files", |route| route.delivered == 1_500).await;
        assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    }
}
