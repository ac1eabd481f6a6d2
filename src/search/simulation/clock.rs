//! The clock of a simulation: it begins at a time of its own, and goes with tokio's.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock::Clock;

/// When every simulation begins, in seconds since 1970.
const BEGIN: i64 = 1_790_000_123;

#[derive(Debug)]
pub(crate) struct SimulatedClock(Instant);

impl SimulatedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }

    pub(crate) fn begin(&self) -> Timestamp {
        Timestamp::from_second(BEGIN).unwrap()
    }

    pub(crate) fn at_now(&self) -> Timestamp {
        self.begin() + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.at_now()
    }
}
