//! The budget: how many requests of one rate-limit bucket we may make now.
//!
//! Planned from Okta's headers and Okta's clock, so that a wrong clock here does no harm. Pure: is told the time, and
//! returns until when to wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::metrics;

/// What the headers of one answer say of the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RateLimit {
    pub(super) limit: Option<u64>,
    pub(super) remaining: Option<u64>,
    pub(super) reset_epoch_seconds: Option<u64>,
    pub(super) server_epoch_seconds: Option<u64>,
}

impl RateLimit {
    /// How long until the bucket is full again, by the server's clock: Okta's windows last a minute, so anything
    /// beyond is nonsense, and a reset that is past or missing says nothing.
    fn until_reset(&self) -> Option<Duration> {
        let seconds = self.reset_epoch_seconds?.checked_sub(self.server_epoch_seconds?)?;
        (1..=2 * WINDOW.as_secs()).contains(&seconds).then(|| Duration::from_secs(seconds))
    }

    /// A 429 with a limit of zero tells of too many requests at once, not of an empty bucket.
    fn is_concurrency(&self) -> bool {
        self.limit == Some(0)
    }
}

/// How the budget stands, for metrics and people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetStatus {
    /// Requests that the bucket allows in a window, as Okta last said.
    pub limit: Option<u64>,
    /// Requests that were left, as Okta last said.
    pub remaining: Option<u64>,
    /// Requests that we may make in a window.
    pub allowed: Option<u64>,
    /// Requests that we made in this window.
    pub used: u64,
    /// How long we wait, if we do.
    pub waiting: Option<Duration>,
}

impl BudgetStatus {
    /// Sets the gauges of `org`.
    pub fn report(&self, org: &str) {
        metrics::budget(org, self.limit, self.remaining, self.allowed, self.used);
    }
}

/// Windows last a minute (not aligned to the clock's minutes).
const WINDOW: Duration = Duration::from_secs(60);
/// Okta's own SDKs wait a second beyond the reset.
const AFTER_RESET: Duration = Duration::from_secs(1);
/// The first and the longest wait after a 429 that does not say until when.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Waits are lengthened by up to this part, so that several daemons do not return together.
const JITTER: f64 = 0.1;

/// The budget of one bucket.
#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    limit: Option<u64>,
    remaining: Option<u64>,
    used: u64,
    /// When the window that `used` and `remaining` speak of ends.
    window_end: Option<Instant>,
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
            used: 0,
            window_end: None,
            blocked_until: None,
            unexplained: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes one request out of the budget, or says until when to wait before asking again.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Instant> {
        self.roll_window(now);
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return Err(until);
        }
        if self.is_exhausted() {
            let end = self.window_end.unwrap_or(now + WINDOW);
            let until = end + AFTER_RESET + self.jitter(AFTER_RESET * 10);
            self.blocked_until = Some(until);
            return Err(until);
        }
        self.blocked_until = None;
        self.used += 1;
        Ok(())
    }

    /// Learns from the headers of an answer that was not a 429.
    pub(super) fn observe(&mut self, headers: RateLimit, now: Instant) {
        self.unexplained = 0;
        let Some(limit) = headers.limit.filter(|limit| *limit > 0) else { return };
        self.limit = Some(limit);
        let Some(until_reset) = headers.until_reset() else { return };
        let end = now + until_reset;
        // Whole seconds and travel times move the end about; a new window ends well after the last one.
        let is_new = self.window_end.is_none_or(|known| end > known + Duration::from_secs(5));
        if is_new {
            self.used = self.used.min(1);
        }
        self.window_end = Some(end);
        self.remaining = headers.remaining;
    }

    /// Learns from a 429 and returns how long nothing may be asked.
    pub(super) fn refuse(&mut self, headers: RateLimit, now: Instant) -> Duration {
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

    /// How the budget stands.
    pub(super) fn status(&self, now: Instant) -> BudgetStatus {
        BudgetStatus {
            limit: self.limit,
            remaining: self.remaining,
            allowed: self.limit.map(|limit| self.allowed(limit)),
            used: self.used,
            waiting: self.blocked_until.map(|until| until - now).filter(|wait| !wait.is_zero()),
        }
    }

    fn roll_window(&mut self, now: Instant) {
        if self.window_end.is_some_and(|end| end <= now) {
            self.window_end = None;
            self.remaining = None;
            self.used = 0;
        }
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

    fn is_exhausted(&self) -> bool {
        let is_used_up = self.limit.is_some_and(|limit| self.used >= self.allowed(limit));
        is_used_up || (self.window_end.is_some() && self.remaining == Some(0))
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
    fn never_more_than_the_share_in_a_window() {
        // A server that counts, whose windows begin anywhere, and whose other users take what they like.
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let limit = random.u64(1..300);
            let share = f64::from(random.u8(1..=100)) / 100.0;
            let allowed = ((limit as f64 * share) as u64).max(1);
            let mut budget = Budget::new(share, seed);
            let start = Instant::now();
            let phase = Duration::from_millis(random.u64(0..60_000));
            let mut now = start;
            let mut counts = std::collections::BTreeMap::<u64, u64>::new();
            while now < start + Duration::from_secs(600) {
                if let Err(until) = budget.admit(now) {
                    assert!(until > now && until - now <= Duration::from_secs(130), "seed {seed}");
                    now = until;
                    continue;
                }
                let since = (now + phase - start).as_millis();
                let window = u64::try_from(since / 60_000).unwrap();
                let count = counts.entry(window).or_default();
                *count += 1;
                let left = Duration::from_millis(60_000 - u64::try_from(since % 60_000).unwrap());
                let reset_in = i64::try_from(left.as_secs() + 1).unwrap();
                budget.observe(headers(limit, limit.saturating_sub(*count), reset_in), now);
                now += Duration::from_millis(random.u64(0..400));
            }
            assert!(counts.len() >= 9, "seed {seed}: windows were left out");
            let most = counts.values().max().copied().unwrap_or_default();
            assert!(most <= allowed, "seed {seed}: {most} of {allowed}");
        }
    }

    #[test]
    fn a_429_waits_for_the_reset_by_the_servers_clock() {
        let mut budget = Budget::new(0.5, 1);
        let now = Instant::now();
        let wait = budget.refuse(headers(120, 0, 30), now);
        assert!((31.0..=34.2).contains(&wait.as_secs_f64()), "{wait:?}");
        assert_eq!(budget.admit(now + Duration::from_secs(30)), Err(now + wait));
        assert_eq!(budget.admit(now + wait), Ok(()));
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
        assert_eq!(budget.admit(now), Ok(()));
        budget.observe(headers(120, 0, 20), now);
        let until = budget.admit(now).unwrap_err();
        assert!(until >= now + Duration::from_secs(21));
        assert_eq!(budget.admit(until), Ok(()));
    }

    #[test]
    fn answers_without_headers_hold_nothing_up() {
        let mut budget = Budget::new(0.5, 1);
        for _ in 0..1_000 {
            assert_eq!(budget.admit(Instant::now()), Ok(()));
            budget.observe(RateLimit::default(), Instant::now());
        }
    }
}
