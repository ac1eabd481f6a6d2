//! Commits that take as long as they take: a disk that is full or read-only holds the route up until it works again.

use std::{future::Future, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{retry::retry_until, status::RouteStatus};
use crate::{
    source::Backoff,
    state::{StateClass, StateError},
    telemetry::{chain, metrics},
};

/// The first and the longest wait between attempts to commit.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Whether a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what was not committed must not be taken for done"]
pub(crate) enum Committed {
    Yes,
    /// It was told to stop while the disk did not work.
    GivenUp,
}

/// Who commits, and until when.
#[derive(Debug, Clone)]
pub(crate) struct Durable {
    pub(crate) status: Arc<RouteStatus>,
    pub(crate) stop: CancellationToken,
}

impl Durable {
    /// Calls `attempt`, which reads or commits, as often as it takes, with the same record each time, so that an attempt that got through although
    /// it was not acknowledged is recognised. None: told to stop.
    pub(crate) async fn keep<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<Option<T>, StateError>
    where
        F: Future<Output = Result<T, StateError>>,
    {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        let attempt = || {
            let attempt = attempt();
            async {
                match attempt.await {
                    Err(err) if err.class() == StateClass::Transient => Err(err),
                    kept => Ok(kept),
                }
            }
        };
        let kept = retry_until(&mut backoff, &self.stop, attempt, |err| self.report(err));
        let Some(kept) = kept.await else { return Ok(None) };
        let kept = kept?;
        if self.status.state_recovered() {
            tracing::info!(route = self.status.name(), "the state can be written again");
        }
        Ok(Some(kept))
    }

    fn report(&self, err: &StateError) {
        metrics::state_failure(self.status.name());
        if self.status.state_failed(&chain(err)) {
            tracing::error!(
                route = self.status.name(),
                error = chain(err),
                "what is delivered cannot be kept, so the route does not move; trying again"
            );
        }
    }
}
