//! Quotas of requests: one bucket of the org, the part of it that each token or app may use, and a second consumer that
//! takes from the same bucket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::rate_limit::{Quota, RateLimit, WINDOW_MS};

/// Principals counted apart; those beyond share a bucket.
const MAX_PRINCIPALS: usize = 1_000;

/// Another client of the org's bucket. It makes no real requests; they only count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Consumer {
    pub(super) requests_per_minute: u32,
    #[serde(default)]
    pub(super) pattern: Pattern,
}

/// How a consumer's requests lie in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pattern {
    /// Evenly.
    #[default]
    Steady,
    /// All at its beginning.
    Burst,
}

/// How the second consumer has fared.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Consumption {
    #[serde(flatten)]
    consumer: Consumer,
    /// Requests that it made.
    taken: u64,
    /// Requests that were refused to it.
    refused: u64,
}

/// One bucket, and those of its principals.
#[derive(Debug)]
pub(super) struct Quotas {
    org: RateLimit,
    anchor_ms: i64,
    principal_limit: u32,
    principals: Mutex<BTreeMap<String, Arc<RateLimit>>>,
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    consumption: Consumption,
    window: i64,
    /// Requests that it has wanted in this window.
    wanted: u32,
}

impl Quotas {
    /// Buckets of `limit` requests a minute, of which a principal may use `share_percent`.
    pub(super) fn new(limit: u32, share_percent: u8, anchor_ms: i64) -> Self {
        let principal_limit = u64::from(limit) * u64::from(share_percent) / 100;
        Self {
            org: RateLimit::new(limit, anchor_ms),
            anchor_ms,
            principal_limit: u32::try_from(principal_limit).unwrap_or(limit).max(1),
            principals: Mutex::default(),
            second: Mutex::default(),
        }
    }

    /// Takes one request of `principal`, or says that none is left.
    pub(super) fn take(&self, principal: &str, now_ms: i64) -> Result<Quota, Quota> {
        self.feed(now_ms);
        let own = self.principal(principal).take(now_ms)?;
        match self.org.take(now_ms) {
            Ok(org) => Ok(Quota { remaining: own.remaining.min(org.remaining), ..own }),
            Err(org) => Err(Quota { remaining: 0, reset_s: org.reset_s, ..own }),
        }
    }

    /// What is left for all, without taking any.
    pub(super) fn peek(&self, now_ms: i64) -> Quota {
        self.feed(now_ms);
        self.org.peek(now_ms)
    }

    /// Switches the second consumer on, or off with no requests a minute.
    pub(super) fn set_consumer(&self, consumer: Consumer, now_ms: i64) {
        self.feed(now_ms);
        self.second().consumption.consumer = consumer;
    }

    /// How the second consumer has fared.
    pub(super) fn consumption(&self, now_ms: i64) -> Consumption {
        self.feed(now_ms);
        self.second().consumption
    }

    /// Lets the second consumer make the requests that it has wanted to make by now.
    fn feed(&self, now_ms: i64) {
        let mut second = self.second();
        let since_anchor_ms = now_ms - self.anchor_ms;
        let window = since_anchor_ms.div_euclid(WINDOW_MS);
        if second.window != window {
            (second.window, second.wanted) = (window, 0);
        }
        let Consumer { requests_per_minute, pattern } = second.consumption.consumer;
        let wanted = match pattern {
            Pattern::Burst => requests_per_minute,
            Pattern::Steady => {
                let elapsed_ms = since_anchor_ms.rem_euclid(WINDOW_MS);
                u32::try_from(i64::from(requests_per_minute) * elapsed_ms / WINDOW_MS).unwrap_or_default()
            }
        };
        let more = wanted.saturating_sub(second.wanted);
        second.wanted += more;
        let taken = self.org.take_many(more, now_ms);
        second.consumption.taken += u64::from(taken);
        second.consumption.refused += u64::from(more - taken);
    }

    fn principal(&self, name: &str) -> Arc<RateLimit> {
        let mut principals = self.principals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = principals.get(name) {
            return Arc::clone(known);
        }
        let name = if principals.len() < MAX_PRINCIPALS { name } else { "" };
        let new = || Arc::new(RateLimit::new(self.principal_limit, self.anchor_ms));
        Arc::clone(principals.entry(name.to_owned()).or_insert_with(new))
    }

    fn second(&self) -> std::sync::MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_its_part_and_all_have_the_whole() {
        let quotas = Quotas::new(10, 50, 0);
        for left in (0..5).rev() {
            assert_eq!(quotas.take("a", 1).unwrap(), Quota { limit: 5, remaining: left, reset_s: 60 });
        }
        assert!(quotas.take("a", 1).is_err());
        for _ in 0..4 {
            quotas.take("b", 1).unwrap();
        }
        assert_eq!(quotas.take("c", 1).unwrap(), Quota { limit: 5, remaining: 0, reset_s: 60 });
        assert_eq!(quotas.take("c", 1).unwrap_err(), Quota { limit: 5, remaining: 0, reset_s: 60 });
        assert_eq!(quotas.take("a", 60_000).unwrap().remaining, 4);
    }

    #[test]
    fn a_second_consumer_takes_from_the_same_bucket() {
        let quotas = Quotas::new(100, 100, 0);
        quotas.set_consumer(Consumer { requests_per_minute: 60, pattern: Pattern::Steady }, 0);
        assert_eq!(quotas.take("a", 30_000).unwrap().remaining, 69);
        quotas.set_consumer(Consumer { requests_per_minute: 200, pattern: Pattern::Burst }, 30_000);
        assert_eq!(quotas.take("a", 30_001).unwrap_err().remaining, 0);
        let fared = quotas.consumption(30_001);
        assert_eq!((fared.taken, fared.refused), (99, 101));
    }
}
