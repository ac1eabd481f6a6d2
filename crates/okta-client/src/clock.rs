//! Okta's clock: the last `Date` header of its answers, advanced by the monotonic clock. So it stays right when this
//! machine's clock is changed. After a suspend of the machine, during which the monotonic clock
//! stops, it is behind until the next answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

/// Okta's clock, as far as it is known. Before the first answer it is this machine's.
#[derive(Debug, Default)]
pub(super) struct OktaClock {
    told: Mutex<Option<Moment>>,
}

/// A time on Okta's clock, as it was known then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Seconds since 1970.
    pub(super) epoch_s: i64,
    at: Instant,
}

impl OktaClock {
    /// Takes the current time at Okta, in seconds since 1970.
    pub(super) fn learn(&self, epoch_s: i64) {
        *self.told() = Some(Moment { epoch_s, at: Instant::now() });
    }

    /// The current time.
    pub(super) fn now(&self) -> Moment {
        let at = Instant::now();
        let epoch_s = match *self.told() {
            Some(told) => told.epoch_s.saturating_add(whole_seconds(at, told.at)),
            None => Timestamp::now().as_second(),
        };
        Moment { epoch_s, at }
    }

    /// Seconds by which it is ahead of this machine's clock.
    pub(super) fn ahead_s(&self) -> i64 {
        self.now().epoch_s.saturating_sub(Timestamp::now().as_second())
    }

    /// The error of `then` in seconds, as it is known now.
    pub(super) fn error_s(&self, then: Moment) -> u64 {
        let now = self.now();
        now.epoch_s.abs_diff(then.epoch_s.saturating_add(whole_seconds(now.at, then.at)))
    }

    fn told(&self) -> MutexGuard<'_, Option<Moment>> {
        // No code panics while it holds the lock.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole_seconds(later: Instant, earlier: Instant) -> i64 {
    i64::try_from(later.saturating_duration_since(earlier).as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_by_itself_from_what_okta_said() {
        let clock = OktaClock::default();
        assert!(clock.ahead_s().abs() <= 1);
        clock.learn(1_000);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(clock.now().epoch_s, 1_061);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_before_a_correction_was_wrong_by_so_much() {
        let clock = OktaClock::default();
        clock.learn(1_000);
        let then = clock.now();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.error_s(then), 0);
        clock.learn(4_610);
        assert_eq!(clock.error_s(then), 3_600);
    }
}
