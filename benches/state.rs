//! The state under a long life: the time of one durable commit, and how large the store grows over ten million events
//! and a million small commands, of which the last 20,000 are remembered. `benches/commands.rs` shows what real ones take.
//!
//! `cargo bench --bench state -- [commit] [events] [commands]`; all of them without arguments. Nothing is judged here but
//! the bound that the documentation promises for the size.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use oktabus::state::{Cursor, Entry, Opening, RecentIds, State, StatePaths};
use tokio::task::JoinSet;

const COMMITS: u64 = 5_000;
const PAGE: u64 = 1_000;
const EVENTS: u64 = 10_000_000;
const COMMANDS: u64 = 1_000_000;
/// Commands that are at work at the same time.
const AT_WORK: u64 = 64;
/// How many commands are remembered while they go by, by their age.
const REMEMBERED: i64 = 20_000;
/// What the documentation promises for events; such commands stay below it too.
const BOUND_BYTES: u64 = 64 << 20;

#[tokio::main]
async fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if is_wanted("commit") {
        commits(&directory.path().join("commit")).await;
    }
    if is_wanted("events") {
        events(&directory.path().join("events")).await;
    }
    if is_wanted("commands") {
        commands(&directory.path().join("commands")).await;
    }
}

async fn open(directory: &Path) -> State {
    State::open(StatePaths::within(directory.to_owned()), Opening::Trusted).await.unwrap()
}

/// One commit after the other, each with a page of events.
async fn commits(directory: &Path) {
    let state = open(directory).await;
    let mut took = Vec::new();
    let mut cursor = beginning();
    for generation in 0..COMMITS {
        cursor = after_a_page(cursor, generation);
        let started = Instant::now();
        state.advance("log/siem", generation, Arc::new(cursor.clone())).await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    say(&format!(
        "commit: {COMMITS} of a page of {PAGE} events: median {:?}, 99 % {:?}, worst {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    ));
}

async fn events(directory: &Path) {
    let state = open(directory).await;
    let (mut cursor, mut largest) = (beginning(), 0);
    let started = Instant::now();
    for generation in 0..EVENTS / PAGE {
        cursor = after_a_page(cursor, generation);
        state.advance("log/siem", generation, Arc::new(cursor.clone())).await.unwrap();
        if generation % 100 == 0 {
            largest = largest.max(size_bytes(directory));
        }
    }
    report("events", EVENTS, started.elapsed(), largest, directory);
}

/// Each command is received, started and done; what is old is forgotten, as the daemon does it.
async fn commands(directory: &Path) {
    let state = open(directory).await;
    let mut largest = 0;
    let started = Instant::now();
    let mut begun = 0;
    while begun < COMMANDS {
        let mut at_work = JoinSet::new();
        for number in begun..begun + AT_WORK {
            let state = state.clone();
            at_work.spawn(async move {
                let id = format!("1f0e6d5a-7c1b-4a53-9d52-{number:012}");
                for generation in 0..3 {
                    let content = format!(
                        "{{\"action\":\"user.deactivate\",\"step\":{generation},\"user\":\"00u{number:017}\",\"digest\":\"{number:064x}\"}}"
                    );
                    let entry = Entry { received_at: second(number), content };
                    state.record(&id, generation, entry).await.unwrap();
                }
            });
        }
        while at_work.join_next().await.is_some() {}
        begun += AT_WORK;
        let before = second(begun) - SignedDuration::from_secs(REMEMBERED);
        let mut after = None;
        loop {
            after = state.forget(before, after, |_| true).await.unwrap();
            if after.is_none() {
                break;
            }
        }
        if begun % (AT_WORK * 100) == 0 {
            largest = largest.max(size_bytes(directory));
        }
    }
    report("commands", COMMANDS, started.elapsed(), largest, directory);
}

fn report(what: &str, count: u64, took: Duration, largest: u64, directory: &Path) {
    let (largest, last) = (largest.max(size_bytes(directory)), size_bytes(directory));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    say(&format!(
        "{what}: {count} in {:.0} s: the state has {:.1} MiB, {:.1} MiB at most",
        took.as_secs_f64(),
        mib(last),
        mib(largest)
    ));
    assert!(largest < BOUND_BYTES, "the state grows beyond what is promised");
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

fn second(number: u64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + i64::try_from(number).unwrap()).unwrap()
}

fn beginning() -> Cursor {
    Cursor {
        link: String::new(),
        question: "https://acme.okta.com".to_owned(),
        published_max: None,
        advanced_at: Timestamp::UNIX_EPOCH,
        delivered: 0,
        mark: None,
        of_bus: None,
        left_behind: Vec::new(),
        recent: RecentIds::default(),
    }
}

fn after_a_page(mut cursor: Cursor, page: u64) -> Cursor {
    for event in 0..PAGE {
        cursor.recent.remember(&format!("{:032x}", page * PAGE + event));
    }
    cursor.link = format!(
        "https://acme.okta.com/api/v1/logs?since=2026-11-01T00%3A00%3A00.000Z&limit=1000&after={page}_1"
    );
    cursor.delivered += PAGE;
    cursor
}

fn size_bytes(directory: &Path) -> u64 {
    let mut size = 0;
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        // Files of sled may go while they are counted.
        for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => size += metadata.len(),
                Err(_) => {}
            }
        }
    }
    size
}
