//! Builds everything from the configuration; starts, supervises, drains and stops it.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Watched, WatchedRoute},
    command::engine::{Engine, EngineError, EnginePhase, Engines},
    config::{Config, StreamConfig},
    control::{self, Controlled, Socket},
    okta::{Client, ClientError},
    replay::Replays,
    route::{End, Route, RouteError},
    search::{Search, SearchError, SearchRoute},
    sink::SinkError,
    state::{Cursor, Opening, Places, State, StateError},
    stream::{Backoff, Stream},
    telemetry::{chain, metrics},
};

/// The first and the longest wait before a route that panicked is started again.
const RESTART_FIRST: Duration = Duration::from_secs(1);
const RESTART_MAX: Duration = Duration::from_secs(60);

/// The daemon, built but not running.
#[derive(Debug)]
pub struct App {
    config: Config,
    loops: Vec<Loop>,
    state: State,
    watched: Arc<Watched>,
    admin: TcpListener,
    control: Option<Socket>,
    replays: Replays,
    engines: Engines,
}

/// How to take up a state, if somebody has said how: what a refusal of it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// At the cursors in the witness.
    Witness,
    /// With the store as it is.
    Store,
    /// All routes at this time.
    Since(Timestamp),
}

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The state cannot be trusted.
    #[error(transparent)]
    State(#[from] StateError),
    /// HTTP to an org cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A sink that this binary does not have.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A route cannot go on.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A search's route cannot go on.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The commands of a name cannot go on.
    #[error(transparent)]
    Commands(#[from] EngineError),
    /// The admin pages have no place.
    #[error("cannot serve the admin pages on {address}: choose another `admin.listen`")]
    Listen {
        /// Where they should be.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// How long the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until every route has delivered all that Okta had.
    CaughtUp,
}

impl App {
    /// Opens the state, binds the admin pages and builds all routes. Talks to neither Okta nor a bus.
    pub async fn build(config: Config, recovery: Option<Recovery>) -> Result<Self, AppError> {
        for sink in config.sinks.values() {
            crate::sink::Sink::require(sink)?;
        }
        let Feeds { clients, streams } = Feeds::of(&config)?;
        let opening = match recovery {
            None => Opening::Trusted,
            Some(Recovery::Witness) => Opening::FromWitness,
            Some(Recovery::Store) => Opening::FromStore,
            Some(Recovery::Since(time)) => Opening::At(cursors_at(&streams, time)),
        };
        let state = State::open(Places::from(&config.runtime.state), opening).await?;
        let address = config.runtime.admin.listen;
        let admin =
            TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })?;

        let mut loops = stream_loops(&config, &streams, &state);
        loops.extend(search_loops(&config, &clients, &state));
        let engines = Engines::new(&config, &clients, &state)?;
        loops.extend(engines.all().map(|engine| Loop::Commands(Arc::clone(engine), engines.remember())));
        let mut watched = Watched::new(config.runtime.admin.stalled_after, state.clone());
        watched.routes = loops.iter().filter_map(Loop::watched).collect();
        watched.commands = engines.all().map(|engine| engine.status()).collect();
        let replays = Replays::new(config.clone(), clients.clone(), state.clone());
        watched.clients = clients.into_values().collect();
        let control = control::bind(&config.runtime.state.path).await;
        Ok(Self { config, loops, state, watched: Arc::new(watched), admin, control, replays, engines })
    }

    /// What can be seen of the daemon while it runs.
    pub fn watched(&self) -> Arc<Watched> {
        Arc::clone(&self.watched)
    }

    /// Where the admin pages are served.
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.admin.local_addr().ok()
    }

    /// Runs until `shutdown` resolves, or as `until` says, and then drains within the configured grace.
    pub async fn run(self, until: Until, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let stop = CancellationToken::new();
        let stop_admin = CancellationToken::new();
        let mut pages = JoinSet::new();
        pages.spawn(admin::serve(self.admin, Arc::clone(&self.watched), stop_admin.clone()));

        let grace = self.config.runtime.shutdown_grace;
        let mut control = JoinSet::new();
        if let Some(socket) = self.control {
            control.spawn(serve_control(
                socket,
                Controlled::new(stop.clone(), self.replays, self.engines),
                stop.clone(),
                grace,
            ));
        }

        let supervisor = Supervisor::new(&self.loops, until, stop.clone());
        let ended = supervise(supervisor, shutdown, &stop, grace).await;

        // Routes that have ended by themselves leave nobody to work for.
        stop.cancel();
        while control.join_next().await.is_some() {}
        stop_admin.cancel();
        while pages.join_next().await.is_some() {}
        if let Err(err) = self.state.close().await {
            // Every commit is on the disk; the witness is only a little older than it could be.
            tracing::warn!(err = chain(&err), "the witness of the state could not be written at the end");
        }
        ended
    }
}

/// Serves the control socket until `stop`; what commands had begun then has `grace` to end.
async fn serve_control(socket: Socket, controlled: Controlled, stop: CancellationToken, grace: Duration) {
    let over = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = control::serve(socket, Arc::new(controlled)) => {}
        () = over => tracing::warn!("the grace period is over: what commands had begun ends in the middle"),
    }
}

/// The clients of all orgs and the streams that are read through them.
struct Feeds {
    clients: BTreeMap<String, Arc<Client>>,
    streams: Vec<Arc<Stream>>,
}

impl Feeds {
    fn of(config: &Config) -> Result<Self, ClientError> {
        let mut clients = BTreeMap::new();
        for (name, org) in &config.orgs {
            clients.insert(name.clone(), Arc::new(Client::new(org.clone())?));
        }
        let stream = |stream: &StreamConfig| {
            // Loading refused references to what does not exist.
            let client = clients.get(&stream.org)?;
            Some(Arc::new(Stream::new(stream.clone(), Arc::clone(client))))
        };
        let streams = config.streams.values().filter_map(stream).collect();
        Ok(Self { clients, streams })
    }
}

fn stream_loops(config: &Config, streams: &[Arc<Stream>], state: &State) -> Vec<Loop> {
    let mut loops = Vec::new();
    for stream in streams {
        for route in &stream.config().routes {
            // Loading refused references to what does not exist.
            let Some(sink) = config.sink_of(route) else { continue };
            let route = Route::new(route.clone(), sink.clone(), Arc::clone(stream), state.clone());
            loops.push(Loop::Stream(Arc::new(route), stream.config().poll_interval));
        }
    }
    loops
}

fn search_loops(config: &Config, clients: &BTreeMap<String, Arc<Client>>, state: &State) -> Vec<Loop> {
    let up_since = Timestamp::now();
    let mut loops = Vec::new();
    for search in config.searches.values() {
        // Loading refused references to what does not exist.
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

/// What is supervised: the loop of one route, or of the commands of one name.
#[derive(Debug, Clone)]
enum Loop {
    /// With how long it may rightly do nothing.
    Stream(Arc<Route>, Duration),
    Search(Arc<SearchRoute>),
    /// With how long the journal remembers.
    Commands(Arc<Engine>, Duration),
}

impl Loop {
    fn name(&self) -> &str {
        match self {
            Self::Stream(route, _) => route.name(),
            Self::Search(route) => route.name(),
            Self::Commands(engine, _) => engine.name(),
        }
    }

    /// It has ended and will not be started again.
    fn end(&self) {
        match self {
            Self::Stream(route, _) => route.status().end(),
            Self::Search(route) => route.status().end(),
            Self::Commands(engine, _) => engine.status().enter(EnginePhase::Ended),
        }
    }

    /// The route, if it is one.
    fn watched(&self) -> Option<WatchedRoute> {
        let (status, poll_interval) = match self {
            Self::Stream(route, poll_interval) => (route.status(), *poll_interval),
            // It gives a sign of life while it waits.
            Self::Search(route) => (route.status(), Duration::ZERO),
            Self::Commands(..) => return None,
        };
        Some(WatchedRoute { status, poll_interval })
    }

    async fn run(&self, stop: &CancellationToken, until_caught_up: bool) -> Result<End, AppError> {
        match self {
            Self::Stream(route, _) => Ok(route.run(stop, until_caught_up).await?),
            Self::Search(route) => Ok(route.run(stop, until_caught_up).await?),
            // A queue is never caught up for good.
            Self::Commands(..) if until_caught_up => Ok(End::CaughtUp),
            Self::Commands(engine, remember) => {
                engine.run(*remember, stop).await?;
                Ok(End::Stopped)
            }
        }
    }
}

/// The clients of all orgs of `config`, by name.
pub fn clients(config: &Config) -> Result<BTreeMap<String, Arc<Client>>, ClientError> {
    Ok(Feeds::of(config)?.clients)
}

/// Where all routes of `config` stand if they begin at `time`, by name.
pub fn beginnings(config: &Config, time: Timestamp) -> Result<Vec<(String, Cursor)>, ClientError> {
    Ok(cursors_at(&Feeds::of(config)?.streams, time))
}

fn cursors_at(streams: &[Arc<Stream>], time: Timestamp) -> Vec<(String, Cursor)> {
    let routes = streams.iter().flat_map(|stream| {
        let cursor = stream.cursor_at(time);
        stream.config().routes.iter().map(move |route| (route.name.clone(), cursor.clone()))
    });
    routes.collect()
}

/// Runs the routes until they end; once `shutdown` resolves they have `grace` to do so.
async fn supervise(
    mut supervisor: Supervisor,
    shutdown: impl Future<Output = ()>,
    stop: &CancellationToken,
    grace: Duration,
) -> Result<(), AppError> {
    tokio::select! {
        () = supervisor.run() => return supervisor.outcome(),
        () = shutdown => {}
        // A route that cannot go on stops the others, and they have no more time than with a signal.
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
struct Supervisor {
    tasks: JoinSet<Result<End, AppError>>,
    running: BTreeMap<Id, Supervised>,
    until: Until,
    stop: CancellationToken,
    /// Why a route could not go on, if one could not.
    failure: Option<AppError>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Supervisor").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// A route with the record of its misfortunes.
struct Supervised {
    route: Loop,
    restarts: Backoff,
}

impl Supervisor {
    fn new(routes: &[Loop], until: Until, stop: CancellationToken) -> Self {
        let mut supervisor =
            Self { tasks: JoinSet::new(), running: BTreeMap::new(), until, stop, failure: None };
        for route in routes {
            let restarts = Backoff::new(RESTART_FIRST, RESTART_MAX, fastrand::u64(..));
            supervisor.spawn(Supervised { route: route.clone(), restarts }, Duration::ZERO);
        }
        supervisor
    }

    fn spawn(&mut self, supervised: Supervised, delay: Duration) {
        let (route, stop, until) = (supervised.route.clone(), self.stop.clone(), self.until);
        let task = self.tasks.spawn(async move {
            if stop.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                return Ok(End::Stopped);
            }
            route.run(&stop, until == Until::CaughtUp).await
        });
        self.running.insert(task.id(), supervised);
    }

    /// Waits for all routes. May be dropped and called again. The first route that cannot go on stops the others.
    async fn run(&mut self) {
        while let Some(joined) = self.tasks.join_next_with_id().await {
            match joined {
                Ok((id, Ok(end))) => self.ended(id, end),
                Ok((_, Err(err))) => {
                    tracing::error!(err = chain(&err), "a route cannot go on; stopping");
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

    fn ended(&mut self, id: Id, end: End) {
        let Some(supervised) = self.running.remove(&id) else { return };
        supervised.route.end();
        if end == End::CaughtUp {
            tracing::info!(route = supervised.route.name(), "the route has delivered all that Okta had");
        }
    }

    /// A panic is a bug in one route; the others must not suffer from it, and nothing is lost by beginning at the
    /// cursor again.
    fn panicked(&mut self, err: &JoinError) {
        let Some(mut supervised) = self.running.remove(&err.id()) else { return };
        let name = supervised.route.name();
        metrics::panic(name);
        let wait = supervised.restarts.next_wait();
        tracing::error!(route = name, %err, wait_ms = wait.as_millis(), "a route panicked: this is a bug; starting it again");
        self.spawn(supervised, wait);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn supervisor(stop: &CancellationToken) -> Supervisor {
        let mut supervisor = Supervisor::new(&[], Until::Stopped, stop.clone());
        supervisor.tasks.spawn(async { Err(RouteError::from(StateError::Interrupted).into()) });
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
