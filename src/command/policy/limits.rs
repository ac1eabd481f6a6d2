//! Limits on the number of changes in a time. An exceeded limit trips, and stays so until an operator releases it.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    command::{Action, OutcomeError},
    config::LimitConfig,
};

/// The parts of a limit's time. Changes count for up to one part longer than the limit says, never shorter.
const PARTS: i64 = 20;

/// The code of a refusal by a limit.
pub const LIMIT_TRIPPED: &str = "limit_tripped";

/// The counts of all limits, by pattern. Serialises to a few hundred bytes a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(BTreeMap<String, Window>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    /// The length of a part at the time of the counts.
    part_ms: i64,
    /// Changes by the number of their part since the epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    taken: BTreeMap<i64, u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tripped_at: Option<Timestamp>,
}

/// A limit that is exceeded, now or earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrippedLimit {
    /// The limit.
    pub limit: LimitConfig,
    /// When it tripped.
    pub since: Timestamp,
}

impl Limits {
    /// Counts `changes` by `action` at `now` for all `limits` on it. If one of them would be exceeded, that one trips
    /// and none counts.
    pub fn take(
        &mut self,
        limits: &[LimitConfig],
        action: Action,
        changes: usize,
        now: Timestamp,
    ) -> Result<(), TrippedLimit> {
        let changes = u32::try_from(changes).unwrap_or(u32::MAX);
        let concerned: Vec<_> = limits.iter().filter(|limit| limit.is_about(action)).collect();
        for limit in &concerned {
            let window = self.0.entry(limit.pattern.to_string()).or_default();
            window.move_to(part_ms(limit.per), now);
            let is_full = window.sum().saturating_add(changes) > limit.count;
            if is_full && window.tripped_at.is_none() {
                window.tripped_at = Some(now);
            }
            if let Some(since) = window.tripped_at {
                return Err(TrippedLimit { limit: (*limit).clone(), since });
            }
        }
        for limit in concerned {
            let window = self.0.entry(limit.pattern.to_string()).or_default();
            *window.taken.entry(window.part(now)).or_default() += changes;
        }
        Ok(())
    }

    /// Releases the limit `pattern`: it counts from zero. Returns whether it had tripped.
    pub fn release(&mut self, pattern: &str) -> bool {
        self.0.remove(pattern).is_some_and(|window| window.tripped_at.is_some())
    }

    /// The tripped limits, with the times when they tripped.
    pub fn tripped(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.0.iter().filter_map(|(pattern, window)| Some((pattern.as_str(), window.tripped_at?)))
    }

    /// Whether one of the `limits` on `action` has tripped.
    pub fn is_tripped(&self, limits: &[LimitConfig], action: Action) -> bool {
        let has_tripped = |limit: &LimitConfig| {
            self.0.get(&limit.pattern.to_string()).is_some_and(|window| window.tripped_at.is_some())
        };
        limits.iter().any(|limit| limit.is_about(action) && has_tripped(limit))
    }

    /// Leaves out the counts of limits that are not among `limits`.
    #[must_use]
    pub fn among(mut self, limits: &[LimitConfig]) -> Self {
        self.0.retain(|pattern, _| is_among(limits, pattern));
        self
    }

    /// Forgets limits that are not among `limits`, once they have not tripped and their time is over: a limit that is taken out of the
    /// configuration and put back is as it was.
    pub fn forget_unused(&mut self, limits: &[LimitConfig], now: Timestamp) {
        self.0.retain(|pattern, window| {
            if is_among(limits, pattern) || window.tripped_at.is_some() {
                return true;
            }
            window.move_to(window.part_ms, now);
            window.sum() > 0
        });
    }
}

fn is_among(limits: &[LimitConfig], pattern: &str) -> bool {
    limits.iter().any(|limit| limit.pattern.to_string() == pattern)
}

impl Window {
    /// Removes counts that are older than the window at `now`. A clock that is set back makes no count younger.
    fn move_to(&mut self, part_ms: i64, now: Timestamp) {
        if self.part_ms != part_ms {
            // The limit's time was changed: earlier changes count as if they were made now.
            let sum = self.sum();
            self.part_ms = part_ms;
            self.taken = if sum == 0 { BTreeMap::new() } else { [(self.part(now), sum)].into() };
        }
        let oldest = self.part(now) - PARTS;
        self.taken.retain(|part, _| *part >= oldest);
    }

    fn part(&self, now: Timestamp) -> i64 {
        now.as_millisecond().div_euclid(self.part_ms.max(1))
    }

    fn sum(&self) -> u32 {
        self.taken.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

fn part_ms(per: Duration) -> i64 {
    (i64::try_from(per.as_millis()).unwrap_or(i64::MAX) / PARTS).max(1)
}

impl fmt::Display for TrippedLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the limit of {} was exceeded at {:.0}", self.limit, self.since)
    }
}

impl From<TrippedLimit> for OutcomeError {
    fn from(tripped: TrippedLimit) -> Self {
        let remedy = format!(
            "find out who asks for so much; an operator lets commands through again with `oktabus command release {}`",
            tripped.limit.pattern
        );
        Self { code: LIMIT_TRIPPED.to_owned(), message: tripped.to_string(), remedy: Some(remedy) }
    }
}
