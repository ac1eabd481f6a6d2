//! Searches: query, schedule, the window of each run, and how the result is delivered.

mod query;
mod resolve;

use std::time::Duration;

use serde::Deserialize;

pub use query::SearchQuery;
pub(super) use resolve::{RawSearch, resolve};

use super::{RouteConfig, Start};
use crate::schedule::Schedule;

/// A bounded query of one org's log on a schedule, and the routes of its result.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    /// Its name in the configuration.
    pub name: String,
    /// The org's name.
    pub org: String,
    /// When it is due.
    pub schedule: Schedule,
    /// It begins up to that much after the slot; the window stays that of the slot.
    pub jitter: Duration,
    /// What becomes of slots that came while oktabus was down.
    pub missed: Missed,
    /// What becomes of a slot that comes while the run before is still at work.
    pub overlap: Overlap,
    /// What a run covers.
    pub window: WindowConfig,
    /// The query.
    pub query: SearchQuery,
    /// Where it goes, at least one.
    pub routes: Vec<SearchRouteConfig>,
}

/// What becomes of slots that came while oktabus was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last one of them runs.
    #[default]
    Once,
    /// All of them run, one after the other.
    All,
}

/// What becomes of a slot that comes while the run before is still at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is left out.
    Skip,
    /// It runs afterwards.
    #[default]
    Queue,
}

/// What a run covers. Times are before the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowConfig {
    /// From the end of the window before up to the slot less `settle`.
    SinceLast {
        /// Where the first window begins.
        start: Start,
        /// How long events may take to appear in Okta's log.
        settle: Duration,
        /// That much of the window before is read again; what was found then is left out.
        overlap: Duration,
    },
    /// As much every time.
    LookBack {
        /// The length of the window.
        look_back: Duration,
        /// How long events may take to appear in Okta's log.
        settle: Duration,
    },
}

impl WindowConfig {
    /// How long before its slot a window ends.
    pub fn settle(self) -> Duration {
        match self {
            Self::SinceLast { settle, .. } | Self::LookBack { settle, .. } => settle,
        }
    }
}

/// One search feeding one sink.
#[derive(Debug, Clone)]
pub struct SearchRouteConfig {
    /// As of a stream.
    pub route: RouteConfig,
    /// What a message is.
    pub emit: Emit,
    /// What becomes of a run that finds nothing.
    pub empty: Empty,
}

/// What a message of a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    /// An event.
    Events,
    /// Some events together, with what they are a part of.
    Batches {
        /// Events a batch, 1 to 1,000.
        batch_size: u16,
    },
    /// Counts, with the most frequent actors and addresses.
    Summary,
}

/// What becomes of a run that finds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Empty {
    /// Nothing is published.
    #[default]
    Silent,
    /// A message says so.
    Report,
}
