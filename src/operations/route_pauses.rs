//! Which routes operators have paused. A pause holds at once, and is in the state as soon as that can be written, so that a restart
//! keeps it; its end is in the state first. Another daemon with the same configuration knows nothing of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{Operator, OperatorLog};
use crate::{
    command::audit::AuditError,
    route::{RoutePause, RouteStatus},
    state::{State, StateError},
    telemetry::chain,
};

/// What the names of the notes begin with; the route's name follows.
const NOTES: &str = "route-paused/";

/// The switches of all routes.
#[derive(Debug, Clone)]
pub struct RoutePauses {
    routes: Arc<RwLock<Arc<Switches>>>,
    state: State,
    log: OperatorLog,
    /// Held while one of them is changed.
    changing: Arc<Mutex<()>>,
}

/// The switches of routes, by name.
type Switches = BTreeMap<String, Arc<RouteStatus>>;

/// A route was not paused or resumed, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum RoutePauseError {
    /// Nothing is called so.
    #[error("there is no route `{route}`; there are: {known}")]
    NoSuchRoute {
        /// What was asked for.
        route: String,
        /// The names that there are.
        known: String,
    },
    /// The state cannot be read or written.
    #[error("{standing}")]
    State {
        /// How the route stands now.
        standing: String,
        /// What is wrong.
        source: StateError,
    },
    /// The decision cannot be recorded.
    #[error("{standing}")]
    Record {
        /// How the route stands now.
        standing: String,
        /// What is wrong.
        source: AuditError,
    },
}

impl RoutePauses {
    pub(super) fn new(
        routes: impl IntoIterator<Item = Arc<RouteStatus>>,
        state: State,
        log: OperatorLog,
    ) -> Self {
        let routes = Arc::new(RwLock::new(Arc::new(switches(routes))));
        Self { routes, state, log, changing: Arc::default() }
    }

    /// These are the routes from now on: what is paused stays so under its name.
    pub(super) async fn exchange(
        &self,
        routes: impl IntoIterator<Item = Arc<RouteStatus>>,
    ) -> Result<(), StateError> {
        let _changing = self.changing.lock().await;
        let (before, routes) = (self.routes(), switches(routes));
        let new = routes.iter().filter(|(name, _)| !before.contains_key(*name));
        set_pauses(&self.state, new).await?;
        for (name, status) in &routes {
            if let Some(before) = before.get(name).filter(|before| !Arc::ptr_eq(before, status)) {
                status.set_pause(before.snapshot().paused);
            }
        }
        // Nothing panics while the lock is held.
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
        Ok(())
    }

    /// The name of the route, if there is such a one.
    pub(super) fn known<'a>(&self, route: &'a str) -> Result<&'a str, RoutePauseError> {
        self.route(route).map(|_| route)
    }

    /// Pauses what was paused before.
    pub(super) async fn load(&self) -> Result<(), StateError> {
        set_pauses(&self.state, self.routes().iter()).await
    }

    pub(super) async fn pause(&self, route: &str, by: &Operator) -> Result<String, RoutePauseError> {
        let _changing = self.changing.lock().await;
        let status = self.route(route)?;
        if status.is_paused() {
            return Ok(format!("The route {route} was paused already."));
        }
        let pause = RoutePause { at: Timestamp::now(), by: by.name.clone(), reason: by.reason.clone() };
        status.set_pause(Some(pause.clone()));
        tracing::warn!(route, by = by.name, reason = by.reason, "the route is paused");
        // Names and a time can always be written.
        let content = serde_json::to_string(&pause).unwrap_or_default();
        let saved = self.save(route, content).await;
        let recorded = self.log.keep("paused", route, by).await;
        saved.map_err(|source| RoutePauseError::State {
            standing: format!("the route {route} is paused, but a restart would not know it"),
            source,
        })?;
        recorded.map_err(|source| RoutePauseError::Record {
            standing: format!("the route {route} is paused, and that is not recorded"),
            source,
        })?;
        Ok(format!("The route {route} is paused."))
    }

    pub(super) async fn resume(&self, route: &str, by: &Operator) -> Result<String, RoutePauseError> {
        let _changing = self.changing.lock().await;
        let status = self.route(route)?;
        if !status.is_paused() {
            return Ok(format!("The route {route} was not paused."));
        }
        let standing = || format!("the route {route} is still paused");
        let recorded = self.log.keep("resuming", route, by).await;
        recorded.map_err(|source| RoutePauseError::Record { standing: standing(), source })?;
        let dropped = self.state.drop_notes(vec![format!("{NOTES}{route}")]).await;
        dropped.map_err(|source| RoutePauseError::State { standing: standing(), source })?;
        status.set_pause(None);
        tracing::warn!(route, by = by.name, reason = by.reason, "the route is resumed");
        if let Err(err) = self.log.keep("resumed", route, by).await {
            tracing::error!(route, error = chain(&err), "the end of the pause is not recorded");
        }
        Ok(format!("The route {route} is resumed."))
    }

    async fn save(&self, route: &str, content: String) -> Result<(), StateError> {
        let name = format!("{NOTES}{route}");
        let generation = self.state.note(&name).await?.map_or(0, |note| note.generation);
        self.state.keep_note(&name, generation, content).await?;
        Ok(())
    }

    fn routes(&self) -> Arc<Switches> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn route(&self, route: &str) -> Result<Arc<RouteStatus>, RoutePauseError> {
        let routes = self.routes();
        routes.get(route).cloned().ok_or_else(|| {
            let known: Vec<_> = routes.keys().map(String::as_str).collect();
            RoutePauseError::NoSuchRoute { route: route.to_owned(), known: known.join(", ") }
        })
    }
}

fn switches(routes: impl IntoIterator<Item = Arc<RouteStatus>>) -> Switches {
    routes.into_iter().map(|status| (status.name().to_owned(), status)).collect()
}

/// Pauses those of `routes` that the state says are paused.
async fn set_pauses<'a>(
    state: &State,
    routes: impl Iterator<Item = (&'a String, &'a Arc<RouteStatus>)>,
) -> Result<(), StateError> {
    let routes: BTreeMap<_, _> = routes.collect();
    for note in state.notes(NOTES).await? {
        let route = note.name.strip_prefix(NOTES).unwrap_or_default();
        let Some((route, status)) = routes.get_key_value(&route.to_owned()) else { continue };
        // A pause that cannot be read is one all the same.
        let pause = serde_json::from_str(&note.content).unwrap_or_else(|_| RoutePause {
            at: Timestamp::now(),
            by: "a note that cannot be read".to_owned(),
            reason: None,
        });
        tracing::warn!(route, by = pause.by, at = %pause.at, reason = pause.reason, "the route is still paused");
        status.set_pause(Some(pause));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{route::Phase, state::MemoryStore};

    fn ada() -> Operator {
        Operator { name: "ada".to_owned(), reason: Some("a move".to_owned()) }
    }

    #[tokio::test]
    async fn a_pause_outlives_the_daemon_and_its_end_does_too() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::over(Arc::new(MemoryStore::default()));
        let start = || {
            let status = Arc::new(RouteStatus::new("log/siem"));
            status.enter(Phase::AtTail);
            let log = OperatorLog::under(directory.path());
            (RoutePauses::new([Arc::clone(&status)], state.clone(), log), status)
        };
        let (pauses, status) = start();
        pauses.load().await.unwrap();
        assert!(!status.is_paused());
        assert_eq!(pauses.pause("log/siem", &ada()).await.unwrap(), "The route log/siem is paused.");
        assert!(pauses.pause("log/siem", &ada()).await.unwrap().contains("already"));
        let unknown = pauses.pause("siem", &ada()).await.unwrap_err().to_string();
        assert!(unknown.contains("there are: log/siem"), "{unknown}");

        let (pauses, status) = start();
        pauses.load().await.unwrap();
        // Others take the place of the routes while the daemon runs.
        let (again, other) =
            (Arc::new(RouteStatus::new("log/siem")), Arc::new(RouteStatus::new("log/files")));
        pauses.exchange([Arc::clone(&other)]).await.unwrap();
        assert!(!other.is_paused() && pauses.pause("log/siem", &ada()).await.is_err());
        pauses.exchange([Arc::clone(&again)]).await.unwrap();
        assert_eq!(again.snapshot().paused.unwrap().by, "ada", "by what is in the state");
        pauses.exchange([Arc::clone(&status)]).await.unwrap();
        let snapshot = status.snapshot();
        assert_eq!((snapshot.phase, snapshot.paused.unwrap().by.as_str()), (Phase::Paused, "ada"));
        assert_eq!(pauses.resume("log/siem", &ada()).await.unwrap(), "The route log/siem is resumed.");
        let (pauses, status) = start();
        pauses.load().await.unwrap();
        assert!(!status.is_paused());

        let kept = std::fs::read_to_string(directory.path().join(NAME_OF_LOG)).unwrap();
        let decisions =
            kept.lines().filter(|line| line.contains(r#""requested_by":"ada","reason":"a move""#));
        assert_eq!(decisions.count(), 3, "{kept}");
    }

    const NAME_OF_LOG: &str = "operators.jsonl";
}
