//! How the daemon stands, as commands at a terminal show it: what the daemon says of itself, read from its JSON, and drawn.
//!
//! `status` draws it once, `top` again and again, the demo a line of it now and then. Reads only what it draws: a daemon that says
//! more is understood too.

mod drawing;
mod screen;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

#[cfg(feature = "simulator")]
pub(super) use drawing::route_lines;
pub(super) use drawing::{Charts, draw};
pub(super) use screen::{Screen, terminal_width};

/// How the daemon stands.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Standing {
    pub(super) version: String,
    pub(super) now: Timestamp,
    pub(super) up_since: Timestamp,
    pub(super) verdict: StandingVerdict,
    pub(super) routes: Vec<RouteStanding>,
    pub(super) sinks: Vec<SinkStanding>,
    pub(super) orgs: Vec<OrgStanding>,
    pub(super) commands: Vec<CommandsStanding>,
}

/// Whether all is well, and what to do if not.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StandingVerdict {
    pub(super) grade: StandingGrade,
    pub(super) sentence: String,
    pub(super) concerns: Vec<StandingConcern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StandingGrade {
    Well,
    Attention,
    Trouble,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StandingConcern {
    pub(super) grade: StandingGrade,
    pub(super) about: String,
    pub(super) what: String,
    pub(super) detail: Option<String>,
    pub(super) remedy: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RouteStanding {
    pub(super) route: String,
    pub(super) phase: String,
    pub(super) delivered: u64,
    pub(super) dead_letters: u64,
    pub(super) lag_seconds: f64,
    pub(super) rate: Option<f64>,
    pub(super) okta_trouble: Option<String>,
    pub(super) sink_trouble: Option<String>,
    pub(super) state_trouble: Option<String>,
    pub(super) search: Option<SearchStanding>,
    pub(super) setup: Option<RouteOrigin>,
}

/// What a route reads and feeds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RouteOrigin {
    pub(super) sink: String,
    pub(super) format: String,
}

/// How the runs of a search's route stand.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SearchStanding {
    pub(super) next_slot: Option<Timestamp>,
    pub(super) running: Option<Timestamp>,
    pub(super) last_slot: Option<Timestamp>,
    pub(super) last_total: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SinkStanding {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) place: String,
    pub(super) delivery: String,
    pub(super) routes: Vec<String>,
    pub(super) trouble: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct OrgStanding {
    pub(super) org: String,
    pub(super) buckets: Vec<BucketStanding>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct BucketStanding {
    pub(super) bucket: String,
    pub(super) limit: Option<u64>,
    pub(super) remaining: Option<u64>,
    pub(super) allowed: Option<u64>,
    pub(super) used: u64,
    pub(super) others: u64,
    pub(super) waiting_seconds: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CommandsStanding {
    pub(super) commands: String,
    pub(super) phase: String,
    pub(super) held: u64,
    pub(super) parked: u64,
    pub(super) awaits_approval: u64,
    pub(super) paused: Option<serde_json::Value>,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) dead_letters: u64,
    pub(super) tripped: Vec<String>,
    pub(super) troubles: BTreeMap<String, String>,
}

impl Standing {
    /// What a daemon in this process says of itself; none if it cannot be read, which would be a bug.
    #[cfg(feature = "simulator")]
    pub(super) fn of(overview: &crate::overview::Overview) -> Option<Self> {
        serde_json::to_value(overview).and_then(serde_json::from_value).ok()
    }
}

impl RouteStanding {
    /// What keeps it from making progress, if anything.
    fn trouble(&self) -> Option<&str> {
        let troubles = [&self.state_trouble, &self.sink_trouble, &self.okta_trouble];
        troubles.into_iter().find_map(|trouble| trouble.as_deref())
    }
}
