//! The rate budget against an org with a second consumer: how much of the bucket is ours, how many 429s there are, and
//! that nothing is lost.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta};

/// Okta's own limit for the System Log, of which half is ours.
const LIMIT: u64 = 120;
const ALLOWED: u64 = 60;
/// Whole windows that are looked at.
const WINDOWS: usize = 2;

/// What one window saw of us.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    answered: u64,
    refused: u64,
    /// Answered in the first ten seconds.
    early: u64,
}

/// What an org saw of a daemon with a backlog that lasts, beside a second consumer, in whole windows.
async fn run(name: &str, consumer: Value) -> Vec<Counted> {
    let limit = LIMIT.to_string();
    let okta = Okta::start(&["--backlog", "6000", "--rate", "0", "--rate-limit", &limit]).await;
    let started: Timestamp = okta.page("/-/health").await["started"].as_str().unwrap().parse().unwrap();
    okta.consume(&consumer).await;
    // Small pages, so that there is always more to ask for.
    let org = format!("[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n", okta.url());
    let streams = TO_FILES.replace("poll_interval", "page_size = 10\npoll_interval");
    let workplace = Workplace::with_orgs(&(org + &streams));
    let daemon = workplace.start(&[]);

    let over = started + SignedDuration::from_secs(60 * WINDOWS as i64);
    while Timestamp::now() < over {
        let left = over.duration_since(Timestamp::now()).unsigned_abs();
        tokio::time::sleep(left).await;
    }
    let recent = okta.recent().await;
    let fared = okta.page("/-/consumer").await;
    daemon.kill().await;
    let arrived = workplace.uuids("archive");
    let all = okta.uuids().await;
    assert!(!arrived.is_empty() && all.starts_with(&arrived), "{name}: something is missing or out of order");

    let mut windows = vec![Counted::default(); WINDOWS];
    for request in recent.iter().filter(|request| request["path"] == "/api/v1/logs") {
        let at: Timestamp = request["at"].as_str().unwrap().parse().unwrap();
        let since_ms = at.duration_since(started).as_millis();
        let Some(window) = windows.get_mut(usize::try_from(since_ms / 60_000).unwrap()) else { continue };
        match request["status"].as_u64().unwrap() {
            200 => {
                window.answered += 1;
                window.early += u64::from(since_ms % 60_000 < 10_000);
            }
            429 => window.refused += 1,
            other => panic!("{name}: {other}"),
        }
    }
    println!("{name}: {windows:?}, the other: {fared}");
    windows
}

#[tokio::test]
async fn a_second_consumer_is_lived_with() {
    let consumer =
        |requests: u64, pattern: &str| json!({"requests_per_minute": requests, "pattern": pattern});
    let (alone, modest, busy, hostile, bursting) = tokio::join!(
        run("alone", consumer(0, "steady")),
        run("30 a minute beside us", consumer(30, "steady")),
        run("100 a minute beside us", consumer(100, "steady")),
        run("600 a minute beside us", consumer(600, "steady")),
        run("110 at once beside us", consumer(110, "burst")),
    );
    println!(
        "| second consumer | ours in a window, of {ALLOWED} | share of {LIMIT} | 429s in a window |\n|---|---|---|---|"
    );
    for (name, windows) in [
        ("nobody", &alone),
        ("30 a minute", &modest),
        ("100 a minute", &busy),
        ("600 a minute", &hostile),
        ("110 at the window's beginning", &bursting),
    ] {
        let ours: Vec<_> = windows.iter().map(|window| window.answered.to_string()).collect();
        let share: Vec<_> =
            windows.iter().map(|window| format!("{} %", window.answered * 100 / LIMIT)).collect();
        let refused: Vec<_> = windows.iter().map(|window| window.refused.to_string()).collect();
        println!("| {name} | {} | {} | {} |", ours.join(", "), share.join(", "), refused.join(", "));
    }

    for windows in [&alone, &modest, &busy, &hostile, &bursting] {
        assert!(windows.iter().all(|window| window.answered <= ALLOWED), "{windows:?}");
        assert!(windows.iter().all(|window| window.refused <= 2), "{windows:?}");
    }
    assert!(alone.iter().chain(&modest).all(|window| window.refused == 0), "{alone:?} {modest:?}");
    assert!(alone.iter().all(|window| window.answered >= 54), "the share is not used: {alone:?}");
    assert!(alone[1].early <= 26, "it is not spread: {alone:?}");
    assert!(modest[1].answered >= 50, "there was room: {modest:?}");
    assert!(busy[1].answered <= 30, "the other was not yielded to: {busy:?}");
    assert!(hostile[1].answered <= 20 && hostile[1].answered >= 1, "{hostile:?}");
}
