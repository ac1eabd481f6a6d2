//! A replay beside a live stream, and without a daemon.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{live, replayed, uuids};
use crate::support::{
    daemon::{TO_FILES, Workplace, uuid},
    okta::Okta,
};

#[tokio::test]
async fn everything_in_the_window_arrives_beside_a_live_stream_that_does_not_suffer() {
    let okta = Okta::start(&["--backlog", "50000", "--rate", "20", "--rate-limit", "1000000"]).await;
    let until = okta.started().await;
    let since = until - SignedDuration::from_hours(24 * 5);
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered > 0).await;

    let (from, to) = (since.to_string(), until.to_string());
    let arguments = ["replay", "--route", "log/files", "--from", &from, "--to", &to];
    let said = workplace.oktabus(&arguments).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("control.sock"), "the daemon did not do it: {said:?}");
    assert!(said.stderr.contains(" begins, in 8 slices"), "{said:?}");
    workplace.route("log/files", |route| route.delivered > 50_000 && route.phase == "at_tail").await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());

    let expected = okta.published(since, until).await;
    assert!(expected.len() > 30_000 && expected.len() < 50_000, "{}", expected.len());
    let (again, first) = (replayed(&workplace), live(&workplace));
    assert_eq!(uuids(&again), expected);
    assert!(said.stdout.contains(&format!("{} events delivered", expected.len())), "{said:?}");
    let first_by_uuid: BTreeMap<_, _> = first.iter().map(|line| (uuid(line), line)).collect();
    assert_eq!(first_by_uuid.len(), first.len(), "the live route delivered something twice");
    assert!(again.iter().all(|line| first_by_uuid[&uuid(line)] == line), "the bytes differ");
    let all = okta.uuids().await;
    assert!(
        first_by_uuid.len() > 50_000
            && all[..first.len()].iter().all(|uuid| first_by_uuid.contains_key(uuid))
    );
}

#[tokio::test]
async fn without_a_daemon_the_command_does_it_and_a_finished_replay_begins_anew() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let filter = r#"eventType sw "user.""#;
    let arguments = ["replay", "--route", "log/files", "--from", "-7d", "--slices", "3", "--filter", filter];
    for _ in 0..2 {
        let said = workplace.oktabus(&arguments).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stderr.contains(" begins, in 3 slices"), "{said:?}");
    }
    let lines = replayed(&workplace);
    let is_wanted = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["eventType"].as_str().unwrap().starts_with("user.")
    };
    let wanted: Vec<_> = okta.events().await.into_iter().filter(is_wanted).collect();
    assert!(wanted.len() > 100);
    let expected: Vec<_> = uuids(&wanted).into_iter().flat_map(|uuid| [uuid.clone(), uuid]).collect();
    assert_eq!(uuids(&lines), expected);
}

#[tokio::test]
async fn pages_that_okta_cannot_make_in_time_are_asked_for_in_halves() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let timeout = serde_json::json!(
        {"kind": "status", "status": 500, "error_code": "E0000009", "after": 2, "count": 2}
    );
    okta.arm(timeout).await;
    let said = workplace.oktabus(&["replay", "--route", "log/files", "--from", "-7d", "--slices", "1"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(uuids(&replayed(&workplace)), uuids(&okta.events().await));
    let limits = okta.recent().await.iter().map(ToString::to_string).collect::<String>();
    assert!(limits.contains("limit=250"), "{limits}");
}
