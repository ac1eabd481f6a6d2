//! The lives of a daemon in one seeded world: how each of them ends, and what follows. Knows no loop of its own.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use super::happens;

/// One life of the daemon.
pub(crate) struct Life {
    pub(crate) death: Death,
    /// The time before the next life begins.
    pub(crate) downtime: Duration,
}

/// How a life ends.
pub(crate) enum Death {
    /// It is dropped at any of its awaits: so many polls after so many batches were handed to the bus.
    Dropped { batches: u64, polls: u32 },
    /// It is stopped.
    Stopped { after: Duration },
}

impl Death {
    /// A stop within `stopped_within`, or a drop with the number of polls doubled up to `doublings` times.
    pub(crate) fn of(random: &mut Rng, stopped_within: Duration, doublings: u32) -> Self {
        if random.u8(..3) == 0 {
            let within_ms = u64::try_from(stopped_within.as_millis()).unwrap();
            return Self::Stopped { after: Duration::from_millis(random.u64(1..within_ms)) };
        }
        // Short ones and long ones alike.
        let (batches, polls) =
            if random.bool() { (random.u64(1..6), random.u32(0..5)) } else { (0, random.u32(0..doublings)) };
        Self::Dropped { batches, polls: random.u32(1 << polls..2 << polls) }
    }
}

/// A world in which one loop of the daemon lives again and again. Findings are added to `wrong`.
pub(crate) trait World {
    type Scenario;

    /// All lives but the last.
    fn lives(scenario: &Self::Scenario) -> &[Life];

    async fn live_until_dropped(
        &self,
        scenario: &Self::Scenario,
        batches: u64,
        polls: u32,
        wrong: &mut Vec<String>,
    );

    async fn live_until_stopped(
        &self,
        scenario: &Self::Scenario,
        until: impl Future<Output = ()>,
        wrong: &mut Vec<String>,
    );

    /// Waits until there is nothing more to do.
    async fn all_is_done(&self, scenario: &Self::Scenario);

    /// What was wrong while the loop ran.
    fn seen(&self) -> Vec<String>;

    /// What is wrong in the end.
    fn judged(&self, scenario: &Self::Scenario) -> Vec<String>;

    /// Runs a scenario to its end, and says what was wrong.
    async fn run(&self, scenario: &Self::Scenario) -> Vec<String> {
        let mut wrong = Vec::new();
        for life in Self::lives(scenario) {
            match life.death {
                Death::Dropped { batches, polls } => {
                    happens("a life is dropped");
                    self.live_until_dropped(scenario, batches, polls, &mut wrong).await;
                }
                Death::Stopped { after } => {
                    happens("a life is stopped");
                    self.live_until_stopped(scenario, async { sleep(after).await }, &mut wrong).await;
                }
            }
            wrong.extend(self.seen());
            if !wrong.is_empty() {
                return wrong;
            }
            sleep(life.downtime).await;
        }
        self.live_until_stopped(scenario, self.all_is_done(scenario), &mut wrong).await;
        wrong.extend(self.seen());
        wrong.extend(self.judged(scenario));
        wrong
    }
}
