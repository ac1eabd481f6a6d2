//! Builds everything from the configuration; starts it, drains it and stops it.

mod clients;
mod letter_expiry;
mod listeners;
mod loops;
mod opening;
mod reloader;
mod route_reset;
mod series;
mod state_watch;
mod summary;
mod supervisor;
mod topology;
mod unchanged;

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(feature = "otlp")]
use crate::telemetry::traces::{Exporter, TracesError};
use crate::{
    admin::{self, AdminError},
    clock::SystemClock,
    command::engine::{EngineError, Engines, RECOVERY_CONSEQUENCE, pauses_of_recovery},
    config::{Config, StreamConfig},
    control::{self, ControlContext, Socket},
    dead_letters::LetterRetries,
    doorbell::{DoorbellError, Doorbells, DoorbellsInUse},
    operations::{Operations, OperatorLog, ReloadHandle, ReloadRequests, reload_channel},
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
use listeners::{Background, Listeners};
use loops::Loop;
use opening::open_state;
pub use reloader::ReloadSource;
use reloader::{Reloadable, Reloader};
use state_watch::watch_state;
pub use summary::warn;
use supervisor::{Supervisor, supervise};
use topology::{Feeds, Topology};

/// The daemon, built but not running.
#[derive(Debug)]
pub struct App {
    topology: Topology,
    parts: Reloadable,
    admin: admin::Server,
    control: Option<Socket>,
    doorbells: Doorbells,
    asked: Arc<Notify>,
    reloads: (ReloadHandle, ReloadRequests),
    source: Option<ReloadSource>,
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
        let feeds = Feeds::of(&config, None)?;
        let state = opened(&config, recovery).await?;
        let admin = admin::Server::bind(config.runtime.admin.clone(), None).await?;
        let doorbells = Doorbells::open(&config.doorbells, &DoorbellsInUse::default()).await?;
        let log = OperatorLog::under(&config.runtime.state.path);

        let topology = Topology::first(config.clone(), feeds, &state)?;
        topology.connect(&doorbells.all());
        series::register(&topology, &doorbells.all());
        let engines = Engines::of(topology.engines().clone());
        let letters = LetterRetries::new(config.clone(), state.dead_letters_directory().path);
        let letters = Arc::new(letters);
        let operations =
            Operations::new(topology.statuses(), engines.clone(), state.clone(), Arc::clone(&letters), log);
        operations.load().await?;
        let control = control::bind(&config.runtime.state.path).await;
        #[cfg(feature = "otlp")]
        let exporter = config.traces.as_ref().map(Exporter::start).transpose()?.flatten();
        let replays = Arc::new(Replays::new(config, topology.clients().clone(), state.clone()));
        let view = Arc::new(DaemonView::new(topology.shown(doorbells.all())));
        let parts = Reloadable { state, view, engines, replays, letters, operations };
        let (asked, reloads) = (Arc::default(), reload_channel());
        Ok(Self {
            topology,
            parts,
            admin,
            control,
            doorbells,
            asked,
            reloads,
            source: None,
            #[cfg(feature = "otlp")]
            exporter,
        })
    }

    /// Reloads come from there. Without it, the process keeps its configuration.
    pub fn reload_from(&mut self, source: ReloadSource) {
        self.source = Some(source);
    }

    /// Asks for reloads.
    pub fn reloads(&self) -> ReloadHandle {
        self.reloads.0.clone()
    }

    /// The view of the running daemon, for pages and the demo.
    pub fn view(&self) -> Arc<DaemonView> {
        Arc::clone(&self.parts.view)
    }

    /// What the daemon does, in a sentence.
    pub fn purpose(&self) -> String {
        summary::purpose(&self.topology.config)
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
        #[cfg(feature = "otlp")]
        let exporter = self.exporter;
        let Self { topology, parts, admin, control, doorbells, asked, reloads, source, .. } = self;
        if until == Until::CaughtUp && topology.loops().all(Loop::is_endless) {
            return Err(AppError::NothingToCatchUp);
        }
        let (stop, background) = (CancellationToken::new(), Background::default());
        observe(&background, &parts.view, &parts.state);
        if let Some(age_max) = topology.config.runtime.state.dead_letters.age_max {
            let (letters, end) = (Arc::clone(&parts.letters), background.end.clone());
            background.spawn(async move {
                expire_dead_letters(letters.directory(), age_max, &SystemClock, &end).await;
            });
        }
        let (view, operations) = (Arc::clone(&parts.view), parts.operations.clone());
        let mut listeners = Listeners::new(background.clone(), view, operations, stop.clone());
        listeners.serve_pages(admin);
        listeners.take_rings(doorbells);

        #[cfg(feature = "otlp")]
        if let Some(exporter) = exporter {
            let end = background.end.clone();
            background.spawn(async move { exporter.run(&end).await });
        }
        let grace = topology.config.runtime.shutdown_grace;
        let (handle, requests) = reloads;
        let mut serving = JoinSet::new();
        if let Some(socket) = control {
            let context = ControlContext {
                stop: stop.clone(),
                work: TaskTracker::new(),
                state: parts.state.clone(),
                replays: Arc::clone(&parts.replays),
                engines: parts.engines.clone(),
                letters: Arc::clone(&parts.letters),
                operations: parts.operations.clone(),
                view: Arc::clone(&parts.view),
                reloads: handle,
            };
            serving.spawn(serve_control(socket, context, stop.clone(), grace));
        }

        let supervisor =
            Supervisor::new(topology.loops().cloned(), until, parts.state.clone(), stop.clone(), grace);
        let (changes, changed) = mpsc::channel(1);
        let topology = Arc::new(topology);
        let buses = topology.config.buses.values().cloned().collect();
        let parts_of_reloader = parts.clone();
        let reloader =
            Reloader { topology, buses, listeners, changes, parts: parts_of_reloader, until, source };
        serving.spawn(reloader.run(requests, stop.clone()));
        let ended = tokio::select! {
            ended = supervise(supervisor, changed, shutdown) => ended,
            never = summary::tell(Arc::clone(&parts.view), asked) => never,
        };

        // All routes have ended by themselves, so nothing else is needed.
        stop.cancel();
        while serving.join_next().await.is_some() {}
        parts.engines.end_operations().await;
        background.ended().await;
        if let Err(err) = parts.state.close().await {
            // Every commit is on the disk; the witness is only a little older than it could be.
            tracing::warn!(error = chain(&err), "the witness of the state could not be written at the end");
        }
        ended
    }
}

/// The state of `config`, opened or recovered.
async fn opened(config: &Config, recovery: Option<Recovery>) -> Result<State, AppError> {
    let from = recovery.map(|recovery| match recovery {
        Recovery::Witness => Ok(RecoverFrom::Witness),
        Recovery::Store => Ok(RecoverFrom::Store),
        Recovery::Since(time) => beginnings(config, time).map(RecoverFrom::Cursors),
    });
    let notes = || pauses_of_recovery(config.commands.keys(), Timestamp::now());
    let opening = match from.transpose()? {
        None => Opening::Trusted,
        Some(from) => Opening::Recovered { from, notes: notes() },
    };
    let state = open_state(&StatePaths::from(&config.runtime.state), &opening, &config.runtime.admin).await?;
    if recovery.is_some() && !config.commands.is_empty() {
        tracing::warn!("the state was recovered: {RECOVERY_CONSEQUENCE}");
    }
    Ok(state)
}

/// Keeps the charts, and watches the threads and the disk.
fn observe(background: &Background, view: &Arc<DaemonView>, state: &State) {
    let (shown, end) = (Arc::clone(view), background.end.clone());
    background.spawn(async move { shown.keep_history(&end).await });
    let (shown, end) = (Arc::clone(view), background.end.clone());
    background.spawn(async move { shown.pulse.run(&end).await });
    let (shown, state, end) = (Arc::clone(view), state.clone(), background.end.clone());
    background.spawn(async move { watch_state(&state, &shown.state_trouble, &end).await });
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

/// The cursors of all routes of `config` if they begin at `time`, by route name. Reads no secret.
pub fn beginnings(config: &Config, time: Timestamp) -> Result<Vec<(String, Cursor)>, UnusableOrg> {
    let clients = clients_without_secrets(config)?;
    let of_stream = |stream: &StreamConfig| {
        // Loading the configuration has checked that it exists.
        let client = clients.get(&stream.org)?;
        let cursor = Stream::new(stream.clone(), Arc::clone(client)).cursor_at(time);
        Some(stream.routes.iter().map(|route| (route.name.clone(), cursor.clone())).collect::<Vec<_>>())
    };
    Ok(config.streams.values().filter_map(of_stream).flatten().collect())
}
