//! `[standby]`: several daemons with one configuration, of which one writes and the others wait.

use std::time::Duration;

use serde::Deserialize;

use super::{Config, Problem, quantity::Span};

/// How a daemon waits for another one with the same configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandbyConfig {
    /// How long the owner of a route may give no sign before it counts as gone.
    pub takeover_after: Duration,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStandby {
    takeover_after: Option<Span>,
}

const DEFAULT_TAKEOVER_AFTER: Duration = Duration::from_secs(5);
/// Owners give a sign four times in this time, and each is a commit.
const TAKEOVER_AFTER_MIN: Duration = Duration::from_secs(2);

pub(super) fn resolve(raw: &RawStandby) -> Result<StandbyConfig, Problem> {
    let takeover_after = raw.takeover_after.map_or(DEFAULT_TAKEOVER_AFTER, |Span(span)| span);
    if takeover_after < TAKEOVER_AFTER_MIN {
        let reason = "an owner gives a sign four times in it: take 2 seconds or more";
        return Err(Problem::new("standby.takeover_after", reason));
    }
    Ok(StandbyConfig { takeover_after })
}

/// What a second daemon would do beside the first, because no bus keeps it from that.
pub(super) fn not_exclusive(config: &Config) -> Vec<Problem> {
    if config.standby.is_none() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for stream in config.streams.values() {
        let is_at_least_once =
            |sink: &str| config.sinks.get(sink).is_some_and(|sink| !sink.is_transactional());
        for route in stream.routes.iter().filter(|route| is_at_least_once(&route.sink)) {
            let reason = format!(
                "with [standby] every route delivers exactly once, or two daemons would deliver it: set `delivery = \"exactly_once\"` \
                 on the sink `{}`",
                route.sink
            );
            problems.push(Problem::new(format!("streams.{}", stream.name), reason));
        }
    }
    let sections = [("searches", config.searches.is_empty()), ("commands", config.commands.is_empty())];
    for (section, _) in sections.into_iter().filter(|(_, is_empty)| !is_empty) {
        let reason = format!(
            "with [standby] two daemons would run the same {section}: run them in a daemon of their own"
        );
        problems.push(Problem::new(section, reason));
    }
    problems
}
