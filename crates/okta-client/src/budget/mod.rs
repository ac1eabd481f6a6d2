//! The budget: how many requests of one rate-limit bucket we may make now.
//!
//! Planned from Okta's headers and Okta's clock, so that a wrong clock here does no harm: never above the share, spread
//! over the window, and less than the share where others need the bucket. Pure: takes the time as an argument, and returns until
//! when to wait.

mod bucket;
mod others;
mod pacing;
mod priority;
mod rate_limit;
#[cfg(test)]
mod simulation;
mod window;

use std::time::Duration;

use tokio::time::Instant;

use self::{
    others::Others,
    pacing::Pacing,
    window::{Seen, Window},
};

pub(super) use self::{bucket::Bucket, priority::Line, rate_limit::RateLimit};
pub use priority::Priority;

/// How the budget of one rate-limit bucket stands, for metrics and people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetStatus {
    /// Requests that the bucket allows in a window, as Okta last said: for a token or app, its own part of the bucket.
    pub limit: Option<u64>,
    /// Requests that were left, as Okta last said, less those that are under way.
    pub remaining: Option<u64>,
    /// Requests that we may make in a window.
    pub allowed: Option<u64>,
    /// Requests that we made in this window.
    pub used: u64,
    /// Requests that others made in this window.
    pub others: u64,
    /// How long we wait, if at all.
    pub waiting: Option<Duration>,
}

/// The first and the longest wait after a 429 that does not say until when.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Okta's SDKs wait a second beyond the reset.
const AFTER_RESET: Duration = Duration::from_secs(1);
/// Waits are lengthened by up to this part, so that several daemons do not return together.
const JITTER: f64 = 0.1;
/// This part of our share stays ours, however much others use: a stream must never stand still.
const YIELD_MAX: u64 = 8;
/// The part of the bucket that is left empty beside others, who do not come as evenly as they are expected to.
const MARGIN: f64 = 0.05;
/// How soon to check again whether others have left room.
const RECONSIDER: Duration = Duration::from_secs(1);
/// What all but streams leave to the streams, at the window's beginning; less as it goes by.
const RESERVE: f64 = 0.25;
/// What they leave to the streams until its end: a poll then need not wait for the next window.
const LAST_RESERVE: f64 = 0.01;

/// The budget of one bucket.
#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    limit: Option<u64>,
    remaining: Option<u64>,
    window: Window,
    others: Others,
    pacing: Pacing,
    blocked_until: Option<Instant>,
    /// 429s in a row that did not say until when.
    unexplained: u32,
    random: fastrand::Rng,
}

impl Budget {
    /// A budget that uses at most `share` of the bucket.
    pub(super) fn new(share: f64, seed: u64) -> Self {
        Self {
            share,
            limit: None,
            remaining: None,
            window: Window::default(),
            others: Others::default(),
            pacing: Pacing::default(),
            blocked_until: None,
            unexplained: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes one request out of the budget, or says until when to wait before asking again. Each request that was
    /// admitted ends with [`Budget::observe`], [`Budget::refuse`] or [`Budget::give_up`].
    pub(super) fn admit(&mut self, priority: Priority, now: Instant) -> Result<(), Instant> {
        if self.window.roll(now) {
            self.others.roll();
            self.remaining = None;
        }
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return Err(until);
        }
        self.blocked_until = None;
        if let Some(limit) = self.limit {
            self.admit_within(limit, priority, now)?;
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
        self.window.depart(now);
        Ok(())
    }

    fn admit_within(&mut self, limit: u64, priority: Priority, now: Instant) -> Result<(), Instant> {
        let used = self.window.used();
        if used >= self.allowed(limit) || self.remaining == Some(0) {
            let until = self.window.end(now) + self.jitter(AFTER_RESET * 10);
            self.blocked_until = Some(until);
            return Err(until);
        }
        let left = self.window.left(now);
        let allowance = self.allowance(limit, priority, left);
        if used >= allowance {
            return Err(now + RECONSIDER.min(left.max(AFTER_RESET / 10)));
        }
        self.pacing.admit(allowance, allowance - used, left, now)?;
        self.pacing.take();
        Ok(())
    }

    /// Learns from the headers of an answer that was not a 429.
    pub(super) fn observe(&mut self, headers: RateLimit, now: Instant) {
        self.unexplained = 0;
        self.learn(headers, now);
    }

    /// Learns from a 429 and returns how long nothing may be asked.
    pub(super) fn refuse(&mut self, headers: RateLimit, now: Instant) -> Duration {
        self.learn(headers, now);
        let wait = match headers.until_reset() {
            Some(until_reset) if !headers.is_concurrency() => {
                self.unexplained = 0;
                until_reset + AFTER_RESET
            }
            _ => {
                let doubled = BACKOFF_FIRST.saturating_mul(1 << self.unexplained.min(10));
                self.unexplained += 1;
                doubled.min(BACKOFF_MAX)
            }
        };
        let wait = wait + self.jitter(wait);
        self.blocked_until = Some(now + wait);
        wait
    }

    /// A request that was admitted has brought no answer.
    pub(super) fn give_up(&mut self) {
        self.window.lose();
    }

    /// How the budget stands.
    pub(super) fn status(&self, now: Instant) -> BudgetStatus {
        BudgetStatus {
            limit: self.limit,
            remaining: self.remaining,
            allowed: self.limit.map(|limit| self.allowed(limit)),
            used: self.window.used(),
            others: self.others.taken(),
            waiting: self.blocked_until.map(|until| until - now).filter(|wait| !wait.is_zero()),
        }
    }

    fn learn(&mut self, headers: RateLimit, now: Instant) {
        let limit = headers.limit.filter(|limit| *limit > 0);
        self.limit = limit.or(self.limit);
        if let (Some(limit), Some(until_reset)) = (limit, headers.until_reset()) {
            let seen = self.window.observe(until_reset, now);
            if seen == Seen::Next {
                self.others.roll();
            }
            if seen != Seen::Past {
                self.remaining = headers.remaining;
                let gone = headers.remaining.map_or(0, |remaining| limit.saturating_sub(remaining));
                self.others.observe(gone, self.window.used(), self.window.left(now));
            }
        }
        self.window.arrive();
    }

    /// At least one request a window, or nothing would ever move.
    fn allowed(&self, limit: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "limits are small and the share is between 0 and 1"
        )]
        let allowed = (limit as f64 * self.share) as u64;
        allowed.max(1)
    }

    /// What of the share may be used by now: less where others will need it, and less for what is not a stream.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "limits are small, and a cast from a negative number gives 0"
    )]
    fn allowance(&self, limit: u64, priority: Priority, left: Duration) -> u64 {
        let allowed = self.allowed(limit);
        let others = self.others.expected(left);
        let margin = if others > 0.0 { limit as f64 * MARGIN } else { 0.0 };
        let room = (limit as f64 - others - margin) as u64;
        let ours = room.clamp((allowed / YIELD_MAX).max(1), allowed);
        if priority == Priority::Stream {
            return ours;
        }
        let part = (RESERVE * left.as_secs_f64() / window::LENGTH.as_secs_f64()).max(LAST_RESERVE);
        ours - (ours as f64 * part) as u64
    }

    fn jitter(&mut self, of: Duration) -> Duration {
        of.mul_f64(JITTER * self.random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: u64, remaining: u64, reset_in: i64) -> RateLimit {
        let server = 1_700_000_000;
        RateLimit {
            limit: Some(limit),
            remaining: Some(remaining),
            reset_epoch_seconds: Some(u64::try_from(server + reset_in).unwrap()),
            server_epoch_seconds: Some(u64::try_from(server).unwrap()),
        }
    }

    #[test]
    fn a_429_waits_for_the_reset_by_the_servers_clock() {
        let mut budget = Budget::new(0.5, 1);
        let now = Instant::now();
        let wait = budget.refuse(headers(120, 0, 30), now);
        assert!((31.0..=34.2).contains(&wait.as_secs_f64()), "{wait:?}");
        assert_eq!(budget.admit(Priority::Stream, now + Duration::from_secs(30)), Err(now + wait));
        assert_eq!(budget.admit(Priority::Stream, now + wait), Ok(()));
    }

    #[test]
    fn a_429_that_says_nothing_backs_off_boundedly() {
        let absent = RateLimit::default();
        let past = headers(120, 0, -5);
        let absurd = headers(120, 0, 86_400);
        let concurrency = headers(0, 0, 60);
        for unexplained in [absent, past, absurd, concurrency] {
            let mut budget = Budget::new(0.5, 1);
            let waits: Vec<_> = (0..12).map(|_| budget.refuse(unexplained, Instant::now())).collect();
            assert!(waits[0] <= Duration::from_millis(1_100), "{unexplained:?} {waits:?}");
            assert!(waits[4] > waits[0] && waits[11] <= Duration::from_secs(33), "{unexplained:?} {waits:?}");
            budget.observe(headers(120, 100, 30), Instant::now());
            assert!(budget.refuse(unexplained, Instant::now()) <= Duration::from_millis(1_100));
        }
    }

    #[test]
    fn an_empty_bucket_is_waited_for_even_if_others_emptied_it() {
        let mut budget = Budget::new(0.5, 1);
        let now = Instant::now();
        assert_eq!(budget.admit(Priority::Stream, now), Ok(()));
        budget.observe(headers(120, 0, 20), now);
        let until = budget.admit(Priority::Stream, now).unwrap_err();
        assert!(until >= now + Duration::from_secs(21));
        assert_eq!(budget.admit(Priority::Stream, until), Ok(()));
    }

    #[test]
    fn answers_without_headers_and_generous_limits_hold_nothing_up() {
        for headers in [RateLimit::default(), headers(1_000_000, 999_999, 30)] {
            let mut budget = Budget::new(1.0, 1);
            for _ in 0..10_000 {
                assert_eq!(budget.admit(Priority::Stream, Instant::now()), Ok(()));
                budget.observe(headers, Instant::now());
            }
        }
    }

    #[test]
    fn a_limit_without_a_window_is_kept_and_does_not_stop_us() {
        let only_limit = RateLimit { limit: Some(20), ..RateLimit::default() };
        let mut budget = Budget::new(0.5, 1);
        let start = Instant::now();
        let (mut now, mut admitted) = (start, 0);
        while now < start + Duration::from_secs(600) {
            match budget.admit(Priority::Stream, now) {
                Ok(()) => {
                    admitted += 1;
                    budget.observe(only_limit, now);
                }
                Err(until) => {
                    assert!(until > now, "no progress");
                    now = until;
                }
            }
        }
        assert!((50..=100).contains(&admitted), "{admitted} in ten minutes");
    }

    #[test]
    fn a_poll_now_and_then_goes_at_once() {
        let mut budget = Budget::new(0.5, 1);
        let start = Instant::now();
        for second in 0..600 {
            if second % 10 != 0 {
                continue;
            }
            let now = start + Duration::from_secs(second);
            assert_eq!(budget.admit(Priority::Stream, now), Ok(()), "second {second}");
            let reset_in = 60 - i64::try_from(second % 60).unwrap();
            budget.observe(headers(20, 19 - second % 60 / 10, reset_in), now);
        }
    }
}
