//! Each window is read once: what the one before covered does not come again, and late events within `settle` do come.

use serde_json::json;

use super::{MISSED_HOURS, SETTLE, begin_hours_ago, found, last_slot, published_before, to_files};
use crate::support::{daemon::Workplace, okta::Okta};

#[tokio::test]
async fn missed_slots_run_once_each_and_cover_everything_once() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, &to_files("", ""));
    begin_hours_ago(&workplace).await;
    assert!(!workplace.path("found").exists(), "nothing was due yet");
    let slot = last_slot();
    workplace.catch_up().await;
    let expected = published_before(&okta, slot - SETTLE).await;
    assert!(expected.len() > 2_000);
    assert_eq!(workplace.uuids("found"), expected);
    let runs = workplace.log().matches("the search has run").count();
    assert_eq!(runs as i64, MISSED_HOURS);
    // Nothing is due again, over any number of starts.
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("found"), expected);
    assert!(
        std::fs::read_dir(workplace.path("state/searches")).unwrap().next().is_none(),
        "a spool was left"
    );
}

#[tokio::test]
async fn missed_slots_may_run_once_or_not_at_all() {
    let okta = Okta::with_backlog(500).await;
    for (missed, runs) in [("once", 1), ("skip", 0)] {
        let configuration = to_files("", "").replace("\"all\"", &format!("\"{missed}\""));
        let workplace = Workplace::new(&okta, &configuration);
        begin_hours_ago(&workplace).await;
        workplace.catch_up().await;
        assert_eq!(workplace.log().matches("the search has run").count(), runs, "{missed}");
    }
}

#[tokio::test]
async fn a_window_that_is_read_again_brings_only_what_is_new() {
    let okta = Okta::with_backlog(0).await;
    let slot = last_slot();
    let event = |uuid: &str, minutes: i64| {
        let published = slot - jiff::SignedDuration::from_mins(minutes);
        format!(
            "{{\"uuid\":\"{uuid}\",\"published\":\"{published}\",\"eventType\":\"user.session.start\"}}\n"
        )
    };
    // In the last hour, and in the hour before.
    okta.add(&[event("a", 90), event("b", 65), event("c", 30)].concat()).await;
    let workplace = Workplace::new(&okta, &to_files("window_overlap = \"30m\"\nsettle = \"1m\"", ""));
    begin_hours_ago(&workplace).await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("found"), ["a", "b", "c"]);
    // It was published in a window that has been read, and came late.
    okta.add(&event("late", 20)).await;
    let clock = crate::support::clock::Clock::new(&workplace);
    clock.put(3_600);
    let next = workplace.start_with(&["--until-caught-up"], &clock.environment()).ended().await;
    assert!(next.success());
    assert_eq!(workplace.uuids("found"), ["a", "b", "c", "late"]);
}

#[tokio::test]
async fn criteria_order_and_limit_are_okta_s_and_the_window_s() {
    let okta = Okta::with_backlog(3_000).await;
    let keys = "outcomes = [\"FAILURE\", \"DENY\"]\norder = \"descending\"\nlimit = 20\nlook_back = \"6d\"\nmissed = \"once\"";
    let configuration =
        to_files(keys, "").replace("start = \"-6d\"\n", "").replacen("missed = \"all\"\n", "", 1);
    let workplace = Workplace::new(&okta, &configuration);
    begin_hours_ago(&workplace).await;
    workplace.catch_up().await;
    let found = found(&workplace);
    assert_eq!(found.len(), 20);
    for event in &found {
        assert!(matches!(event["outcome"]["result"].as_str(), Some("FAILURE" | "DENY")), "{event}");
    }
    assert!(found.is_sorted_by(|a, b| a["published"].as_str() >= b["published"].as_str()));
}

#[tokio::test]
async fn queries_that_take_too_long_are_asked_again_for_less() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, &to_files("", ""));
    begin_hours_ago(&workplace).await;
    let slot = last_slot();
    let timeout = json!({"kind": "status", "status": 500, "error_code": "E0000009", "count": 3, "after": 1});
    okta.arm(timeout).await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("found"), published_before(&okta, slot - SETTLE).await);
    let recent = okta.recent().await;
    assert!(recent.iter().any(|request| request["query"].as_str().unwrap().contains("limit=125&")));
}
