//! Trying again: how long to wait after each failure in a row, and the loop that does so until an attempt works.

use std::{future::Future, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::halt::Stopped;

/// The random part of each wait, so that clients that failed together do not retry together.
const JITTER: f64 = 0.5;

/// How long the waits are: they double from the first to the longest, and the second half of each is random (jitter).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    first: Duration,
    longest: Duration,
}

/// Waits that grow with each failure in a row.
#[derive(Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    failures: u32,
    random: fastrand::Rng,
}

impl RetryPolicy {
    /// Okta fails in a way that may pass by itself.
    pub(crate) const OKTA: Self = Self::of_secs(1, 60);
    /// An operator must act on the error of Okta. Short enough to notice soon that it is mended.
    pub(crate) const OKTA_ATTENTION: Self = Self::of_secs(5, 30);
    /// Okta refuses one link after another.
    pub(crate) const OKTA_LINK: Self = Self::of_secs(5, 60);
    /// A sink cannot be opened, recovered or handed messages.
    pub(crate) const SINK: Self = Self::of_secs(1, 30);
    /// The state cannot be read or written.
    pub(crate) const STATE: Self = Self::of_secs(1, 10);
    /// The window of a search cannot be kept on the disk.
    pub(crate) const SPOOL: Self = Self::of_secs(1, 30);
    /// Something other than Okta that a command needs fails: its queue, the bus of outcomes, the disk.
    pub(crate) const COMMANDS: Self =
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30) };
    /// The members of a group cannot be counted for a limit.
    pub(crate) const MEMBER_COUNT: Self = Self::of_secs(1, 30);
    /// A queue on a bus cannot be read, or takes no message of the command line.
    pub(crate) const QUEUE: Self =
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(10) };
    /// A loop of the daemon panicked.
    pub(crate) const RESTART: Self = Self::of_secs(1, 60);

    /// Waits from `first` to `longest` seconds.
    const fn of_secs(first: u64, longest: u64) -> Self {
        Self { first: Duration::from_secs(first), longest: Duration::from_secs(longest) }
    }

    /// The longest wait.
    #[cfg(feature = "nats")]
    pub(crate) const fn longest(self) -> Duration {
        self.longest
    }

    /// Waits by this policy, before any failure.
    pub fn backoff(self) -> Backoff {
        self.backoff_from(fastrand::u64(..))
    }

    /// Waits whose jitter comes from `seed`.
    pub fn backoff_from(self, seed: u64) -> Backoff {
        Backoff { policy: self, failures: 0, random: fastrand::Rng::with_seed(seed) }
    }
}

impl Backoff {
    /// The wait after one more failure: between half and the whole of the doubled time.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.policy.first.saturating_mul(1 << self.failures.min(20));
        self.failures += 1;
        doubled.min(self.policy.longest).mul_f64(1.0 - JITTER + JITTER * self.random.f64())
    }

    /// Waits after one more failure, but not beyond `stop`. For attempts that must hold nothing during the wait;
    /// [`retry_until`] serves all others.
    pub(crate) async fn wait(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        self.wait_at_least(Duration::ZERO, stop).await
    }

    /// Like [`Self::wait`], but no shorter than `at_least`, which the other side asked for.
    pub(crate) async fn wait_at_least(
        &mut self,
        at_least: Duration,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let wait = tokio::time::sleep(self.next_wait().max(at_least));
        stop.run_until_cancelled(wait).await.ok_or(Stopped)
    }

    /// Something worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Repeats `attempt` until it succeeds, without a limit; `tell` is called with each failure, so that it can be
/// reported. Ends without a wait after `stop`; an attempt in progress is completed.
pub(crate) async fn retry_until<T, E, F>(
    backoff: &mut Backoff,
    stop: &CancellationToken,
    mut attempt: impl FnMut() -> F,
    mut tell: impl FnMut(&E),
) -> Result<T, Stopped>
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(err) => tell(&err),
        }
        backoff.wait(stop).await?;
    }
}

/// Like [`retry_until`], for callers whose task is dropped when it must stop.
pub(crate) async fn retry<T, E, F>(
    backoff: &mut Backoff,
    mut attempt: impl FnMut() -> F,
    mut tell: impl FnMut(&E),
) -> T
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(err) => tell(&err),
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy::of_secs(1, 30);

    #[test]
    fn waits_grow_up_to_the_cap_and_begin_anew() {
        let mut backoff = POLICY.backoff();
        let waits: Vec<_> = (0..100).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= Duration::from_secs(1) && waits[0] >= Duration::from_millis(500));
        assert!(waits[3] > waits[0]);
        assert!(waits[99] <= Duration::from_secs(30) && waits[99] >= Duration::from_secs(15));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_until_it_works_and_each_failure_is_told() {
        let (mut attempts, mut told) = (0, Vec::new());
        let attempt = || {
            attempts += 1;
            std::future::ready(if attempts < 4 { Err(attempts) } else { Ok("done") })
        };
        let stop = CancellationToken::new();
        let done = retry_until(&mut POLICY.backoff(), &stop, attempt, |failed| told.push(*failed)).await;
        assert_eq!((done, told), (Ok("done"), vec![1, 2, 3]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_and_not_the_attempt() {
        let stop = CancellationToken::new();
        stop.cancel();
        let done = retry_until(&mut POLICY.backoff(), &stop, async || Ok::<_, ()>(1), |()| {}).await;
        assert_eq!(done, Ok(1));
        let done = retry_until(&mut POLICY.backoff(), &stop, async || Err::<(), _>(()), |()| {}).await;
        assert_eq!(done, Err(Stopped));
    }
}
