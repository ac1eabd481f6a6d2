//! The daemon is killed in the middle of runs: each slot runs once, and its batches are the same ones.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::{SETTLE, begin_hours_ago, last_slot, published_before, to_files, uuids_in};
use crate::support::{daemon::Workplace, okta::Okta};

const KILLS: usize = 12;

#[tokio::test]
async fn kills_in_the_middle_of_runs_change_nothing_that_arrives() {
    let okta = Okta::with_backlog(6_000).await;
    let workplace =
        Workplace::new(&okta, &to_files("", "emit = \"batches\", batch_size = 7, in_flight_pages = 1"));
    begin_hours_ago(&workplace).await;
    let slot = last_slot();
    okta.arm(json!({"kind": "delay", "milliseconds": 30})).await;
    let mut random = fastrand::Rng::with_seed(12);
    for _ in 0..KILLS {
        let daemon = workplace.start(&[]);
        tokio::time::sleep(Duration::from_millis(random.u64(100..500))).await;
        daemon.kill().await;
    }
    workplace.catch_up().await;
    let mut batches = BTreeMap::new();
    for line in workplace.lines("found") {
        let batch: serde_json::Value = serde_json::from_str(&line).unwrap();
        let id = (batch["slot"].as_str().unwrap().to_owned(), batch["batch"].as_u64().unwrap());
        assert!(batches.insert(id, batch).is_none(), "a batch came twice into a file");
    }
    let batches: Vec<_> = batches.into_values().collect();
    assert_eq!(uuids_in(&batches), published_before(&okta, slot - SETTLE).await);
    let runs = batches.iter().filter(|batch| batch["last"] == true).count();
    println!("{KILLS} kills: {} batches of {runs} runs, none missing and none twice", batches.len());
}
