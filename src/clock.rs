//! What time it is: as the system says, or as a simulation has it. Waits are tokio's.

use std::fmt;

use jiff::Timestamp;

/// A clock.
pub trait Clock: fmt::Debug + Send + Sync {
    /// What it shows.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
