//! Seeds of the simulations: which ones a test run plays, on all cores, and which of them went wrong.

use std::{any::Any, panic::AssertUnwindSafe};

/// Findings after which a thread plays no more seeds.
const FINDINGS_MAX: usize = 5;

/// Plays `count` seeds, or as many as `OKTABUS_SEEDS` says, from `OKTABUS_SEED` on. `play` says what was wrong with one; a
/// panic is wrong too. Panics with all that was found.
pub(crate) fn play_all(count: u64, play: impl Fn(u64) -> Vec<String> + Sync) {
    let from = number("OKTABUS_SEED").unwrap_or(0);
    let count = number("OKTABUS_SEEDS").unwrap_or(count);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<_> = std::thread::scope(|scope| {
        let share = |thread| (from..from + count).skip(thread).step_by(threads);
        let play = &play;
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || play_share(share(thread), play))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Runs one seed on a thread of its own time, with all that is random coming from the seed.
pub(crate) fn in_simulated_time<T>(seed: u64, play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    fastrand::seed(seed);
    runtime.unwrap().block_on(play)
}

fn play_share(seeds: impl Iterator<Item = u64>, play: &impl Fn(u64) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for seed in seeds {
        let wrong = std::panic::catch_unwind(AssertUnwindSafe(|| play(seed)));
        let wrong = wrong.unwrap_or_else(|panic| vec![format!("it panics: {}", message(&*panic))]);
        found.extend(wrong.into_iter().map(|what| format!("seed {seed}: {what}")));
        if found.len() >= FINDINGS_MAX {
            break;
        }
    }
    found
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("with no message")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
