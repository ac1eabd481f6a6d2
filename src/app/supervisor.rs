//! The tasks of all loops: started again if they panic, stopped together, drained within the grace period. Does not
//! know what a loop does.

use std::{collections::BTreeMap, future::Future, time::Duration};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{AppError, Until, loops::Loop};
use crate::{
    halt::Halt,
    retry::{Backoff, RetryPolicy},
    telemetry::{chain, metrics},
};

/// Runs the routes until they end; once `shutdown` resolves they have `grace` to do so.
pub(super) async fn supervise(
    mut supervisor: Supervisor,
    shutdown: impl Future<Output = ()>,
    stop: &CancellationToken,
    grace: Duration,
) -> Result<(), AppError> {
    tokio::select! {
        () = supervisor.run() => return supervisor.outcome(),
        () = shutdown => {}
        // A route that fails stops the others, with the same grace period as a signal.
        () = stop.cancelled() => {}
    }
    tracing::info!(grace_s = grace.as_secs(), "stopping: what is in flight is being delivered");
    stop.cancel();
    if tokio::time::timeout(grace, supervisor.run()).await.is_err() {
        tracing::warn!("the grace period is over: what was in flight will be delivered after the next start");
        supervisor.tasks.shutdown().await;
    }
    supervisor.outcome()
}

/// The tasks of all routes.
pub(super) struct Supervisor {
    tasks: JoinSet<Result<(), Halt<AppError>>>,
    running: BTreeMap<Id, Supervised>,
    until: Until,
    stop: CancellationToken,
    /// The error of the first route that failed.
    failure: Option<AppError>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Supervisor").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// A route, with its restarts.
struct Supervised {
    route: Loop,
    restarts: Backoff,
}

impl Supervisor {
    pub(super) fn new(routes: &[Loop], until: Until, stop: CancellationToken) -> Self {
        let mut supervisor =
            Self { tasks: JoinSet::new(), running: BTreeMap::new(), until, stop, failure: None };
        for route in routes {
            if until == Until::CaughtUp && route.is_endless() {
                tracing::warn!(
                    commands = route.name(),
                    "commands are not executed in a run that ends when it has caught up: nothing is read from their queue"
                );
                route.end();
                continue;
            }
            let restarts = RetryPolicy::RESTART.backoff();
            supervisor.spawn(Supervised { route: route.clone(), restarts }, Duration::ZERO);
        }
        supervisor
    }

    fn spawn(&mut self, supervised: Supervised, delay: Duration) {
        let (route, stop, until) = (supervised.route.clone(), self.stop.clone(), self.until);
        let task = self.tasks.spawn(async move {
            if stop.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                return Err(Halt::Stopped);
            }
            route.run(&stop, until == Until::CaughtUp).await
        });
        self.running.insert(task.id(), supervised);
    }

    /// Waits for all routes. May be dropped and called again. The first route that fails stops the others.
    async fn run(&mut self) {
        while let Some(joined) = self.tasks.join_next_with_id().await {
            match joined {
                Ok((id, Ok(()))) => {
                    if let Some(route) = self.ended(id) {
                        tracing::info!(route = route.name(), "the route has delivered all that Okta had");
                    }
                }
                Ok((id, Err(Halt::Stopped))) => drop(self.ended(id)),
                Ok((_, Err(Halt::Failed(err)))) => {
                    tracing::error!(error = chain(&err), "a route cannot go on; stopping");
                    self.stop.cancel();
                    self.failure = Some(err);
                }
                Err(err) => self.panicked(&err),
            }
        }
    }

    fn outcome(self) -> Result<(), AppError> {
        self.failure.map_or(Ok(()), Err)
    }

    fn ended(&mut self, id: Id) -> Option<Loop> {
        let route = self.running.remove(&id)?.route;
        route.end();
        Some(route)
    }

    /// A panic is a bug in one route; the others must not suffer from it, and nothing is lost by beginning at the
    /// cursor again.
    fn panicked(&mut self, err: &JoinError) {
        let Some(mut supervised) = self.running.remove(&err.id()) else { return };
        let name = supervised.route.name();
        metrics::panic(name);
        let wait = supervised.restarts.next_wait();
        tracing::error!(route = name, error = %err, wait_ms = wait.as_millis(), "a route panicked: this is a bug; starting it again");
        self.spawn(supervised, wait);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::{route::RouteError, state::StateError};

    fn supervisor(stop: &CancellationToken) -> Supervisor {
        let mut supervisor = Supervisor::new(&[], Until::Stopped, stop.clone());
        supervisor.tasks.spawn(async { Err(Halt::Failed(RouteError::from(StateError::Interrupted).into())) });
        // A route whose sink hangs.
        supervisor.tasks.spawn(pending());
        supervisor
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_cannot_go_on_ends_the_daemon_within_the_grace_period() {
        let stop = CancellationToken::new();
        let supervising = supervise(supervisor(&stop), pending(), &stop, Duration::from_secs(5));
        let ended = tokio::time::timeout(Duration::from_secs(6), supervising).await.unwrap();
        assert!(matches!(ended, Err(AppError::Route(_))), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_does_not_hide_why_a_route_could_not_go_on() {
        let stop = CancellationToken::new();
        let signal = tokio::time::sleep(Duration::from_secs(1));
        let ended = supervise(supervisor(&stop), signal, &stop, Duration::from_secs(5)).await;
        assert!(matches!(ended, Err(AppError::Route(_))), "{ended:?}");
    }
}
