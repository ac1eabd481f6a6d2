use std::{path::Path, time::Duration};

use futures_util::future::join_all;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    clock::SystemClock,
    command::audit::{ChainReport, Verification, closed_audits},
    config::{AuditFileConfig, Retention, Rotate},
    state::{Opening, State, StatePaths},
};

const COMMANDS: &str = "hr";

/// The audit of commands with a state in `directory`, where its file is too.
async fn opened(directory: &Path) -> (AuditLog, Journal, Arc<EngineStatus>) {
    let file = AuditFile::new(directory.join("audit.jsonl"));
    opened_with(directory, file, Arc::new(SystemClock)).await
}

async fn opened_with(
    directory: &Path,
    file: AuditFile,
    clock: Arc<dyn Clock>,
) -> (AuditLog, Journal, Arc<EngineStatus>) {
    let places = StatePaths::within(directory.join("state"));
    let state = State::open(places, Opening::Trusted).await.unwrap();
    let status = Arc::new(EngineStatus::new(COMMANDS));
    let journal = Journal::new(state, Arc::clone(&status));
    let file = Destination::File(Arc::new(Mutex::new(file)));
    let log = AuditLog::open(file, journal.clone(), clock, Arc::clone(&status)).await;
    (log.unwrap(), journal, status)
}

fn begun<'a>(log: &'a AuditLog, id: &'a str, reason: &'a str) -> AuditRecord<'a> {
    AuditRecord { command_id: Some(id), reason: Some(reason), ..log.decision(Decision::Begun) }
}

/// The one chain of the file, which must be whole and lead where the state says.
fn whole(directory: &Path, saved: &SavedChain) -> ChainReport {
    let mut verification = Verification::default();
    verification.expect([(COMMANDS.to_owned(), saved.clone())]);
    let text = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    for (number, line) in (1..).zip(text.lines()) {
        verification.read("audit.jsonl", number, line);
    }
    verification.finish([(COMMANDS.to_owned(), saved.clone())]);
    assert_eq!((verification.flaws(), verification.fragments()), (&[][..], 0), "{text}");
    verification.chains().next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_come_together_share_a_commit_and_the_chain_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (log, journal, status) = opened(directory.path()).await;
    let ids: Vec<_> = (0..100).map(|number| format!("c-{number}")).collect();
    join_all(ids.iter().map(async |id| log.record(&begun(&log, id, "they leave")).await)).await;
    let (commits, saved) = saved_chain(&journal, &status).await.unwrap();
    assert_eq!(whole(directory.path(), &saved).records, 100);
    assert!(commits <= 10, "{commits} commits of 100 records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_more_than_may_be_kept_at_once_are_written_in_parts_that_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (log, journal, status) = opened(directory.path()).await;
    // As JSON, once in the record and once more in the note, it is four times as long.
    let reason = "\"".repeat(1_024);
    let ids: Vec<_> = (0..20).map(|number| format!("c-{number}")).collect();
    join_all(ids.iter().map(async |id| log.record(&begun(&log, id, &reason)).await)).await;
    let (commits, saved) = saved_chain(&journal, &status).await.unwrap();
    assert!(!saved.lines.is_empty(), "the last of them are kept");
    assert_eq!(whole(directory.path(), &saved).records, 20);
    assert!((7..=20).contains(&commits), "{commits} commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_are_dropped_at_any_moment_leave_a_whole_chain_with_all_that_was_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (log, journal, status) = opened(directory.path()).await;
    let mut recorded = Vec::new();
    for round in 0..30_u64 {
        let ids: Vec<_> = (0..8).map(|number| format!("c-{round}-{number}")).collect();
        let patience = |number: u64| Duration::from_micros((round * 97 + number * 331) % 2_500);
        let all = (0..).zip(&ids).map(async |(number, id)| {
            let record = begun(&log, id, "they leave");
            let recording = log.record(&record);
            match number {
                // Somebody has patience.
                0 => {
                    recording.await;
                    true
                }
                _ => tokio::time::timeout(patience(number), recording).await.is_ok(),
            }
        });
        let done = join_all(all).await;
        recorded.extend(ids.into_iter().zip(done).filter_map(|(id, is_done)| is_done.then_some(id)));
    }
    log.record(&begun(&log, "c-last", "to the end")).await;
    let (_, saved) = saved_chain(&journal, &status).await.unwrap();
    whole(directory.path(), &saved);
    let text = std::fs::read_to_string(directory.path().join("audit.jsonl")).unwrap();
    for id in recorded {
        assert!(text.contains(&format!("\"command_id\":\"{id}\"")), "{id} was recorded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anybody_may_send_is_recorded_up_to_a_rate_and_then_summed_up() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _, _) = opened(directory.path()).await;
    let refused = |id| AuditRecord {
        command_id: Some(id),
        error: Some("not_signed"),
        ..log.decision(Decision::Refused)
    };
    for _ in 0..5_000 {
        log.record_unauthenticated(&refused("flood")).await;
    }
    let size = || std::fs::metadata(directory.path().join("audit.jsonl")).unwrap().len();
    assert!(size() < 150 * 500, "{} bytes of 5,000 refusals", size());
    log.record_unauthenticated(&AuditRecord { error: None, ..log.decision(Decision::DeadLetter) }).await;
    // What is vouched for is recorded all the same.
    log.record(&refused("signed")).await;
    Arc::new(log).close().await;
    let text = std::fs::read_to_string(directory.path().join("audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let one_by_one = lines.iter().filter(|line| line["command_id"] == "flood").count() as u64;
    let last = lines.last().unwrap();
    let left_out = &last["left_out"];
    assert_eq!(
        (&last["decision"], &left_out["reasons"]["dead_letter"]),
        (&"left_out".into(), &1.into()),
        "{last}"
    );
    assert_eq!(left_out["reasons"]["not_signed"].as_u64().unwrap() + one_by_one, 5_000);
    assert_eq!(left_out["count"].as_u64().unwrap() + one_by_one, 5_001);
    assert!(left_out["from"].as_str() <= left_out["to"].as_str());
    assert_eq!(lines[lines.len() - 2]["command_id"], "signed");
}

/// A clock that stands still until it is set.
#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_files_go_after_the_audit_has_said_so_and_what_is_left_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let config = AuditFileConfig {
        path: directory.path().join("audit.jsonl"),
        rotate: Some(Rotate { size_bytes: 1 << 20, age: day, compress: None }),
        retention: Some(Retention { age: Some(day * 10), size_bytes: None }),
    };
    let clock = Arc::new(HandClock(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())));
    let (log, journal, status) =
        opened_with(directory.path(), AuditFile::of(&config), Arc::<HandClock>::clone(&clock)).await;
    let ids: Vec<_> = (0..20).map(|number| format!("c-{number}")).collect();
    for id in &ids {
        log.record(&begun(&log, id, "they leave")).await;
        log.remove_old().await;
        *clock.0.lock().unwrap() += SignedDuration::from_hours(24);
    }
    let (_, saved) = saved_chain(&journal, &status).await.unwrap();
    let mut verification = Verification::default();
    verification.expect([(COMMANDS.to_owned(), saved.clone())]);
    let (closed, mut text) = (closed_audits(&config.path).unwrap(), String::new());
    assert_eq!(closed.len(), 10, "{closed:?}");
    for path in closed.iter().chain([&config.path]) {
        text.push_str(&std::fs::read_to_string(path).unwrap());
    }
    for (number, line) in (1..).zip(text.lines()) {
        verification.read("audit", number, line);
    }
    verification.finish([(COMMANDS.to_owned(), saved)]);
    assert_eq!(verification.flaws(), [], "{text}");
    let report = verification.chains().next().unwrap();
    assert!(report.first_sequence > 5 && report.removed_by.is_some(), "{report:?}");
    assert!(text.contains("\"decision\":\"removing\""), "{text}");
    assert!(!text.contains("\"command_id\":\"c-5\"") && text.contains("\"command_id\":\"c-19\""), "{text}");
}
