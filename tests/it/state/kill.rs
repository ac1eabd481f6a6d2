//! The process is killed inside commits, again and again: what it had acknowledged is there, whole, and is built upon.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{advance, entry, link_at, open};

const KILLS: usize = 200;
const ROUTES: [&str; 3] = ["log/a", "log/b", "log/c"];
/// Set in the process that commits and is killed: where its state is.
const STATE: &str = "OKTABUS_TEST_COMMITTER_STATE";

#[tokio::test]
async fn kills_inside_commits_lose_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(200);
    let mut acknowledged = [0; ROUTES.len()];
    let mut in_doubt = 0;
    for _ in 0..KILLS {
        let mut committer = start(directory.path());
        let mut said = BufReader::new(committer.stdout.take().unwrap()).lines();
        let is_commit = |line: &String| line.starts_with("committed ");
        let first = said.by_ref().map(Result::unwrap).find(is_commit).expect("a first commit");
        // Not a wait for something to happen: any moment must be as good as any other.
        tokio::time::sleep(Duration::from_micros(random.u64(0..20_000))).await;
        committer.kill().unwrap();
        committer.wait().unwrap();
        let rest = said.map_while(Result::ok).filter(is_commit);
        for line in std::iter::once(first).chain(rest) {
            note(&line, &mut acknowledged);
        }

        let state = open(directory.path()).await;
        for (route, acknowledged) in ROUTES.iter().zip(&mut acknowledged) {
            let stored = state.load(route).await.unwrap();
            let generation = stored.as_ref().map_or(0, |stored| stored.generation);
            assert!(generation >= *acknowledged, "{route} is at {generation} and was at {acknowledged}");
            assert!(generation <= *acknowledged + 1, "{route} is ahead of itself");
            assert!(stored.is_none_or(|stored| stored.cursor.link == link_at(generation)));
            in_doubt += generation - *acknowledged;
            *acknowledged = generation;
        }
        for number in 1..=acknowledged[0] {
            if number > acknowledged[0].saturating_sub(5) {
                assert!(
                    state
                        .entry(&format!("command-{number}"))
                        .await
                        .unwrap()
                        .is_some_and(|stored| stored.generation == 1)
                );
            }
        }
        // Most of the time the next committer finds what the kill has left.
        if random.u8(0..4) == 0 {
            state.close().await.unwrap();
        }
    }
    let commits: u64 = acknowledged.iter().sum();
    println!("kills: {KILLS}, commits: {commits}, lost: 0, on the disk though not acknowledged: {in_doubt}");
    assert!(commits > KILLS as u64 * 3, "the kills came too early to show anything");
}

/// Not a test of anything: the process that [`start`] runs and kills.
#[tokio::test(flavor = "multi_thread")]
async fn committer() {
    let Ok(directory) = std::env::var(STATE) else { return };
    let state = open(Path::new(&directory)).await;
    let mut routes = tokio::task::JoinSet::new();
    for route in ROUTES {
        let state = state.clone();
        routes.spawn(async move {
            let mut generation = state.load(route).await.unwrap().map_or(0, |stored| stored.generation);
            loop {
                if route == ROUTES[0] {
                    // The command is durable before the cursor, as an outcome is before its acknowledgement.
                    let id = format!("command-{}", generation + 1);
                    let _ = state.record(&id, 0, entry("\"done\"")).await;
                }
                generation = advance(&state, route, generation).await;
                writeln!(std::io::stdout(), "committed {route} {generation}").unwrap();
            }
        });
    }
    routes.join_next().await;
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "state::kill::committer", "--nocapture"])
        .env(STATE, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn note(line: &str, acknowledged: &mut [u64]) {
    let mut words = line.split(' ').skip(1);
    let (Some(route), Some(Ok(generation))) = (words.next(), words.next().map(str::parse)) else { return };
    let index = ROUTES.iter().position(|name| *name == route).unwrap();
    acknowledged[index] = generation;
}
