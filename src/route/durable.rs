//! Commits that take as long as they take: a disk that is full or read-only holds the route up until it works again.

use std::{future::Future, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::status::RouteStatus;
use crate::{
    state::{StateClass, StateError},
    stream::Backoff,
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
    /// Calls `attempt` as often as it takes, with the same record each time, so that an attempt that got through although
    /// it was not acknowledged is recognised. None: told to stop.
    pub(crate) async fn keep<F>(&self, mut attempt: impl FnMut() -> F) -> Result<Option<u64>, StateError>
    where
        F: Future<Output = Result<u64, StateError>>,
    {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        let generation = loop {
            match attempt().await {
                Ok(generation) => break generation,
                Err(err) if err.class() == StateClass::Transient => self.report(&err),
                Err(err) => return Err(err),
            }
            let wait = tokio::time::sleep(backoff.next_wait());
            if self.stop.run_until_cancelled(wait).await.is_none() {
                return Ok(None);
            }
        };
        if self.status.state_recovered() {
            tracing::info!(route = self.status.name(), "the state can be written again");
        }
        Ok(Some(generation))
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
