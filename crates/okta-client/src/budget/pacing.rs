//! Spreading: a few requests may go at once, and the rest of the share is spread over what is left of the window.
//!
//! A stream that polls now and then is not delayed. A backlog uses the credit and then continues evenly, so that it does
//! not empty the bucket at the beginning of each window, and has used the whole share at its end.

use std::time::Duration;

use tokio::time::Instant;

/// The part of the share that may be sent at once after a pause.
const CREDIT: f64 = 0.25;
/// The share should be used up this long before the window's end as we know it, which may be as much too late.
const EARLY: Duration = Duration::from_secs(2);
/// The end is never taken to be nearer than this, to keep the division bounded.
const LEFT_MIN: Duration = Duration::from_millis(100);

/// The requests that may be sent now; they increase with time.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// Set by the first paced request.
    state: Option<(f64, Instant)>,
}

impl Pacing {
    /// Whether one of `left_requests` may go now, with `left` of the window left and `allowed` for the whole of it;
    /// otherwise when to ask again. The caller calls [`Pacing::take`] if it does go.
    #[expect(clippy::cast_precision_loss, reason = "requests a minute are few")]
    pub(super) fn admit(
        &mut self,
        allowed: u64,
        left_requests: u64,
        left: Duration,
        now: Instant,
    ) -> Result<(), Instant> {
        let credit_max = (allowed as f64 * CREDIT).max(1.0);
        let rate = left_requests as f64 / left.saturating_sub(EARLY).max(LEFT_MIN).as_secs_f64();
        let (credit, at) = self.state.unwrap_or((credit_max, now));
        let credit = rate.mul_add((now - at).as_secs_f64(), credit).min(credit_max);
        self.state = Some((credit, now));
        if credit >= 1.0 {
            return Ok(());
        }
        let wait = ((1.0 - credit) / rate.max(f64::MIN_POSITIVE)).min(left.max(LEFT_MIN).as_secs_f64());
        // Rounded up: too early would only ask again.
        Err(now + Duration::from_secs_f64(wait) + Duration::from_millis(1))
    }

    /// A request was sent.
    pub(super) fn take(&mut self) {
        if let Some((credit, _)) = &mut self.state {
            *credit -= 1.0;
        }
    }
}
