//! The tasks of all loops: started again if they panic, stopped together, drained within the grace period. Does not
//! know what a loop does.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{AppError, Until, loops::Loop};
use crate::{
    halt::Halt,
    retry::{Backoff, RetryPolicy},
    state::State,
    telemetry::{chain, metrics},
};

/// Loops that end while the daemon runs, and others that begin.
pub(super) struct LoopChange {
    /// Each is drained.
    pub(super) ends: Vec<Loop>,
    /// Each begins as soon as none that ends is in its way.
    pub(super) begins: Vec<Loop>,
    /// Those that begin do nothing before this is cancelled.
    pub(super) gate: Option<CancellationToken>,
    /// How long those that end may take, and from now on all of them when the daemon stops.
    pub(super) grace: Duration,
    /// Dropped when all of them have ended or begun.
    pub(super) done: Arc<DropGuard>,
}

/// Runs the routes until they end, and changes them as `changes` say; once `shutdown` resolves they have the grace period to
/// end.
pub(super) async fn supervise(
    mut supervisor: Supervisor,
    mut changes: mpsc::Receiver<LoopChange>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let stop = supervisor.stop.clone();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = supervisor.run() => return supervisor.outcome(),
            () = &mut shutdown => break,
            // A route that fails stops the others, with the same grace period as a signal.
            () = stop.cancelled() => break,
            Some(change) = changes.recv() => supervisor.change(change),
        }
    }
    let grace = supervisor.grace;
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
    /// Loops that begin when others have ended.
    waiting: Vec<Waiting>,
    until: Until,
    state: State,
    stop: CancellationToken,
    grace: Duration,
    /// The error of the first route that failed.
    failure: Option<AppError>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Supervisor").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// A route that begins when others have ended.
struct Waiting {
    route: Loop,
    gate: Option<CancellationToken>,
    _done: Arc<DropGuard>,
}

/// A route, with its restarts.
struct Supervised {
    route: Loop,
    /// It does nothing before this is cancelled.
    gate: Option<CancellationToken>,
    restarts: Backoff,
    /// Ends it alone.
    stop: CancellationToken,
    /// How long it may take to end; none: it is to go on.
    grace: watch::Sender<Option<Duration>>,
    /// Set while it is to end alone.
    ending: Option<Arc<DropGuard>>,
}

impl Supervisor {
    pub(super) fn new(
        routes: impl IntoIterator<Item = Loop>,
        until: Until,
        state: State,
        stop: CancellationToken,
        grace: Duration,
    ) -> Self {
        let (tasks, running, waiting) = (JoinSet::new(), BTreeMap::new(), Vec::new());
        let mut supervisor = Self { tasks, running, waiting, until, state, stop, grace, failure: None };
        for route in routes {
            if until == Until::CaughtUp && route.is_endless() {
                tracing::warn!(
                    commands = route.name(),
                    "commands are not executed in a run that ends when it has caught up: nothing is read from their queue"
                );
                route.end();
                continue;
            }
            supervisor.begin(route, None);
        }
        supervisor
    }

    fn begin(&mut self, route: Loop, gate: Option<CancellationToken>) {
        let (restarts, stop) = (RetryPolicy::RESTART.backoff(), self.stop.child_token());
        let (grace, ending) = (watch::Sender::default(), None);
        self.spawn(Supervised { route, gate, restarts, stop, grace, ending }, Duration::ZERO);
    }

    fn spawn(&mut self, supervised: Supervised, delay: Duration) {
        let (route, stop, until) = (supervised.route.clone(), supervised.stop.clone(), self.until);
        let (grace, state) = (supervised.grace.subscribe(), self.state.clone());
        let gate = supervised.gate.clone();
        let task = self.tasks.spawn(async move {
            let beginning = async {
                if let Some(gate) = gate {
                    gate.cancelled().await;
                }
                tokio::time::sleep(delay).await;
            };
            if stop.run_until_cancelled(beginning).await.is_none() {
                return Err(Halt::Stopped);
            }
            tokio::select! {
                ended = route.run(&stop, until == Until::CaughtUp) => ended,
                () = is_over(grace) => {
                    tracing::warn!(route = route.name(), "its grace period is over: what was in flight is delivered later");
                    // Whoever follows must not meet what it had begun to commit.
                    state.settled().await;
                    Err(Halt::Stopped)
                }
            }
        });
        self.running.insert(task.id(), supervised);
    }

    /// Ends some loops, and begins others.
    fn change(&mut self, change: LoopChange) {
        let LoopChange { ends, begins, gate, grace, done } = change;
        self.grace = grace;
        self.waiting.retain(|waiting| !ends.iter().any(|end| end.is(&waiting.route)));
        for supervised in self.running.values_mut() {
            if ends.iter().any(|end| end.is(&supervised.route)) {
                supervised.ending = Some(Arc::clone(&done));
                supervised.grace.send_replace(Some(grace));
                supervised.stop.cancel();
            }
        }
        let waiting = begins.into_iter().map(|route| {
            let (gate, _done) = (gate.clone(), Arc::clone(&done));
            Waiting { route, gate, _done }
        });
        self.waiting.extend(waiting);
        self.begin_waiting();
    }

    /// Begins those that wait and that nothing is in the way of any more.
    fn begin_waiting(&mut self) {
        if self.stop.is_cancelled() {
            self.waiting.clear();
        }
        let ending: Vec<_> = self.running.values().filter(|supervised| supervised.ending.is_some()).collect();
        let is_in_the_way = |route: &Loop| ending.iter().any(|ending| ending.route.turn() == route.turn());
        let (waiting, begins): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| is_in_the_way(&waiting.route));
        self.waiting = waiting;
        for Waiting { route, gate, _done } in begins {
            self.begin(route, gate);
        }
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
                Ok((id, Err(Halt::Failed(err)))) => self.failed(id, err),
                Err(err) => self.panicked(&err),
            }
            self.begin_waiting();
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

    fn failed(&mut self, id: Id, err: AppError) {
        let supervised = self.running.remove(&id);
        if let Some(ending) = supervised.filter(|supervised| supervised.ending.is_some()) {
            // It was to end, and whoever takes its place meets the same if it lasts.
            tracing::error!(
                route = ending.route.name(),
                error = chain(&err),
                "a route has failed while it was drained"
            );
            ending.route.end();
            return;
        }
        tracing::error!(error = chain(&err), "a route cannot go on; stopping");
        self.stop.cancel();
        self.failure = self.failure.take().or(Some(err));
    }

    /// A panic is a bug in one route; the others must not suffer from it, and nothing is lost by beginning at the
    /// cursor again.
    fn panicked(&mut self, err: &JoinError) {
        let Some(mut supervised) = self.running.remove(&err.id()) else { return };
        let name = supervised.route.name();
        metrics::panic(name);
        if supervised.ending.is_some() {
            tracing::error!(route = name, error = %err, "a route panicked while it was drained: this is a bug");
            supervised.route.end();
            return;
        }
        let wait = supervised.restarts.next_wait();
        tracing::error!(route = name, error = %err, wait_ms = wait.as_millis(), "a route panicked: this is a bug; starting it again");
        self.spawn(supervised, wait);
    }
}

/// Waits until a loop that is to end has had its time.
async fn is_over(mut grace: watch::Receiver<Option<Duration>>) {
    let ends = grace.wait_for(Option::is_some).await.ok().and_then(|grace| *grace);
    match ends {
        Some(grace) => tokio::time::sleep(grace).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::{
        route::RouteError,
        state::{MemoryStore, StateError},
    };

    const GRACE: Duration = Duration::from_secs(5);

    fn supervisor(stop: &CancellationToken) -> Supervisor {
        let state = State::over(Arc::new(MemoryStore::default()));
        let mut supervisor = Supervisor::new([], Until::Stopped, state, stop.clone(), GRACE);
        supervisor.tasks.spawn(async { Err(Halt::Failed(RouteError::from(StateError::Interrupted).into())) });
        // A route whose sink hangs.
        supervisor.tasks.spawn(pending());
        supervisor
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_cannot_go_on_ends_the_daemon_within_the_grace_period() {
        let stop = CancellationToken::new();
        let supervising = supervise(supervisor(&stop), mpsc::channel(1).1, pending());
        let ended = tokio::time::timeout(Duration::from_secs(6), supervising).await.unwrap();
        assert!(matches!(ended, Err(AppError::Route(_))), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_does_not_hide_why_a_route_could_not_go_on() {
        let stop = CancellationToken::new();
        let signal = tokio::time::sleep(Duration::from_secs(1));
        let ended = supervise(supervisor(&stop), mpsc::channel(1).1, signal).await;
        assert!(matches!(ended, Err(AppError::Route(_))), "{ended:?}");
    }
}
