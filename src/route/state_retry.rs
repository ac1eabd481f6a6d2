//! Reads and commits of the state, repeated as long as the disk is full or read-only: the route waits until it works again.

use std::{future::Future, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{RouteError, status::RouteStatus};
use crate::{
    halt::Halt,
    retry::{RetryPolicy, retry_until},
    state::{StateClass, StateError},
    telemetry::{chain, metrics},
};

/// Repeats what needs the state, until `stop`.
#[derive(Debug, Clone)]
pub(crate) struct StateRetry {
    pub(crate) status: Arc<RouteStatus>,
    pub(crate) stop: CancellationToken,
}

impl StateRetry {
    /// Calls `attempt`, which reads or commits, as often as it takes, with the same record each time, so that an attempt that
    /// got through although it was not acknowledged is recognised.
    pub(crate) async fn run<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Halt<RouteError>>
    where
        F: Future<Output = Result<T, StateError>>,
    {
        let mut backoff = RetryPolicy::STATE.backoff();
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
        let kept = kept.await?.map_err(RouteError::from)?;
        if self.status.state_recovered() {
            tracing::info!(route = self.status.name(), "the state can be written again");
        }
        Ok(kept)
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
