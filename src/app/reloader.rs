//! Puts another configuration in force while the daemon runs: all of it or nothing.
//!
//! Whatever can fail is tried first, beside what runs. Then what has changed is drained, as at a stop, and begun anew from what is
//! in the state; what has not changed notices nothing. A stop ends a reload that has not gone so far, and nothing of it is in force.

use std::{path::PathBuf, sync::Arc};

use tokio::{
    sync::mpsc,
    task::{JoinError, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

use super::{
    AppError, Until,
    listeners::Listeners,
    series, summary,
    supervisor::LoopChange,
    topology::{Topology, TopologyChange},
    unchanged::{Unchanged, needs_restart},
};
use crate::{
    admin,
    command::engine::{Engine, Engines},
    config::{BusConfig, Config, ConfigError},
    dead_letters::LetterRetries,
    doorbell::Doorbells,
    operations::{ConfigChange, LoopRequest, Operations, ReloadOutcome, ReloadRequests},
    overview::DaemonView,
    replay::Replays,
    state::{State, StateError},
    systemd::ServiceManager,
    telemetry::{chain, logging, metrics},
};

/// What the reloader changes.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) topology: Arc<Topology>,
    /// All buses that are used, be it by what an earlier configuration made.
    pub(super) buses: Vec<BusConfig>,
    pub(super) listeners: Listeners,
    /// To the supervisor of the loops.
    pub(super) changes: mpsc::Sender<LoopChange>,
    pub(super) parts: Reloadable,
    pub(super) until: Until,
    /// None: this process keeps its configuration.
    pub(super) source: Option<ReloadSource>,
}

/// Where the configuration comes from, and who is told of a reload.
#[derive(Debug)]
pub struct ReloadSource {
    /// Its file.
    pub file: PathBuf,
    /// The service manager.
    pub manager: Arc<ServiceManager>,
}

/// What lives as long as the process, and follows its configuration.
#[derive(Debug, Clone)]
pub(super) struct Reloadable {
    pub(super) state: State,
    pub(super) view: Arc<DaemonView>,
    pub(super) engines: Engines,
    pub(super) replays: Arc<Replays>,
    pub(super) letters: Arc<LetterRetries>,
    pub(super) operations: Operations,
}

/// Why a reload is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("these keys cannot change while the daemon runs, and need a restart: {0}")]
    NeedsRestart(String),
    #[error(transparent)]
    Unusable(#[from] AppError),
    #[error("the pauses of routes cannot be read")]
    Pauses(#[source] StateError),
    #[error("a run that ends when it has caught up keeps its configuration")]
    RunsToAnEnd,
    #[error("this process keeps its configuration")]
    Fixed,
    #[error("the daemon stops")]
    Stopping,
    #[error("it could not be looked at to its end: this is a bug")]
    BrokenOff(#[from] JoinError),
}

/// A configuration that can be put in force.
pub(super) struct Prepared {
    pub(super) topology: Topology,
    pub(super) change: TopologyChange,
    /// None: they stay as they are.
    pub(super) pages: Option<admin::Server>,
    pub(super) doorbells: Option<Doorbells>,
}

impl Reloader {
    /// Serves `requests` until `stop`, one after the other.
    pub(super) async fn run(mut self, mut requests: ReloadRequests, stop: CancellationToken) {
        while let Some(Some(request)) = stop.run_until_cancelled(requests.next()).await {
            match request {
                LoopRequest::Reload(audience) => {
                    let outcome = self.reload_and_show(&stop).await;
                    audience.tell(&outcome);
                }
                LoopRequest::Reset(reset, answer) => {
                    let outcome = Box::pin(self.reset(&reset, &stop)).await;
                    // Who has left need not know.
                    let _ = answer.send(outcome);
                }
            }
        }
    }

    /// Reloads, and has metrics, pages and the service manager show what became of it.
    async fn reload_and_show(&mut self, stop: &CancellationToken) -> ReloadOutcome {
        if let Some(source) = &self.source {
            source.manager.reloading();
        }
        let outcome = self.reload(stop).await;
        let refused = match &outcome {
            ReloadOutcome::Refused { reason } => Some(reason.clone()),
            ReloadOutcome::Applied(_) | ReloadOutcome::Unchanged => None,
        };
        metrics::config_reloaded(outcome.result(), refused.is_none());
        self.parts.view.config_reloaded(refused);
        if let Some(source) = &self.source {
            source.manager.ready(&self.standing(&outcome));
        }
        outcome
    }

    /// What the service manager shows.
    fn standing(&self, outcome: &ReloadOutcome) -> String {
        let purpose = summary::purpose(&self.topology.config);
        match outcome {
            ReloadOutcome::Applied(_) | ReloadOutcome::Unchanged => purpose,
            ReloadOutcome::Refused { .. } => {
                format!("the new configuration is refused, as the log says; as before: {purpose}")
            }
        }
    }

    async fn reload(&mut self, stop: &CancellationToken) -> ReloadOutcome {
        // What nothing else has any more is of an earlier configuration.
        self.buses.retain(BusConfig::is_shared);
        let reloaded = match stop.run_until_cancelled(self.prepare()).await {
            None => Err(ReloadError::Stopping),
            Some(Err(err)) => Err(err),
            Some(Ok(None)) => Ok(ReloadOutcome::Unchanged),
            Some(Ok(Some(prepared))) => {
                self.put_in_force(prepared, None, stop).await.map(ReloadOutcome::Applied)
            }
        };
        match reloaded {
            Ok(ReloadOutcome::Applied(told)) => {
                tracing::info!(
                    added = told.added.join(", "),
                    changed = told.changed.join(", "),
                    removed = told.removed.join(", "),
                    kept = told.kept.join(", "),
                    settings = told.settings.join(", "),
                    "the new configuration is in force"
                );
                ReloadOutcome::Applied(told)
            }
            Ok(outcome) => {
                tracing::info!("the configuration is the same; secrets were read again");
                outcome
            }
            Err(err @ ReloadError::Stopping) => {
                tracing::info!("the daemon stops: the configuration is in force after the next start");
                ReloadOutcome::Refused { reason: chain(&err) }
            }
            Err(err) => {
                let reason = chain(&err);
                tracing::error!(error = reason, "the new configuration is refused; going on as before");
                ReloadOutcome::Refused { reason }
            }
        }
    }

    /// Loads the configuration, and builds whatever can fail. None: it says nothing new. Secrets are read again in any case.
    async fn prepare(&self) -> Result<Option<Prepared>, ReloadError> {
        self.buses.iter().for_each(BusConfig::reload);
        self.topology.reload_secrets().await;
        self.listeners.refresh().await;
        let Some(config) = self.load().await? else { return Ok(None) };
        let same = Unchanged::between(&self.topology.config, &config);
        let (admin, doorbells) = (config.runtime.admin.clone(), &config.doorbells);
        let pages = match same.admin {
            true => None,
            false => {
                let server = admin::Server::bind(admin, self.listeners.pages()).await;
                Some(server.map_err(AppError::from)?)
            }
        };
        let doorbells = match same.doorbells {
            true => None,
            false => {
                let doorbells = Doorbells::open(doorbells, &self.listeners.doorbells()).await;
                Some(doorbells.map_err(AppError::from)?)
            }
        };
        // Keys are read.
        let (before, state) = (Arc::clone(&self.topology), self.parts.state.clone());
        let topology = spawn_blocking(move || before.next(config, &same, &state)).await??;
        let change = self.topology.change_to(&topology);
        Ok(Some(Prepared { topology, change, pages, doorbells }))
    }

    /// The configuration as it is now. None: it says nothing new.
    async fn load(&self) -> Result<Option<Config>, ReloadError> {
        let source = self.source.as_ref().ok_or(ReloadError::Fixed)?;
        let file = source.file.clone();
        let config = spawn_blocking(move || Config::load(&file)).await??;
        if config.typed == self.topology.config.typed {
            return Ok(None);
        }
        if self.until == Until::CaughtUp {
            return Err(ReloadError::RunsToAnEnd);
        }
        let fixed = needs_restart(&self.topology.config, &config);
        if !fixed.is_empty() {
            return Err(ReloadError::NeedsRestart(fixed.join(", ")));
        }
        summary::warn(&config);
        Ok(Some(config))
    }

    /// What begins does nothing before `gate` is cancelled, if there is one. Nothing of this can fail but for a daemon that stops.
    pub(super) async fn put_in_force(
        &mut self,
        prepared: Prepared,
        gate: Option<CancellationToken>,
        stop: &CancellationToken,
    ) -> Result<ConfigChange, ReloadError> {
        let Prepared { topology, change, pages, doorbells } = prepared;
        let TopologyChange { ends, begins, told } = change;
        let ready = async {
            let permit = self.changes.reserve().await.map_err(|_| ReloadError::Stopping)?;
            let paused = self.parts.operations.exchange_routes(topology.statuses()).await;
            paused.map_err(ReloadError::Pauses)?;
            Ok::<_, ReloadError>(permit)
        };
        let permit = stop.run_until_cancelled(ready).await.unwrap_or(Err(ReloadError::Stopping))?;

        let retired = self.retired(&topology);
        if let Some(doorbells) = doorbells {
            doorbells.all().iter().for_each(|doorbell| doorbell.register_metrics());
            self.listeners.take_rings(doorbells);
        }
        if let Some(server) = pages {
            self.listeners.serve_pages(server);
        }
        let bells = self.listeners.doorbells();
        topology.connect(bells.all());
        series::exchange(&self.topology.config, &topology);
        self.parts.follow(&topology, bells.all().to_vec());
        if topology.config.runtime.log.level != self.topology.config.runtime.log.level {
            logging::change_level(&topology.config.runtime.log.level);
        }
        let drained = CancellationToken::new();
        let grace = topology.config.runtime.shutdown_grace;
        let done = Arc::new(drained.clone().drop_guard());
        permit.send(LoopChange { ends, begins, gate, grace, done });
        self.buses.extend(topology.config.buses.values().cloned());
        self.topology = Arc::new(topology);

        // A stop ends this too: the supervisor lets nothing run for longer than its grace period.
        drained.cancelled().await;
        for engine in retired {
            engine.end_operations().await;
        }
        for removed in &told.removed {
            tracing::info!(
                removed,
                "it is not configured any more; where it stood stays in the state, and it goes on from there if it comes back"
            );
        }
        Ok(told)
    }

    /// The commands that `next` no longer has as they are.
    fn retired(&self, next: &Topology) -> Vec<Arc<Engine>> {
        let stays = |name: &str, engine: &Arc<Engine>| {
            next.engines().get(name).is_some_and(|next| Arc::ptr_eq(next, engine))
        };
        let retired = self.topology.engines().iter().filter(|(name, engine)| !stays(name, engine));
        retired.map(|(_, engine)| Arc::clone(engine)).collect()
    }
}

impl Reloadable {
    /// All of it is about `topology` from now on; its routes have been told already.
    fn follow(&self, topology: &Topology, doorbells: Vec<Arc<crate::doorbell::Doorbell>>) {
        self.engines.exchange(topology.engines().clone());
        self.replays.exchange(topology.config.clone(), topology.clients().clone());
        self.letters.exchange(topology.config.clone());
        self.view.exchange(topology.shown(doorbells));
    }
}
