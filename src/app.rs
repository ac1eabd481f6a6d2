//! Builds everything from the configuration; starts it, drains it and stops it.

mod clients;
mod letter_expiry;
mod loops;
mod opening;
mod series;
mod state_watch;
mod summary;
mod supervisor;

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "otlp")]
use crate::telemetry::traces::{Exporter, TracesError};
use crate::{
    admin::{self, AdminError},
    clock::SystemClock,
    command::engine::{EngineError, Engines, RECOVERY_CONSEQUENCE, pauses_of_recovery},
    config::{BusConfig, Config, StreamConfig},
    control::{self, ControlContext, Socket},
    dead_letters::LetterRetries,
    doorbell::{DoorbellError, Doorbells},
    operations::{Operations, OperatorLog},
    overview::DaemonView,
    replay::Replays,
    route::RouteError,
    search::SearchError,
    sink::SinkError,
    source::Stream,
    state::{Cursor, Opening, RecoverFrom, State, StateError, StatePaths},
    telemetry::chain,
};
pub use clients::{Clients, UnusableOrg, client, clients, clients_without_secrets};
use letter_expiry::expire_dead_letters;
use loops::{Loop, of_searches, of_streams};
use opening::open_state;
use state_watch::watch_state;
use supervisor::{Supervisor, supervise};

/// How long a client of an admin page may take to read it after everything else has ended.
const PAGES_GRACE: Duration = Duration::from_secs(1);

/// The daemon, built but not running.
#[derive(Debug)]
pub struct App {
    config: Config,
    loops: Vec<Loop>,
    state: State,
    view: Arc<DaemonView>,
    admin: admin::Server,
    control: Option<Socket>,
    replays: Replays,
    engines: Engines,
    doorbells: Doorbells,
    letters: Arc<LetterRetries>,
    operations: Operations,
    asked: Arc<Notify>,
    #[cfg(feature = "otlp")]
    exporter: Option<Exporter>,
}

/// How to recover a state that was refused, as the operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// At the cursors in the witness.
    Witness,
    /// With the store as it is.
    Store,
    /// All routes at this time.
    Since(Timestamp),
}

/// Why the daemon cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The state cannot be trusted.
    #[error(transparent)]
    State(#[from] StateError),
    /// HTTP to an org cannot be set up.
    #[error(transparent)]
    Client(#[from] UnusableOrg),
    /// A sink that this binary does not have.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A route failed.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A search's route failed.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The commands of one `[commands.NAME]` failed.
    #[error(transparent)]
    Commands(#[from] EngineError),
    /// A run is to end when it has caught up, and nothing is read that could be.
    #[error(
        "there is no stream and no search to catch up with, and commands are not executed in such a run: start without \
         `--until-caught-up`"
    )]
    NothingToCatchUp,
    /// The admin pages cannot be served as configured.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Event hooks cannot be received as configured.
    #[error(transparent)]
    Doorbell(#[from] DoorbellError),
    /// Traces cannot be set up as configured.
    #[cfg(feature = "otlp")]
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The address of the admin pages cannot be bound.
    #[error("cannot serve the admin pages on {address}: choose another `admin.listen`")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// How long the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until a signal stops it.
    Stopped,
    /// Until every route has delivered all that Okta had.
    CaughtUp,
}

impl App {
    /// Opens the state, binds the admin pages and builds all routes. Sends nothing to Okta or a bus.
    pub async fn build(config: Config, recovery: Option<Recovery>) -> Result<Self, AppError> {
        for sink in config.sinks.values() {
            crate::sink::require(sink)?;
        }
        let Feeds { clients, streams } = Feeds::of(&config)?;
        let from = recovery.map(|recovery| match recovery {
            Recovery::Witness => RecoverFrom::Witness,
            Recovery::Store => RecoverFrom::Store,
            Recovery::Since(time) => RecoverFrom::Cursors(cursors_at(&streams, time)),
        });
        let notes = || pauses_of_recovery(config.commands.keys(), Timestamp::now());
        let opening = match from {
            None => Opening::Trusted,
            Some(from) => Opening::Recovered { from, notes: notes() },
        };
        let state =
            open_state(&StatePaths::from(&config.runtime.state), &opening, &config.runtime.admin).await?;
        if recovery.is_some() && !config.commands.is_empty() {
            tracing::warn!("the state was recovered: {RECOVERY_CONSEQUENCE}");
        }
        let admin = opening::bind(&config.runtime.admin).await?;
        let doorbells = Doorbells::open(&config.doorbells, &streams).await?;

        let mut loops = of_streams(&config, &streams, &state);
        loops.extend(of_searches(&config, &clients, &state));
        let engines = Engines::new(&config, &clients, &state)?;
        loops.extend(engines.all().map(|engine| Loop::Commands(Arc::clone(engine), engines.remember())));
        series::register(&config, &engines, &doorbells.all());
        let routes: Vec<_> = loops.iter().filter_map(Loop::view).collect();
        let statuses = routes.iter().map(|route| Arc::clone(&route.status));
        let log = OperatorLog::under(&config.runtime.state.path);
        let letters = LetterRetries::new(config.clone(), state.dead_letters_directory().path);
        let letters = Arc::new(letters);
        let operations = Operations::new(statuses, engines.clone(), state.clone(), Arc::clone(&letters), log);
        operations.load().await?;
        let commands = engines.all().map(|engine| engine.status()).collect();
        let replays = Replays::new(config.clone(), clients.clone(), state.clone());
        let mut view = DaemonView::new(&config, routes, commands, clients.into_values().collect());
        (view.streams, view.doorbells) = (streams, doorbells.all());
        let control = control::bind(&config.runtime.state.path).await;
        let (view, asked) = (Arc::new(view), Arc::default());
        #[cfg(feature = "otlp")]
        let exporter = config.traces.as_ref().map(Exporter::start).transpose()?.flatten();
        Ok(Self {
            config,
            loops,
            state,
            view,
            admin,
            control,
            replays,
            engines,
            letters,
            operations,
            doorbells,
            asked,
            #[cfg(feature = "otlp")]
            exporter,
        })
    }

    /// All buses, so that their secrets can be reloaded.
    pub fn buses(&self) -> Vec<BusConfig> {
        self.config.buses.values().cloned().collect()
    }

    /// The engines of all `[commands.NAME]`, so that their keys can be reloaded.
    pub fn engines(&self) -> Engines {
        self.engines.clone()
    }

    /// The view of the running daemon, for pages and the demo.
    pub fn view(&self) -> Arc<DaemonView> {
        Arc::clone(&self.view)
    }

    /// What the daemon does, in a sentence.
    pub fn purpose(&self) -> String {
        summary::purpose(&self.config)
    }

    /// A notification makes the daemon log its summary at once.
    pub fn asked(&self) -> Arc<Notify> {
        Arc::clone(&self.asked)
    }

    /// Where the admin pages are served.
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.admin.address()
    }

    /// Where event hooks are received.
    pub fn doorbell_address(&self) -> Option<std::net::SocketAddr> {
        self.doorbells.address()
    }

    /// Runs until `shutdown` resolves, or as `until` says, and then drains within the configured grace.
    pub async fn run(self, until: Until, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        if until == Until::CaughtUp && self.loops.iter().all(Loop::is_endless) {
            return Err(AppError::NothingToCatchUp);
        }
        let stop = CancellationToken::new();
        let stop_admin = CancellationToken::new();
        let mut pages = JoinSet::new();
        pages.spawn(admin::serve(
            self.admin,
            Arc::clone(&self.view),
            self.operations.clone(),
            stop_admin.clone(),
        ));
        let (view, until_end) = (Arc::clone(&self.view), stop_admin.clone());
        pages.spawn(async move { view.keep_history(&until_end).await });
        let (view, until_end) = (Arc::clone(&self.view), stop_admin.clone());
        pages.spawn(async move { view.pulse.run(&until_end).await });
        let (view, state, until_end) = (Arc::clone(&self.view), self.state.clone(), stop_admin.clone());
        pages.spawn(async move { watch_state(&state, &view.state_trouble, &until_end).await });

        if let Some(age_max) = self.config.runtime.state.dead_letters.age_max {
            let (letters, until_end) = (Arc::clone(&self.letters), stop_admin.clone());
            pages.spawn(async move {
                expire_dead_letters(letters.directory(), age_max, &SystemClock, &until_end).await;
            });
        }

        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter {
            let until_end = stop_admin.clone();
            pages.spawn(async move { exporter.run(&until_end).await });
        }
        pages.spawn(self.doorbells.run(stop.child_token()));
        let grace = self.config.runtime.shutdown_grace;
        let (mut control, engines) = (JoinSet::new(), self.engines.clone());
        if let Some(socket) = self.control {
            control.spawn(serve_control(
                socket,
                ControlContext::new(
                    stop.clone(),
                    self.state.clone(),
                    self.replays,
                    self.engines,
                    self.letters,
                    self.operations,
                    Arc::clone(&self.view),
                ),
                stop.clone(),
                grace,
            ));
        }

        let supervisor = Supervisor::new(&self.loops, until, stop.clone());
        let ended = tokio::select! {
            ended = supervise(supervisor, shutdown, &stop, grace) => ended,
            never = summary::tell(self.view, self.asked) => never,
        };

        // All routes have ended by themselves, so nothing else is needed.
        stop.cancel();
        while control.join_next().await.is_some() {}
        engines.end_operations().await;
        stop_admin.cancel();
        // A slow reader of a page does not delay the end.
        let served = async { while pages.join_next().await.is_some() {} };
        if tokio::time::timeout(PAGES_GRACE, served).await.is_err() {
            pages.shutdown().await;
        }
        if let Err(err) = self.state.close().await {
            // Every commit is on the disk; the witness is only a little older than it could be.
            tracing::warn!(error = chain(&err), "the witness of the state could not be written at the end");
        }
        ended
    }
}

/// Serves the control socket until `stop`; the work of its requests then has `grace` to end.
async fn serve_control(socket: Socket, context: ControlContext, stop: CancellationToken, grace: Duration) {
    let over = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = control::serve(socket, Arc::new(context)) => {}
        () = over => tracing::warn!("the grace period is over: what commands had begun ends in the middle"),
    }
}

/// The clients of all orgs and the streams that are read through them.
struct Feeds {
    clients: Clients,
    streams: Vec<Arc<Stream>>,
}

impl Feeds {
    fn of(config: &Config) -> Result<Self, UnusableOrg> {
        Ok(Self::through(config, clients(config)?))
    }

    fn through(config: &Config, clients: Clients) -> Self {
        let stream = |stream: &StreamConfig| {
            // Loading the configuration has checked that it exists.
            let client = clients.get(&stream.org)?;
            Some(Arc::new(Stream::new(stream.clone(), Arc::clone(client))))
        };
        let streams = config.streams.values().filter_map(stream).collect();
        Self { clients, streams }
    }
}

/// The cursors of all routes of `config` if they begin at `time`, by route name. Reads no secret.
pub fn beginnings(config: &Config, time: Timestamp) -> Result<Vec<(String, Cursor)>, UnusableOrg> {
    let feeds = Feeds::through(config, clients_without_secrets(config)?);
    Ok(cursors_at(&feeds.streams, time))
}

fn cursors_at(streams: &[Arc<Stream>], time: Timestamp) -> Vec<(String, Cursor)> {
    let routes = streams.iter().flat_map(|stream| {
        let cursor = stream.cursor_at(time);
        stream.config().routes.iter().map(move |route| (route.name.clone(), cursor.clone()))
    });
    routes.collect()
}
