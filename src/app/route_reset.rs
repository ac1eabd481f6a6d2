//! Has a route of the running daemon begin at another time: it is drained as by a reload, moved in the state while nothing of it runs,
//! and begun anew. No other route notices anything.
//!
//! Whatever keeps it from being moved leaves it where it stands, and it goes on. If its bus has its place, whoever wrote before is
//! fenced first: what the last run had under way is committed then, or never.

use std::{sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Until,
    loops::Loop,
    reloader::{Prepared, ReloadError, Reloader},
    unchanged::Unchanged,
};
use crate::{
    config::SinkConfig,
    message::Origin,
    operations::{RouteReset, RouteResetError},
    route::{Phase, Route, RouteStatus, checkpoint_in_bus, fenced_checkpoint},
    state::{BusCheckpoint, StateError, StoredCursor},
    telemetry::chain,
};

/// How long the bus may take to show its checkpoint.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(30);
/// How long the route may take to be known to have its bus again.
const TAKEN_OVER_WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A route that delivers exactly once, and where its place is.
struct BusPlace {
    sink: SinkConfig,
    origin: Arc<Origin>,
}

impl Reloader {
    /// Moves a route. Gives, in a sentence, what is so now.
    pub(super) async fn reset(
        &mut self,
        reset: &RouteReset,
        stop: &CancellationToken,
    ) -> Result<String, RouteResetError> {
        let RouteReset { route: name, to, by } = reset;
        let before = self.route_to_reset(name)?;
        let place = self.bus_place(name);
        if let Some(place) = &place {
            require_owned(&before.status())?;
            place.checkpoint(name).await?;
        }
        let recorded = self.parts.operations.log().keep_reset("resetting", reset).await;
        recorded.map_err(RouteResetError::Record)?;
        tracing::warn!(route = name, to = %to, by = by.name, reason = by.reason, "the route is drained, to begin at another time");

        let prepared = self.with_another(name).await?;
        let gate = CancellationToken::new();
        // Whatever becomes of this, the route goes on.
        let opening = gate.clone().drop_guard();
        let drained = self.put_in_force(prepared, Some(gate), stop).await;
        drained.map_err(|err| not_begun(&err))?;
        let moving = Box::pin(self.moved(&before, place.as_ref(), reset));
        let moved = stop.run_until_cancelled(moving).await;
        drop(opening);
        let moved = moved.unwrap_or_else(|| Err(not_begun(&ReloadError::Stopping)));
        if let Err(err) = moved {
            tracing::error!(route = name, error = chain(&err), "the route is not moved, and goes on");
            return Err(err);
        }
        tracing::warn!(route = name, to = %to, by = by.name, reason = by.reason, "the route begins at another time");
        if let Err(err) = self.parts.operations.log().keep_reset("reset", reset).await {
            tracing::error!(route = name, error = chain(&err), "the end of the reset is not recorded");
        }
        match place {
            None => Ok(format!("route {name} begins at {to}")),
            Some(_) => self.taken_over(reset, stop).await,
        }
    }

    fn route_to_reset(&self, name: &str) -> Result<Arc<Route>, RouteResetError> {
        if self.until == Until::CaughtUp {
            return Err(RouteResetError::RunsToAnEnd);
        }
        match self.topology.route(name) {
            Some(Loop::Stream(route, _)) => Ok(Arc::clone(route)),
            Some(_) => Err(RouteResetError::OfSearch { route: name.to_owned() }),
            None => {
                let is_stream = |known: &&Loop| matches!(known, Loop::Stream(..));
                let known: Vec<_> = self.topology.loops().filter(is_stream).map(Loop::name).collect();
                Err(RouteResetError::NoSuchRoute { route: name.to_owned(), known: known.join(", ") })
            }
        }
    }

    fn bus_place(&self, name: &str) -> Option<BusPlace> {
        let config = &self.topology.config;
        let (route, origin) = config.routes().find(|(route, _)| route.name == name)?;
        let sink = config.sink_of(route).filter(|sink| sink.is_transactional())?;
        Some(BusPlace { sink: sink.clone(), origin: Arc::new(origin) })
    }

    /// The same configuration, with another run of this route.
    async fn with_another(&self, name: &str) -> Result<Prepared, RouteResetError> {
        let (before, state, name) = (Arc::clone(&self.topology), self.parts.state.clone(), name.to_owned());
        let building = spawn_blocking(move || {
            let same = Unchanged::but_route(&before.config, &name);
            before.next(before.config.clone(), &same, &state)
        });
        let topology = building.await.map_err(|err| not_begun(&err.into()))?;
        let topology = topology.map_err(|err| not_begun(&err.into()))?;
        let change = self.topology.change_to(&topology);
        Ok(Prepared { topology, change, pages: None, doorbells: None })
    }

    /// Moves the cursor of a route of which nothing runs any more.
    async fn moved(
        &self,
        before: &Route,
        place: Option<&BusPlace>,
        RouteReset { route: name, to, .. }: &RouteReset,
    ) -> Result<(), RouteResetError> {
        let state_error = |source: StateError| RouteResetError::State { route: name.clone(), source };
        let stored = self.parts.state.load(name).await.map_err(state_error)?;
        let of_bus = match place {
            Some(place) => place.fenced(name, stored.as_ref()).await?,
            None => None,
        };
        let expected = stored.as_ref().map_or(0, |stored| stored.generation);
        let beginning = before.stream().cursor_at(*to);
        let cursor = Arc::new(beginning.in_place_of(stored.map(|stored| stored.cursor), of_bus));
        self.parts.state.advance(name, expected, cursor).await.map_err(state_error)?;
        Ok(())
    }

    /// Waits until the bus has the new place, or shows that another daemon has taken the route over in between.
    async fn taken_over(
        &self,
        RouteReset { route: name, to, .. }: &RouteReset,
        stop: &CancellationToken,
    ) -> Result<String, RouteResetError> {
        let later = || format!("route {name} begins at {to} as soon as its bus lets it");
        let Some(Loop::Stream(route, _)) = self.topology.route(name) else { return Ok(later()) };
        let (status, me) = (route.status(), route.run_name());
        let deciding = async {
            loop {
                let snapshot = status.snapshot();
                let is_anothers = matches!(snapshot.phase, Phase::Standby | Phase::Superseded)
                    && snapshot.owner.is_some()
                    && snapshot.owner != me;
                if is_anothers || snapshot.generation > 0 {
                    return is_anothers.then_some(snapshot.owner).flatten();
                }
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
        };
        match stop.run_until_cancelled(timeout(TAKEN_OVER_WAIT, deciding)).await {
            Some(Ok(Some(owner))) => Err(RouteResetError::NotOwned {
                standing: format!(
                    "{owner} has taken the route {name} over while it was drained: reset it there, or stop that daemon first"
                ),
            }),
            Some(Ok(None)) => Ok(format!("route {name} begins at {to}")),
            Some(Err(_)) | None => Ok(later()),
        }
    }
}

impl BusPlace {
    async fn checkpoint(&self, route: &str) -> Result<Option<BusCheckpoint>, RouteResetError> {
        within(route, checkpoint_in_bus(&self.sink, route, &self.origin)).await
    }

    /// The last checkpoint of the run that has ended, once it can commit nothing any more.
    async fn fenced(
        &self,
        route: &str,
        stored: Option<&StoredCursor>,
    ) -> Result<Option<BusCheckpoint>, RouteResetError> {
        require_same_owner(route, self.checkpoint(route).await?.as_ref(), stored)?;
        let fenced = within(route, fenced_checkpoint(&self.sink, route, &self.origin)).await?;
        require_same_owner(route, fenced.as_ref(), stored)?;
        Ok(fenced)
    }
}

async fn within<T>(
    route: &str,
    asking: impl Future<Output = Result<T, crate::route::CheckpointError>>,
) -> Result<T, RouteResetError> {
    let route = || route.to_owned();
    let answered = timeout(CHECKPOINT_WAIT, asking).await;
    let answered = answered.map_err(|_| RouteResetError::Silent { route: route() })?;
    answered.map_err(|source| RouteResetError::Checkpoint { route: route(), source })
}

/// Refuses a route of which this daemon is not known to be the owner.
fn require_owned(status: &RouteStatus) -> Result<(), RouteResetError> {
    let snapshot = status.snapshot();
    let (name, owner) = (&snapshot.route, snapshot.owner.as_deref().unwrap_or("another daemon"));
    let standing = match snapshot.phase {
        Phase::Reading | Phase::AtTail | Phase::Paused => return Ok(()),
        Phase::Starting if snapshot.generation > 0 => return Ok(()),
        Phase::Standby => {
            format!("this daemon stands by for the route {name}, which {owner} has: reset it there")
        }
        Phase::Superseded => format!("{owner} has taken the route {name} over: reset it there"),
        Phase::Starting => {
            format!("the route {name} starts, and does not have its place in the bus yet: try again")
        }
        Phase::Ended => format!("the route {name} has ended"),
    };
    Err(RouteResetError::NotOwned { standing })
}

/// Refuses a checkpoint that another run has written than the one whose copy is in the state.
fn require_same_owner(
    route: &str,
    found: Option<&BusCheckpoint>,
    stored: Option<&StoredCursor>,
) -> Result<(), RouteResetError> {
    let copied = stored.and_then(|stored| stored.cursor.of_bus.as_ref());
    match (found, copied) {
        (Some(found), Some(copied)) if found.owner != copied.owner => Err(RouteResetError::NotOwned {
            standing: format!(
                "another daemon has taken the route {route} over while it was drained: reset it there, or stop that daemon first"
            ),
        }),
        _ => Ok(()),
    }
}

fn not_begun(err: &ReloadError) -> RouteResetError {
    RouteResetError::NotBegun(chain(err))
}
