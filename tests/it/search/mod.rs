//! Scheduled searches by the real daemon: which windows are read, what goes out, and that kills change neither.

mod batches;
mod command;
mod kill;
mod sharing;
mod windows;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::support::{clock::Clock, daemon::Workplace, okta::Okta};

/// Slots in the past that have been missed.
const MISSED_HOURS: i64 = 5;

/// A configuration with a search `s` into files; `keys` are more of the search's, `route` more of its route's.
fn to_files(keys: &str, route: &str) -> String {
    format!(
        r#"
[searches.s]
org = "acme"
schedule = "{schedule}"
missed = "all"
start = "-6d"
{keys}
routes = [{{ sink = "files", {route} }}]

[sinks.files]
kind = "file"
directory = "{{dir}}/found"
"#,
        schedule = schedule()
    )
}

/// Lets the daemon start for the first time some hours ago: what comes now is slots that it has missed.
async fn begin_hours_ago(workplace: &Workplace) {
    let clock = Clock::new(workplace);
    clock.put(-MISSED_HOURS * 3_600);
    let began = workplace.start_with(&["--until-caught-up"], &clock.environment()).ended().await;
    assert!(began.success(), "{}", workplace.log());
}

/// Hourly, and half an hour away from now, so that no slot comes while a test runs.
fn schedule() -> String {
    format!("hourly at :{:02}", last_slot().as_second() / 60 % 60)
}

/// The last slot of that schedule.
fn last_slot() -> Timestamp {
    static SLOT: LazyLock<Timestamp> = LazyLock::new(|| {
        let seconds = Timestamp::now().as_second() - 1_800;
        Timestamp::from_second(seconds - seconds % 60).unwrap()
    });
    *SLOT
}

/// The uuids of the events that the org has with `published` before `until`, in the order of `published`.
async fn published_before(okta: &Okta, until: Timestamp) -> Vec<String> {
    let mut events = BTreeMap::new();
    for (event, index) in okta.events().await.iter().zip(0_u32..) {
        let event: Value = serde_json::from_str(event).unwrap();
        let published: Timestamp = event["published"].as_str().unwrap().parse().unwrap();
        if published < until {
            events.insert((published, index), event["uuid"].as_str().unwrap().to_owned());
        }
    }
    events.into_values().collect()
}

/// The messages in the folder `found`.
fn found(workplace: &Workplace) -> Vec<Value> {
    workplace.lines("found").iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The uuids of the events in batches, in order.
fn uuids_in(batches: &[Value]) -> Vec<String> {
    let events = batches.iter().flat_map(|batch| batch["events"].as_array().unwrap());
    events.map(|event| event["uuid"].as_str().unwrap().to_owned()).collect()
}

/// How long events may take to appear, unless a search says otherwise.
const SETTLE: Duration = Duration::from_secs(120);
