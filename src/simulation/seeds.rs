//! Seeds of the simulations: how many a test run plays, on all cores; which of them went wrong; what happened in them.

use std::{
    any::Any,
    fmt::Write as _,
    fs,
    io::Write as _,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use super::happened::{Happened, take_happened};

/// Findings after which a thread plays no more seeds.
const FINDINGS_MAX: usize = 5;

/// The loops that are simulated. Each has its share of the seeds that are played in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Simulation {
    /// The reader of a stream.
    Reader,
    /// A route that delivers at least once.
    Route,
    /// A route that delivers exactly once, in one daemon or two.
    ExactlyOnce,
    /// The routes of a search.
    Search,
    /// A replay.
    Replay,
    /// The engine of commands.
    Engine,
    /// The writer of files.
    Files,
}

impl Simulation {
    const ALL: [Self; 7] =
        [Self::Reader, Self::Route, Self::ExactlyOnce, Self::Search, Self::Replay, Self::Engine, Self::Files];

    fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Route => "route",
            Self::ExactlyOnce => "exactly once",
            Self::Search => "search",
            Self::Replay => "replay",
            Self::Engine => "engine of commands",
            Self::Files => "files",
        }
    }

    /// The seeds of each test run.
    fn seeds_by_default(self) -> u64 {
        match self {
            Self::Reader => 40,
            Self::Route => 470,
            Self::ExactlyOnce => 130,
            Self::Search => 40,
            Self::Replay => 60,
            Self::Engine => 220,
            Self::Files => 200,
        }
    }

    /// As many as `OKTABUS_SEEDS` says, or the share of this one of `OKTABUS_SEEDS_IN_ALL`.
    fn seeds(self) -> u64 {
        if let Some(seeds) = number("OKTABUS_SEEDS") {
            return seeds;
        }
        let Some(in_all) = number("OKTABUS_SEEDS_IN_ALL") else { return self.seeds_by_default() };
        let by_default: u64 = Self::ALL.into_iter().map(Self::seeds_by_default).sum();
        (in_all * self.seeds_by_default()).div_ceil(by_default)
    }
}

/// Plays the seeds of a simulation, from `OKTABUS_SEED` on. `play` says what was wrong with one; a panic is wrong too. Panics
/// with all that was found, and if what must happen in some of the seeds never did: such a simulation proves nothing.
pub(crate) fn play_all(simulation: Simulation, sometimes: &[&str], play: impl Fn(u64) -> Vec<String> + Sync) {
    let begun_at = Instant::now();
    let from = number("OKTABUS_SEED").unwrap_or(0);
    let (next, end) = (AtomicU64::new(from), from + simulation.seeds());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut found, mut happened) = (Vec::new(), Happened::new());
    std::thread::scope(|scope| {
        let share =
            || play_some(simulation, || Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < end), &play);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        for thread in running {
            let (wrong, of_thread) = thread.join().unwrap();
            found.extend(wrong);
            of_thread.into_iter().for_each(|(what, count)| *happened.entry(what).or_default() += count);
        }
    });
    report(simulation, end - from, begun_at, &happened);
    assert!(found.is_empty(), "{}", found.join("\n"));
    if end - from >= simulation.seeds_by_default() {
        let never: Vec<_> = sometimes.iter().filter(|what| !happened.contains_key(**what)).collect();
        assert!(never.is_empty(), "this never happened: {never:?}; this did: {happened:?}");
    }
}

/// Runs one seed on a thread of its own time, with all that is random coming from the seed.
pub(crate) fn in_simulated_time<T>(seed: u64, play: impl Future<Output = T>) -> T {
    // Before the numbers are seeded: to make it takes some, and only the first world does.
    super::client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    fastrand::seed(seed);
    runtime.unwrap().block_on(play)
}

/// Plays one seed after another, with those that other threads take in between.
fn play_some(
    simulation: Simulation,
    next: impl Fn() -> Option<u64>,
    play: &impl Fn(u64) -> Vec<String>,
) -> (Vec<String>, Happened) {
    let mut found = Vec::new();
    while let Some(seed) = next() {
        let wrong = std::panic::catch_unwind(AssertUnwindSafe(|| play(seed)));
        let wrong = wrong.unwrap_or_else(|panic| vec![format!("it panics: {}", message(&*panic))]);
        if !wrong.is_empty() {
            keep(simulation, seed, &wrong);
        }
        found.extend(wrong.into_iter().map(|what| format!("seed {seed}: {what}")));
        if found.len() >= FINDINGS_MAX {
            break;
        }
    }
    (found, take_happened())
}

/// Shows what was played, where output is shown.
fn report(simulation: Simulation, seeds: u64, begun_at: Instant, happened: &Happened) {
    let seconds = begun_at.elapsed().as_secs_f64();
    let mut text = format!("simulation of {}: {seeds} seeds in {seconds:.1} s\n", simulation.name());
    for (what, count) in happened {
        let _ = writeln!(text, "{count:>12}  {what}");
    }
    println!("{text}");
}

/// Keeps a seed that went wrong in the file that `OKTABUS_FAILED_SEEDS` names, at once: a long run may not come to its end.
fn keep(simulation: Simulation, seed: u64, wrong: &[String]) {
    let Some(path) = std::env::var_os("OKTABUS_FAILED_SEEDS") else { return };
    let text = format!("{} seed {seed}:\n{}\n", simulation.name(), wrong.join("\n"));
    let written = fs::File::options().create(true).append(true).open(&path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).unwrap();
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("with no message")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
