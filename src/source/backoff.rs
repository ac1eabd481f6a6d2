//! How long to wait after a failure: doubling, capped, with jitter.

use std::time::Duration;

/// Waits that grow with each failure in a row.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
    random: fastrand::Rng,
}

impl Backoff {
    /// Waits that begin at `first` and never exceed `max`.
    pub fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self { first, max, failures: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// The wait after one more failure: between half and the whole of the doubled time.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures += 1;
        doubled.min(self.max).mul_f64(0.5 + 0.5 * self.random.f64())
    }

    /// Something worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), 1);
        let waits: Vec<_> = (0..100).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= Duration::from_secs(1) && waits[0] >= Duration::from_millis(500));
        assert!(waits[3] > waits[0]);
        assert!(waits[99] <= Duration::from_secs(30) && waits[99] >= Duration::from_secs(15));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_secs(1));
    }
}
