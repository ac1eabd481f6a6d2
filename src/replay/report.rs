//! What a replay reports while it runs: JSON lines from the daemon, or values in a command's own process.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// It begins or goes on. The first line.
    Began(Beginning),
    /// How far it is, every second.
    Advanced(Advance),
    /// Everything is delivered. The last line.
    Finished(Summary),
    /// It was stopped; the same request resumes from here. The last line.
    Stopped(Summary),
    /// It failed; the same request resumes from here when the cause is removed. The last line.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Where a replay begins or goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// Its name.
    pub name: String,
    /// Whether an earlier run came some way.
    pub is_resumed: bool,
    /// Where the window begins.
    pub since: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// How many slices there are.
    pub slices: u16,
    /// How many of them are done.
    pub slices_done: u16,
    /// Messages that earlier runs delivered.
    pub delivered: u64,
}

/// How far a replay is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Advance {
    /// The part of the window that is delivered, from 0 to 1.
    pub part: f64,
    /// Messages that are delivered, earlier runs included.
    pub delivered: u64,
    /// Slices that are done.
    pub slices_done: u16,
    /// How many there are.
    pub slices: u16,
    /// Requests of this run.
    pub requests: u64,
    /// The part of our share of the rate limit that is used in this window, by all requests; none before Okta has sent
    /// the limit.
    pub budget_used: Option<f64>,
    /// What keeps it from advancing, if anything.
    pub trouble: Option<String>,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Messages that are delivered, earlier runs included.
    pub delivered: u64,
    /// Messages of this run that can never be delivered and are kept as dead letters.
    pub dead_letters: u64,
    /// Requests of this run.
    pub requests: u64,
    /// Slices that are done.
    pub slices_done: u16,
    /// How many there are.
    pub slices: u16,
}
