//! The other users of the bucket: how much of it they will have used by the end of the window.
//!
//! Headers say how many requests remain. Used requests that we did not send were sent by others.

use std::time::Duration;

use super::window::LENGTH;

/// No rate is derived from less than this part of a window: one early request is no trend.
const ELAPSED_MIN: Duration = Duration::from_secs(15);
/// The weight of a quieter window in the average. A busier one counts at once: room is left quickly and taken back
/// slowly.
const WEIGHT: f64 = 0.5;

/// What is known about the other users.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Requests of others in this window.
    taken: u64,
    /// The number expected at its end, by the last answer: there may be no answer near the end.
    projected: f64,
    /// The usual number in a window.
    usual: f64,
}

impl Others {
    /// An answer says that `gone` requests of the window are gone, of which `ours` were ours at most, with `left` of the
    /// window left.
    pub(super) fn observe(&mut self, gone: u64, ours: u64, left: Duration) {
        self.taken = self.taken.max(gone.saturating_sub(ours));
        self.projected = self.at_end(left, self.rate(left));
    }

    /// A window has ended.
    pub(super) fn roll(&mut self) {
        self.usual = self.projected.max(WEIGHT.mul_add(self.projected - self.usual, self.usual));
        self.taken = 0;
        self.projected = 0.0;
    }

    /// Requests of theirs in this window so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many they will have made by the end of a window of which `left` is left: what they did, and then as fast
    /// as they have been in this window or usually are.
    pub(super) fn expected(&self, left: Duration) -> f64 {
        self.at_end(left, self.rate(left).max(self.usual / LENGTH.as_secs_f64()))
    }

    /// Requests of theirs a second in this window.
    #[expect(clippy::cast_precision_loss, reason = "requests a minute are few")]
    fn rate(&self, left: Duration) -> f64 {
        let elapsed = LENGTH.saturating_sub(left).max(ELAPSED_MIN);
        self.taken as f64 / elapsed.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "requests a minute are few")]
    fn at_end(&self, left: Duration, rate: f64) -> f64 {
        rate.mul_add(left.as_secs_f64(), self.taken as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_do_is_expected_to_go_on() {
        let mut others = Others::default();
        assert!(others.expected(LENGTH) < 0.01);
        others.observe(40, 10, LENGTH / 2);
        assert_eq!(others.taken(), 30);
        assert!((others.expected(LENGTH / 2) - 60.0).abs() < 0.1);
        assert!((others.expected(Duration::ZERO) - 30.0).abs() < 0.1);
        others.roll();
        assert!(
            (others.expected(LENGTH) - 60.0).abs() < 0.1,
            "what was usual counts before anything happens"
        );
        others.roll();
        assert!((others.expected(LENGTH) - 30.0).abs() < 0.1, "and is forgotten slowly");
    }
}
