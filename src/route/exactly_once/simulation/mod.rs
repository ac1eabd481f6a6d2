//! Routes that deliver exactly once, in many seeded worlds: what is run is [`Route::run`] with all that it calls, in one daemon, in two
//! that stand by for each other, or in two that do not and each take the route over when they start; what is simulated is Okta,
//! the bus and the disk. Daemons are dropped at any await, stopped, and paused for longer than anybody waits for them. Whatever
//! happens, a reader of the bus sees each event once; if somebody damages the checkpoint, no event is left out; and whoever has
//! lost its route to another daemon, where none stands by, writes nothing any more and says so.

mod checkpoint_check;
mod daemon;
mod judge;
mod scenario;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;

use crate::{
    route::simulation::ROUTE,
    simulation::{Simulation, in_simulated_time, play_all},
    sink::{
        SimulatedLetters,
        simulated::{CheckpointDamage, TransactionalBus, TransactionalBusFactory},
    },
    source::simulation::log::SimulatedLog,
};
use checkpoint_check::CheckpointCheck;
use daemon::Daemon;
use scenario::Scenario;

/// How long the world is bad, from its beginning.
const BAD_FOR: Duration = Duration::from_secs(300);
/// When everything must be delivered.
const END: Duration = Duration::from_secs(24 * 3_600);
/// The longest time that a stop may take; the default of `shutdown.grace`.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Backoffs are over so long after the last fault, and each daemon knows whose the route is.
const SETTLED_AFTER: Duration = Duration::from_secs(90);

/// Events that come one by one when all is settled, where two daemons have the same route and do not stand by for each other: whoever
/// has lost the route finds that out when it has something to commit.
const LAST_EVENTS: usize = 4;
/// Longer than two readers of the log need to come to an event.
const LAST_EVENT_EVERY: Duration = Duration::from_secs(12);

/// How long a disk hangs where nothing else goes wrong: much longer than a standby waits for an owner.
const HANGS_FOR: Duration = Duration::from_secs(60);

/// What must have happened in some of the seeds: otherwise they prove nothing.
const SOMETIMES: [&str; 27] = [
    "a message is staged behind a commit that failed",
    "the bus cannot be reached",
    "a stale commit is refused",
    "a commit is refused for a message",
    "the bus tells which messages it refuses",
    "a message is rejected beforehand",
    "a commit decides on the letters of the one before",
    "the letters of a transaction that is not committed are forgotten",
    "a commit is lost",
    "a commit is late",
    "the answer to a commit is lost",
    "a commit is lost with its connection",
    "a commit outlives its connection",
    "a batch is stored in part",
    "a commit counts what was stored in part",
    "a page is committed in parts",
    "a route changes hands",
    "a daemon whose route another has taken steps down for good",
    "a daemon is paused",
    "the checkpoint is deleted",
    "something else is in place of the checkpoint",
    "a daemon refuses what is in place of the checkpoint",
    "the checkpoint is an older one",
    "the bus is restored from a backup",
    "what the damaged checkpoint had counted comes again",
    "the disk takes nothing, or does not say so",
    "the disk hangs",
];

#[test]
fn whatever_happens_each_event_is_committed_once() {
    play_all(Simulation::ExactlyOnce, &SOMETIMES, |seed| {
        in_simulated_time(seed, async {
            let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)));
            World::new(seed, &scenario).run(&scenario).await
        })
    });
}

#[test]
fn where_the_checkpoint_is_deleted_its_owner_writes_it_again_and_nothing_comes_twice() {
    for seed in 0..40 {
        let wrong = in_simulated_time(seed, async {
            let scenario = Scenario::of_a_deleted_checkpoint(&mut Rng::with_seed(seed));
            let world = World::new(seed, &scenario);
            let wrong = world.run(&scenario).await;
            assert_eq!(world.checks.handovers(), 0, "seed {seed}: a standby takes over");
            let committed = world.bus.log();
            assert_eq!(committed.len(), scenario.events, "seed {seed}: {committed:?}");
            wrong
        });
        assert!(wrong.is_empty(), "seed {seed}: {}", wrong.join("\n"));
    }
}

#[test]
fn where_the_disk_hangs_the_route_goes_on_with_its_heartbeat_and_the_copy_is_said_to_be_behind() {
    for seed in 0..20 {
        let wrong = in_simulated_time(seed, async {
            let scenario = Scenario::of_a_hanging_disk(&mut Rng::with_seed(seed));
            let world = World::new(seed, &scenario);
            let begun_at = Instant::now();
            let (wrong, ()) = tokio::join!(world.run(&scenario), async {
                let Some((after, length)) = scenario.disk_hangs else { return };
                tokio::time::sleep_until(begun_at + after + length / 2).await;
                let (generation, told) = world.checks.standing_of_owner();
                assert!(told.unwrap().contains("is behind: the state does not answer"), "seed {seed}");
                tokio::time::sleep_until(begun_at + after + length).await;
                let later = world.checks.standing_of_owner().0;
                assert!(later > generation, "seed {seed}: nothing is committed while the disk hangs");
            });
            assert_eq!(world.checks.handovers(), 0, "seed {seed}: a standby takes over");
            wrong
        });
        assert!(wrong.is_empty(), "seed {seed}: {}", wrong.join("\n"));
    }
}

/// What there is outside of the daemons.
#[derive(Debug)]
struct World {
    log: Arc<SimulatedLog>,
    bus: Arc<TransactionalBus>,
    letters: Arc<SimulatedLetters>,
    checks: Arc<CheckpointCheck>,
    bad_until: Instant,
    /// Daemons that are not in their last life.
    unsettled: AtomicUsize,
}

impl World {
    fn new(seed: u64, scenario: &Scenario) -> Arc<Self> {
        let log = SimulatedLog::with_events(seed, scenario.events);
        let letters = SimulatedLetters::new(seed ^ 0xdead);
        letters.set_full(scenario.disk_full);
        let checks = CheckpointCheck::new(Arc::clone(&letters), scenario);
        let observer = Arc::<CheckpointCheck>::clone(&checks);
        let bus = TransactionalBus::new(seed ^ 0xb05, scenario.bus.clone(), observer);
        let (bad_until, unsettled) = (Instant::now() + scenario.bus.bad_for, scenario.daemons.len().into());
        Arc::new(Self { log, bus, letters, checks, bad_until, unsettled })
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
        let daemons = futures_util::future::join_all(daemons);
        let (wrong, (), ()) =
            tokio::join!(daemons, self.damage_checkpoint(scenario), self.last_events(scenario));
        let mut wrong = wrong.concat();
        wrong.extend([self.bus.wrong(), self.checks.wrong()].concat());
        wrong.extend(self.checks.wrong_copy());
        wrong.extend(judge::judge(self, scenario));
        wrong
    }

    async fn damage_checkpoint(&self, scenario: &Scenario) {
        for damage in &scenario.damages {
            tokio::time::sleep(damage.after).await;
            if Instant::now() > self.bad_until && !scenario.bus.bad_for.is_zero() {
                return;
            }
            self.bus.damage(damage.what);
            if damage.what == CheckpointDamage::Junk {
                tokio::time::sleep(damage.mended_after).await;
                self.bus.delete_junk();
                // A reader that lags finds it for some time.
                self.checks.unsettled_until(Instant::now() + 2 * SETTLED_AFTER);
            }
        }
    }

    /// Something happens in the org after all that was done to the bus: a route that has nothing to deliver and no standby does not
    /// look at the bus.
    async fn last_events(&self, scenario: &Scenario) {
        if scenario.bus.bad_for.is_zero() {
            return;
        }
        while Instant::now() < self.bad_until || self.log.committed().len() < scenario.events {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        self.log.commit(1);
        if !scenario.has_rivals() {
            return;
        }
        while !self.checks.is_settled() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        for _ in 0..LAST_EVENTS {
            self.log.commit(1);
            tokio::time::sleep(LAST_EVENT_EVERY).await;
        }
    }

    /// A daemon begins the life that lasts.
    fn settle(&self) {
        if self.unsettled.fetch_sub(1, Relaxed) == 1 {
            self.checks.settles(Instant::now().max(self.bad_until) + SETTLED_AFTER);
        }
    }

    /// Waits until everything is committed, and for good.
    async fn all_is_done(&self, scenario: &Scenario) {
        while self.checks.after() != Some(scenario.all_events()) || self.bad_until > Instant::now() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        while !self.checks.is_settled() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
}
