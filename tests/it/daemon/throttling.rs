//! Requests to Okta: none before the reset that a 429 names, none more than the polls at the tail, and no org waits for
//! the limit of another.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta};

/// When a request of `/-/requests/recent` was made.
fn at(request: &Value) -> Timestamp {
    request["at"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn nothing_is_asked_before_the_reset_that_a_429_names() {
    const RESET_S: i64 = 30;
    let okta = Okta::with_backlog(3_500).await;
    okta.arm(json!({"kind": "rate_limited", "seconds": RESET_S, "count": 1, "after": 1})).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);

    let recent = okta.recent().await;
    let refused = recent.iter().position(|request| request["status"] == 429).unwrap();
    assert_eq!(recent.iter().filter(|request| request["status"] == 429).count(), 1);
    // The reset is told in whole seconds.
    let waited = at(&recent[refused + 1]).duration_since(at(&recent[refused])).as_secs();
    assert!((RESET_S - 1..RESET_S + 15).contains(&waited), "asked again after {waited} s");
}

/// How many requests an idle stream makes in the time of five polls.
async fn idle_requests(okta: &Okta) -> u64 {
    let before = okta.answered(200).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    okta.answered(200).await - before
}

#[tokio::test]
async fn an_idle_stream_costs_one_request_a_poll_whether_pages_are_short_or_empty() {
    let okta = Okta::with_backlog(1_500).await;
    let workplace = Workplace::new(&okta, &TO_FILES.replace("200ms", "1s"));
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 1_500 && route.phase == "at_tail").await;
    let polls = idle_requests(&okta).await;
    assert!((3..=6).contains(&polls), "{polls} requests in five polls");

    // Each of these pages is empty and leads on by a link of its own.
    okta.arm(json!({"kind": "empty_pages"})).await;
    okta.add(r#"[{"uuid":"behind-empty-pages"}]"#).await;
    let polls = idle_requests(&okta).await;
    assert!((3..=6).contains(&polls), "{polls} requests in five polls of empty pages");
    okta.disarm().await;
    workplace.route("log/files", |route| route.delivered == 1_501).await;
}

#[tokio::test]
async fn an_org_that_is_throttled_delays_no_other_and_is_counted_apart() {
    let (good, throttled) = (Okta::with_backlog(500).await, Okta::with_backlog(2_500).await);
    throttled.arm(json!({"kind": "rate_limited", "seconds": 3_000})).await;
    let org = |name: &str, okta: &Okta| {
        format!(
            "[orgs.{name}]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n\
             [streams.{name}]\norg = \"{name}\"\nstart = \"-90d\"\npoll_interval = \"200ms\"\n\
             routes = [{{ sink = \"{name}\" }}]\n\
             [sinks.{name}]\nkind = \"file\"\ndirectory = \"{{dir}}/{name}\"\n",
            okta.url()
        )
    };
    let workplace = Workplace::with_orgs(&(org("good", &good) + &org("throttled", &throttled)));
    let _daemon = workplace.start(&[]);
    workplace.route("throttled/throttled", |route| route.okta_trouble.is_some()).await;
    workplace.route("good/good", |route| route.delivered == 500 && route.phase == "at_tail").await;
    let added = Instant::now();
    good.add(r#"[{"uuid":"meanwhile"}]"#).await;
    workplace.route("good/good", |route| route.delivered == 501).await;
    assert!(added.elapsed() < Duration::from_secs(10), "{:?}", added.elapsed());
    assert_eq!(throttled.answered(429).await, 1, "it is not asked before its reset");

    let requests = async |org: &str, status: &str| {
        let series = format!("oktabus_okta_requests_total{{org=\"{org}\",status=\"{status}\"}}");
        workplace.metric(&series).await.unwrap()
    };
    assert_eq!(requests("throttled", "429").await, 1.0);
    assert_eq!((requests("good", "429").await, requests("throttled", "200").await), (0.0, 0.0));
    assert!(requests("good", "200").await >= 2.0);
    let (status, reasons) = workplace.get("/readyz").await.unwrap();
    assert!(status == 503 && !reasons.contains("good/good"), "{reasons}");
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn the_metrics_tell_how_far_behind_how_old_and_how_much_is_left() {
    let okta = Okta::start(&["--backlog", "1500", "--rate", "0", "--rate-limit", "6000"]).await;
    // What follows a refused link has been delivered before.
    okta.arm(json!({"kind": "refuse_cursor", "after": 1, "count": 1})).await;
    let nobody = crate::support::tools::free_port();
    let config = TO_FILES.replace("[{ sink = \"files\" }]", "[{ sink = \"files\" }, { sink = \"nobody\" }]")
        + &format!(
            "[sinks.nobody]\nkind = \"nats\"\nstream = \"OKTA\"\n\
             [buses.nats]\nkind = \"nats\"\nservers = [\"nats://127.0.0.1:{nobody}\"]\n"
        );
    let workplace = Workplace::new(&okta, &config);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 1_500 && route.possible_gaps == 1).await;
    let metric = async |series: &str| workplace.metric(series).await.unwrap_or_else(|| panic!("no {series}"));
    crate::support::tools::eventually("the cursor to be a second old", async || {
        let age = metric(r#"oktabus_cursor_age_seconds{route="log/files"}"#).await;
        (age >= 1.0).then_some(())
    })
    .await;
    // It has proved nothing of events that are days old.
    let behind = metric(r#"oktabus_route_lag_seconds{route="log/nobody"}"#).await;
    assert!(behind > 86_400.0, "{behind}");
    assert!(metric(r#"oktabus_route_lag_seconds{route="log/files"}"#).await < 60.0);
    assert_eq!(metric(r#"oktabus_route_in_trouble{route="log/nobody"}"#).await, 1.0);
    assert_eq!(metric(r#"oktabus_rate_limit_limit{org="acme",bucket="logs"}"#).await, 6_000.0);
    let (left, used) = (
        metric(r#"oktabus_rate_limit_remaining{org="acme",bucket="logs"}"#).await,
        metric(r#"oktabus_rate_limit_used{org="acme",bucket="logs"}"#).await,
    );
    assert!(left < 6_000.0 && left > 5_000.0 && used >= 3.0, "{left} left, {used} used");
    assert_eq!(metric(r#"oktabus_dead_letters_total{route="log/files"}"#).await, 0.0);
    assert!(metric(r#"oktabus_overlap_duplicates_dropped_total{route="log/files"}"#).await > 0.0);
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200);
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
}
