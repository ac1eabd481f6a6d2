//! Searches themselves in many seeded worlds: events come late into Okta's log, requests fail, the buses refuse, stall, break
//! and lose acknowledgements, notes and dead letters cannot be written, and all routes of a search are dropped at any await,
//! or stopped, and begin again with what is durable. What is run is [`SearchRoute::run`] with all that it calls, spools on a
//! real disk too; what is simulated is what it runs on. It is judged by what the buses and the log hold, see `judge`.
//!
//! Spools are written by threads for blocking work, so what happens at one and the same moment may happen in another order
//! when a seed is played again.

pub(crate) mod clock;
mod judge;
pub(crate) mod log;
mod note_check;
mod scenario;

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    SearchRoute,
    route::{Seams, SearchError},
    shared::Search,
};
use crate::{
    config::SearchConfig,
    halt::Halt,
    simulation::{self, FailingStore, Life, Mortal, Simulation, World as _, in_simulated_time, play_all},
    sink::{
        SimulatedLetters,
        simulated::{SimulatedBus, SimulatedFactory},
    },
};
use clock::SimulatedClock;
use log::SearchedLog;
use note_check::NoteCheck;
use scenario::Scenario;

/// How long the world is bad, and events come, from its beginning.
const BAD_FOR: Duration = Duration::from_secs(90 * 60);
/// When everything must be delivered, after that.
const END: Duration = Duration::from_secs(24 * 3_600);
/// The longest time that a stop may take; the default of `shutdown.grace`.
const STOP_MAX: Duration = Duration::from_secs(30);

/// What must have happened in some of the seeds: otherwise they prove nothing.
const SOMETIMES: [&str; 16] = [
    "windows look back",
    "a life is dropped",
    "a life is stopped",
    "the bus cannot be reached",
    "a batch is delivered in part",
    "an acknowledgement is lost",
    "what is on the bus already is recognised",
    "a message is refused",
    "a message arrives though its connection is lost",
    "a message comes to the bus again",
    "a dead letter is kept",
    "a dead letter cannot be kept",
    "the disk takes nothing, or does not say so",
    "a link is refused",
    "a link leads to itself",
    "a link leads back",
];

#[test]
fn whatever_happens_each_slot_runs_once_and_every_event_that_it_covers_is_delivered() {
    play_all(Simulation::Search, &SOMETIMES, play);
}

/// Plays a seed. Says what was wrong.
fn play(seed: u64) -> Vec<String> {
    in_simulated_time(seed, async {
        let clock = SimulatedClock::new();
        let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)), clock.begin());
        World::new(seed, clock, &scenario).run(&scenario).await
    })
}

/// What there is outside of the search.
struct World {
    clock: Arc<SimulatedClock>,
    bad_until: Instant,
    log: Arc<SearchedLog>,
    routes: Vec<RouteWorld>,
    spools: TempDir,
}

/// What there is of one route.
struct RouteWorld {
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    store: Arc<FailingStore>,
    notes: Arc<NoteCheck>,
}

impl World {
    fn new(seed: u64, clock: Arc<SimulatedClock>, scenario: &Scenario) -> Self {
        let bad_until = Instant::now() + BAD_FOR;
        let log = SearchedLog::new(seed, &clock, bad_until, (BAD_FOR, scenario.lag_max));
        let routes = scenario.config.routes.iter().zip(&scenario.buses).zip(0..);
        let routes = routes.map(|((route, bus), number)| {
            let seed = seed.wrapping_mul(7) ^ number;
            let bus = SimulatedBus::new(seed ^ 0xb05, bus.clone());
            let letters = SimulatedLetters::new(seed ^ 0xdead);
            letters.set_full(scenario.disk_full);
            let notes = NoteCheck::new(route, &bus, &letters);
            let store = FailingStore::new(seed ^ 0xc0de, bad_until, Arc::<NoteCheck>::clone(&notes));
            RouteWorld { bus, letters, store, notes }
        });
        let routes = routes.collect();
        Self { clock, bad_until, log, routes, spools: spools() }
    }

    /// The routes of one life.
    fn routes(&self, config: &SearchConfig) -> Vec<SearchRoute> {
        let source = Arc::<SearchedLog>::clone(&self.log);
        let directory = self.spools.path().to_owned();
        let search = Arc::new(Search::with_source(config.clone(), simulation::client(), source, directory));
        let up_since = self.clock.at_now();
        let routes = config.routes.iter().zip(&self.routes);
        let routes = routes.map(|(config, route)| {
            let seams = Seams {
                sink: Arc::new(SimulatedFactory(Arc::clone(&route.bus))),
                state: route.store.state(),
                dead_letters: route.letters.of_route(&config.route.name),
                clock: Arc::<SimulatedClock>::clone(&self.clock),
            };
            SearchRoute::with_seams(config.clone(), Arc::clone(&search), seams, up_since)
        });
        routes.collect()
    }
}

impl simulation::World for World {
    type Scenario = Scenario;

    fn lives(scenario: &Scenario) -> &[Life] {
        &scenario.lives
    }

    async fn live_until_dropped(
        &self,
        scenario: &Scenario,
        batches: u64,
        polls: u32,
        wrong: &mut Vec<String>,
    ) {
        let (routes, stop) = (self.routes(&scenario.config), CancellationToken::new());
        let publications = || self.routes.iter().map(|route| route.bus.publications()).sum::<u64>();
        let end = publications() + batches;
        // Nothing may come any more, once everything is delivered.
        let has_happened = || publications() >= end || Instant::now() > self.bad_until;
        if let Some(ended) = Mortal::new(run_all(&routes, &stop), &has_happened, polls).await {
            wrong.push(format!("the routes end by themselves: {ended:?}"));
        }
    }

    async fn live_until_stopped(
        &self,
        scenario: &Scenario,
        until: impl Future<Output = ()>,
        wrong: &mut Vec<String>,
    ) {
        let (routes, stop) = (self.routes(&scenario.config), CancellationToken::new());
        let snapshots = || routes.iter().map(|route| route.status().snapshot()).collect::<Vec<_>>();
        let mut running = Box::pin(run_all(&routes, &stop));
        tokio::select! {
            biased;
            ended = &mut running => return wrong.push(format!("the routes end by themselves: {ended:?}")),
            () = until => {}
            () = tokio::time::sleep_until(self.bad_until + END) => {
                return wrong.push(format!("not everything is delivered: {:?}", snapshots()));
            }
        }
        stop.cancel();
        match timeout(STOP_MAX, running).await {
            Ok(ended) if ended.iter().all(|ended| matches!(ended, Err(Halt::Stopped))) => {}
            Ok(ended) => wrong.push(format!("the stopped routes say {ended:?}")),
            Err(_) => wrong.push(format!("they do not stop: {:?}", snapshots())),
        }
    }

    /// Waits until the windows of all routes have covered all events, however late they came into the log.
    async fn all_is_done(&self, scenario: &Scenario) {
        let end = self.clock.begin() + BAD_FOR + scenario.lag_max;
        let is_covered = |route: &RouteWorld| {
            route.notes.kept().is_some_and(|kept| kept.progress.covered > end && kept.progress.run.is_none())
        };
        while !self.routes.iter().all(is_covered) {
            sleep(Duration::from_secs(30)).await;
        }
    }

    /// What the buses and the notes have seen by themselves.
    fn seen(&self) -> Vec<String> {
        self.routes.iter().flat_map(|route| [route.bus.wrong(), route.notes.wrong()].concat()).collect()
    }

    fn judged(&self, scenario: &Scenario) -> Vec<String> {
        judge::judge(self, scenario)
    }
}

async fn run_all(routes: &[SearchRoute], stop: &CancellationToken) -> Vec<Result<(), Halt<SearchError>>> {
    join_all(routes.iter().map(|route| route.run(stop, false))).await
}

/// A directory for spools, in memory where there is one.
fn spools() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
