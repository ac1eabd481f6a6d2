//! The loops that run as long as the daemon does, of routes and of commands, in one type for the supervisor.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use okta_client::Client;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::{
    command::engine::{Engine, EnginePhase},
    config::Config,
    halt::Halt,
    overview::RouteView,
    route::Route,
    search::{Search, SearchRoute},
    source::Stream,
    state::State,
};

/// One supervised loop: of a route, or of one `[commands.NAME]`.
#[derive(Debug, Clone)]
pub(super) enum Loop {
    /// With the longest time between two polls.
    Stream(Arc<Route>, Duration),
    Search(Arc<SearchRoute>),
    /// With how long the journal remembers.
    Commands(Arc<Engine>, Duration),
}

impl Loop {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Stream(route, _) => route.name(),
            Self::Search(route) => route.name(),
            Self::Commands(engine, _) => engine.name(),
        }
    }

    /// It has ended and will not be started again.
    pub(super) fn end(&self) {
        match self {
            Self::Stream(route, _) => route.status().end(),
            Self::Search(route) => route.status().end(),
            Self::Commands(engine, _) => engine.status().enter(EnginePhase::Ended),
        }
    }

    /// The route, if it is one.
    pub(super) fn view(&self) -> Option<RouteView> {
        let (status, poll_interval) = match self {
            Self::Stream(route, poll_interval) => (route.status(), *poll_interval),
            // It reports that it is alive while it waits.
            Self::Search(route) => (route.status(), Duration::ZERO),
            Self::Commands(..) => return None,
        };
        Some(RouteView { status, poll_interval })
    }

    /// Whether there is no end to what it reads: a queue is never known to be empty for good.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self, Self::Commands(..))
    }

    /// Runs until `stop`, or, if `until_caught_up`, until everything that Okta had is delivered. What is endless runs until
    /// `stop` whatever is asked.
    pub(super) async fn run(
        &self,
        stop: &CancellationToken,
        until_caught_up: bool,
    ) -> Result<(), Halt<AppError>> {
        match self {
            Self::Stream(route, _) => route.run(stop, until_caught_up).await.map_err(Halt::widen),
            Self::Search(route) => route.run(stop, until_caught_up).await.map_err(Halt::widen),
            Self::Commands(engine, remember) => {
                engine.run(*remember, stop).await;
                Err(Halt::Stopped)
            }
        }
    }
}

/// The loops of the routes of all streams.
pub(super) fn of_streams(config: &Config, streams: &[Arc<Stream>], state: &State) -> Vec<Loop> {
    let mut loops = Vec::new();
    for stream in streams {
        for route in &stream.config().routes {
            // Loading the configuration has checked that it exists.
            let Some(sink) = config.sink_of(route) else { continue };
            let (standby, stream_of_route) = (config.standby.as_ref(), Arc::clone(stream));
            let route = Route::new(route.clone(), sink.clone(), standby, stream_of_route, state.clone());
            loops.push(Loop::Stream(Arc::new(route), stream.config().poll_interval.longest()));
        }
    }
    loops
}

/// The loops of the routes of all searches.
pub(super) fn of_searches(
    config: &Config,
    clients: &BTreeMap<String, Arc<Client>>,
    state: &State,
) -> Vec<Loop> {
    let up_since = Timestamp::now();
    let mut loops = Vec::new();
    for search in config.searches.values() {
        // Loading the configuration has checked that it exists.
        let Some(client) = clients.get(&search.org) else { continue };
        let shared = Search::new(search.clone(), Arc::clone(client), state.searches_directory());
        let shared = Arc::new(shared);
        for route in &search.routes {
            let Some(sink) = config.sink_of(&route.route) else { continue };
            let (sink, search) = (sink.clone(), Arc::clone(&shared));
            let route = SearchRoute::new(route.clone(), sink, search, state.clone(), up_since);
            loops.push(Loop::Search(Arc::new(route)));
        }
    }
    loops
}
