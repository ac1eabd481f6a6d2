//! Routes themselves in many seeded worlds: Okta's log commits late, repeats, refuses links and leads in circles; the bus
//! refuses, stalls, breaks and loses acknowledgements; the state and the dead letters cannot be written; and the route is
//! dropped at any await, or stopped, and begins again with what is durable. What is run is [`Route::run`] with all that it
//! calls; what is simulated is what it runs on. It is judged by what the bus and the log hold, see `judge`.

mod cursor_check;
mod judge;
mod log;
pub(crate) mod scenario;

use std::{future::Future, sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Route, Seams, SinkSeam};
use crate::{
    halt::Halt,
    simulation::{self, FailingStore, Life, Mortal, Simulation, World as _, in_simulated_time, play_all},
    sink::{
        SimulatedLetters,
        simulated::{SimulatedBus, SimulatedFactory},
    },
    source::simulation::{log::SimulatedLog, stream_of_one_route},
};
use cursor_check::CursorCheck;
use log::WatchedLog;
use scenario::Scenario;

/// How long the world is bad, from its beginning.
const BAD_FOR: Duration = Duration::from_secs(300);
/// When everything must be delivered.
const END: Duration = Duration::from_secs(24 * 3_600);
/// The longest time that a stop may take; the default of `shutdown.grace`.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Backoffs and stalls of an earlier fault are over after so long.
const QUIET_AFTER: Duration = Duration::from_secs(120);
pub(super) const ROUTE: &str = "log/simulated";

/// What must have happened in some of the seeds: otherwise they prove nothing.
const SOMETIMES: [&str; 18] = [
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
    "events come again",
    "a link stays where it is",
    "a link leads back",
    "a page is empty and its link looks as if it had moved",
    "the clock is off",
];

#[test]
fn whatever_happens_every_event_is_delivered_and_the_cursor_stays_behind_the_proof() {
    play_all(Simulation::Route, &SOMETIMES, |seed| play(seed).0);
}

#[test]
fn a_seed_is_played_in_the_same_way_each_time() {
    for seed in 0..10 {
        assert_eq!(play(seed), play(seed), "seed {seed}");
    }
}

/// Plays a seed. Says what was wrong, and all that came to the bus.
fn play(seed: u64) -> (Vec<String>, Vec<String>) {
    in_simulated_time(seed, async {
        let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)));
        let world = World::new(seed, &scenario);
        let wrong = world.run(&scenario).await;
        (wrong, world.bus.log())
    })
}

/// What there is outside of the route.
struct World {
    log: Arc<SimulatedLog>,
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    store: Arc<FailingStore>,
    cursors: Arc<CursorCheck>,
    bad_until: Instant,
}

impl World {
    fn new(seed: u64, scenario: &Scenario) -> Self {
        let bad_until = Instant::now() + BAD_FOR;
        let log = SimulatedLog::with_events(seed, scenario.events);
        let bus = SimulatedBus::new(seed ^ 0xb05, scenario.bus.clone());
        let letters = SimulatedLetters::new(seed ^ 0xdead);
        letters.set_full(scenario.disk_full);
        let cursors = CursorCheck::new(Arc::clone(&bus), Arc::clone(&letters));
        let store = FailingStore::new(seed ^ 0xc0de, bad_until, Arc::<CursorCheck>::clone(&cursors));
        Self { log, bus, letters, store, cursors, bad_until }
    }

    fn route(&self, scenario: &Scenario) -> Route {
        let source = WatchedLog {
            log: Arc::clone(&self.log),
            cursors: Arc::clone(&self.cursors),
            bad_until: self.bad_until,
            in_flight_pages: scenario.config.in_flight_pages,
        };
        let seams = Seams {
            sink: SinkSeam::AtLeastOnce(Arc::new(SimulatedFactory(Arc::clone(&self.bus)))),
            state: self.store.state(),
            dead_letters: self.letters.of_route(ROUTE),
        };
        let stream = stream_of_one_route(self.log.begin(), Arc::new(source));
        Route::with_seams(scenario.config.clone(), stream, seams)
    }

    /// Whether nothing has gone wrong for a while.
    fn is_quiet(&self) -> bool {
        let last_fault_at = self.bus.last_fault_at().max(self.store.last_fault_at());
        last_fault_at.is_none_or(|at| at.elapsed() > QUIET_AFTER)
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
        let (route, stop) = (self.route(scenario), CancellationToken::new());
        let end = self.bus.publications() + batches;
        // Nothing may come any more, once everything is delivered.
        let has_happened = || self.bus.publications() >= end || Instant::now() > self.bad_until;
        let running = Mortal::new(route.run(&stop, false), &has_happened, polls);
        if let Some(ended) = running.await {
            wrong.push(format!("the route ends by itself: {ended:?}"));
        }
    }

    async fn live_until_stopped(
        &self,
        scenario: &Scenario,
        until: impl Future<Output = ()>,
        wrong: &mut Vec<String>,
    ) {
        let (route, stop) = (self.route(scenario), CancellationToken::new());
        let status = route.status();
        // An earlier life may have left some, and this one may not come to them.
        let left_before = self.bus.uncommitted();
        let mut running = Box::pin(route.run(&stop, false));
        tokio::select! {
            biased;
            ended = &mut running => return wrong.push(format!("the route ends by itself: {ended:?}")),
            () = until => {}
            () = tokio::time::sleep_until(self.bad_until + END) => {
                let (snapshot, log) = (status.snapshot(), self.log.committed().len());
                return wrong.push(format!("of {log} events not all are delivered: {snapshot:?}"));
            }
        }
        let is_quiet = self.is_quiet();
        stop.cancel();
        match timeout(STOP_MAX, running).await {
            Ok(Err(Halt::Stopped)) => {}
            Ok(ended) => wrong.push(format!("the stopped route says {ended:?}")),
            Err(_) => wrong.push(format!("it does not stop: {:?}", status.snapshot())),
        }
        let left = self.bus.uncommitted().difference(&left_before).count();
        if is_quiet && self.is_quiet() && scenario.bus.poison == 0 && left > 0 {
            wrong.push(format!("after a stop in quiet times {left} messages will be published again"));
        }
    }

    async fn all_is_done(&self, scenario: &Scenario) {
        while self.cursors.after() != Some(scenario.events) || self.bad_until > Instant::now() {
            sleep(Duration::from_secs(5)).await;
        }
        sleep(QUIET_AFTER).await;
    }

    /// What the bus and the cursors have seen by themselves.
    fn seen(&self) -> Vec<String> {
        [self.bus.wrong(), self.cursors.wrong()].concat()
    }

    fn judged(&self, scenario: &Scenario) -> Vec<String> {
        judge::judge(self, scenario)
    }
}
