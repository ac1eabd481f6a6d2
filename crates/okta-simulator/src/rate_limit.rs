//! A rate-limit bucket as Okta describes it: a fixed window of a minute that is not aligned to the
//! wall clock.

use std::sync::{Mutex, PoisonError};

/// How long a window lasts.
pub(super) const WINDOW_MS: i64 = 60_000;

/// A bucket of requests a minute.
#[derive(Debug)]
pub(super) struct RateLimit {
    limit: u32,
    anchor_ms: i64,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    number: i64,
    used: u32,
}

/// What the `X-Rate-Limit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// When the window ends, in epoch seconds.
    pub(super) reset_s: i64,
}

impl RateLimit {
    /// A bucket whose windows begin at `anchor_ms`.
    pub(super) fn new(limit: u32, anchor_ms: i64) -> Self {
        Self { limit, anchor_ms, window: Mutex::default() }
    }

    /// Takes one request, or says that none is left.
    pub(super) fn take(&self, now_ms: i64) -> Result<Quota, Quota> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.advance(self.number(now_ms));
        if window.used >= self.limit {
            return Err(self.quota(&window));
        }
        window.used += 1;
        Ok(self.quota(&window))
    }

    /// Takes up to `count` requests; returns how many there were.
    pub(super) fn take_many(&self, count: u32, now_ms: i64) -> u32 {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.advance(self.number(now_ms));
        let taken = count.min(self.limit - window.used);
        window.used += taken;
        taken
    }

    /// What is left, without taking any.
    pub(super) fn peek(&self, now_ms: i64) -> Quota {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.advance(self.number(now_ms));
        self.quota(&window)
    }

    fn number(&self, now_ms: i64) -> i64 {
        (now_ms - self.anchor_ms).div_euclid(WINDOW_MS)
    }

    fn quota(&self, window: &Window) -> Quota {
        let end_ms = self.anchor_ms + (window.number + 1) * WINDOW_MS;
        Quota { limit: self.limit, remaining: self.limit - window.used, reset_s: end_ms.div_euclid(1000) }
    }
}

impl Window {
    fn advance(&mut self, number: i64) {
        if self.number != number {
            *self = Self { number, used: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_runs_out_and_comes_back() {
        let bucket = RateLimit::new(2, 17_000);
        let quota = bucket.take(20_000).unwrap();
        assert_eq!(quota, Quota { limit: 2, remaining: 1, reset_s: 77 });
        assert_eq!(bucket.take(21_000).unwrap().remaining, 0);
        assert_eq!(bucket.take(76_999).unwrap_err(), Quota { limit: 2, remaining: 0, reset_s: 77 });
        assert_eq!(bucket.take(77_000).unwrap().remaining, 1);
        assert_eq!(bucket.peek(77_001).remaining, 1);
    }
}
