//! Routes that deliver exactly once, in many seeded worlds: what is run is [`Route::run`] with all that it calls, in one daemon or in two
//! that stand by for each other; what is simulated is Okta, the bus and the disk. Daemons are dropped at any await, stopped,
//! and paused for longer than anybody waits for them. Whatever happens, a reader of the bus sees each event once.

mod daemon;
mod judge;
mod scenario;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;

use crate::{
    simulation::{in_simulated_time, play_all},
    sink::{
        SimulatedLetters,
        simulated::{TransactionalBus, TransactionalBusFactory},
    },
    source::simulation::log::SimulatedLog,
};
use daemon::Daemon;
use judge::CheckpointCheck;
use scenario::Scenario;

/// Seeds of every test run. More are tried with `OKTABUS_SEEDS`, from `OKTABUS_SEED` on.
const SEEDS: u64 = 300;
/// How long the world is bad, from its beginning.
const BAD_FOR: Duration = Duration::from_secs(600);
/// When everything must be delivered.
const END: Duration = Duration::from_secs(24 * 3_600);
/// The longest time that a stop may take; the default of `shutdown.grace`.
const STOP_MAX: Duration = Duration::from_secs(30);
const ROUTE: &str = "log/simulated";

/// What must have happened in some of the seeds: otherwise they prove nothing.
const SOMETIMES: [&str; 14] = [
    "the bus cannot be reached",
    "a stale commit is refused",
    "a commit is refused for a message",
    "a message is rejected beforehand",
    "a commit is lost",
    "a commit is late",
    "the answer to a commit is lost",
    "a commit is lost with its connection",
    "a commit outlives its connection",
    "a batch is stored in part",
    "a commit counts what was stored in part",
    "a page is committed in parts",
    "a route changes hands",
    "a daemon is paused",
];

#[test]
fn whatever_happens_each_event_is_committed_once() {
    let happened = Mutex::new(BTreeMap::new());
    play_all(SEEDS, |seed| {
        let (wrong, of_seed) = play(seed);
        let mut happened = happened.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, count) in of_seed {
            *happened.entry(what).or_default() += count;
        }
        wrong
    });
    let happened: BTreeMap<&str, u64> = happened.into_inner().unwrap();
    if std::env::var_os("OKTABUS_SEEDS").is_none() {
        let never: Vec<_> = SOMETIMES.iter().filter(|what| !happened.contains_key(**what)).collect();
        assert!(never.is_empty(), "this never happened: {never:?}; this did: {happened:?}");
    }
}

/// Plays a seed. Says what was wrong, and what happened how often.
fn play(seed: u64) -> (Vec<String>, BTreeMap<&'static str, u64>) {
    in_simulated_time(seed, async {
        let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)));
        let world = World::new(seed, &scenario);
        let wrong = world.run(&scenario).await;
        let mut happened = world.bus.happened();
        for (what, count) in world.checks.happened() {
            *happened.entry(what).or_default() += count;
        }
        (wrong, happened)
    })
}

/// What there is outside of the daemons.
#[derive(Debug)]
struct World {
    log: Arc<SimulatedLog>,
    bus: Arc<TransactionalBus>,
    letters: Arc<SimulatedLetters>,
    checks: Arc<CheckpointCheck>,
    bad_until: Instant,
}

impl World {
    fn new(seed: u64, scenario: &Scenario) -> Arc<Self> {
        let log = SimulatedLog::with_events(seed, scenario.events);
        let letters = SimulatedLetters::new(seed ^ 0xdead);
        letters.set_full(scenario.disk_full);
        let checks = CheckpointCheck::new(Arc::clone(&letters));
        let observer = Arc::<CheckpointCheck>::clone(&checks);
        let bus = TransactionalBus::new(seed ^ 0xb05, scenario.bus.clone(), observer);
        Arc::new(Self { log, bus, letters, checks, bad_until: Instant::now() + BAD_FOR })
    }

    fn factory(&self) -> Arc<TransactionalBusFactory> {
        Arc::new(TransactionalBusFactory(Arc::clone(&self.bus)))
    }

    /// Runs all daemons to their end, and says what was wrong.
    async fn run(self: &Arc<Self>, scenario: &Scenario) -> Vec<String> {
        let daemons = scenario
            .daemons
            .iter()
            .enumerate()
            .map(|(number, lives)| Daemon::new(Arc::clone(self), scenario, number).run(lives));
        let mut wrong = futures_util::future::join_all(daemons).await.concat();
        wrong.extend([self.bus.wrong(), self.checks.wrong()].concat());
        wrong.extend(judge::judge(self, scenario));
        wrong
    }

    /// Waits until everything is committed, and for good.
    async fn all_is_done(&self, scenario: &Scenario) {
        while self.checks.after() != Some(scenario.events) || self.bad_until > Instant::now() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
}
