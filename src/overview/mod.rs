//! What is known of the running daemon: how everything stands, whether all is well, and what to do if not.
//!
//! The same for the status page, the probes and the commands that look from the terminal. Changes nothing; knows no HTTP.

mod health;
mod pulse;
mod setup;
mod state_trouble;
mod status;
mod verdict;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use okta_client::Client;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use pulse::Pulse;
pub use setup::{CommandsSetup, OrgSetup, RouteSetup, SearchSetup, Setup, SinkSetup};
pub use state_trouble::StateTrouble;
pub use status::{BucketOverview, OrgOverview, Overview, RouteOverview, SinkOverview};
pub use verdict::{Concern, DaemonVerdict, Grade};

use crate::{
    command::engine::EngineStatus,
    config::Config,
    doorbell::Doorbell,
    live::{FIGURES_EVERY, History, LastHour, RouteFigures, Tails, Tap},
    route::{Phase, RouteStatus, Snapshot},
    source::Stream,
};

/// What is shown of a running daemon.
#[derive(Debug)]
pub struct DaemonView {
    /// What it runs by its configuration.
    shown: RwLock<Arc<Shown>>,
    /// Whether blocking work gets a thread.
    pub pulse: Pulse,
    /// Whether the state is where it was.
    pub state_trouble: StateTrouble,
    /// Delivered events, for whoever watches.
    pub tails: Tails,
    /// Why the configuration that was to be reloaded last is not in force.
    refused_config: Mutex<Option<String>>,
    history: History,
    up_since: Timestamp,
}

/// What a daemon runs by its configuration, as it is shown.
#[derive(Debug)]
pub struct Shown {
    /// The routes.
    pub routes: Vec<RouteView>,
    /// The commands.
    pub commands: Vec<Arc<EngineStatus>>,
    /// The streams, with their polls.
    pub streams: Vec<Arc<Stream>>,
    /// Who may wake them.
    pub doorbells: Vec<Arc<Doorbell>>,
    /// The clients of the orgs, for their rate budgets.
    pub clients: Vec<Arc<Client>>,
    /// What the configuration says, without secrets.
    pub setup: Setup,
    /// A route that does nothing for longer counts as hanging.
    pub stalled_after: Duration,
}

/// A route, as it is shown.
#[derive(Debug)]
pub struct RouteView {
    /// Its current status.
    pub status: Arc<RouteStatus>,
    /// The longest time between two polls, in which it does nothing.
    pub poll_interval: Duration,
}

impl DaemonView {
    /// The view of a daemon that runs this.
    pub fn new(shown: Shown) -> Self {
        Self {
            tails: Tails::new(shown.taps()),
            shown: RwLock::new(Arc::new(shown)),
            pulse: Pulse::default(),
            state_trouble: StateTrouble::default(),
            refused_config: Mutex::default(),
            history: History::default(),
            up_since: Timestamp::now(),
        }
    }

    /// What the daemon runs now.
    pub fn shown(&self) -> Arc<Shown> {
        // Nothing panics while the lock is held.
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The daemon runs this from now on.
    pub fn exchange(&self, shown: Shown) {
        self.tails.exchange(shown.taps());
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }

    /// The configuration was reloaded, or refused for this reason.
    pub fn config_reloaded(&self, refused: Option<String>) {
        *self.refused_config.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    fn refused_config(&self) -> Option<String> {
        self.refused_config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The current status of all routes.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.shown().snapshots()
    }

    /// Why the daemon is not alive; empty if it is.
    pub fn alive(&self) -> Vec<String> {
        health::alive(self)
    }

    /// Why the daemon is not ready; empty if it is.
    pub fn ready(&self) -> Vec<String> {
        health::ready(self)
    }

    /// What an operator should look into although the daemon is ready.
    pub fn noteworthy(&self) -> Vec<String> {
        health::noteworthy(self)
    }

    /// How everything stands now.
    pub fn overview(&self) -> Overview {
        status::overview(self)
    }

    /// The charts of the last hour of all routes, by name.
    pub fn last_hours(&self) -> BTreeMap<String, LastHour> {
        let now = Instant::now();
        let shown = self.shown();
        let names = shown.routes.iter().map(|route| route.status.name());
        names.map(|name| (name.to_owned(), self.history.last_hour(name, now))).collect()
    }

    /// Takes the figures of all routes now and then, until `stop`.
    pub async fn keep_history(&self, stop: &CancellationToken) {
        let taking = async {
            let mut due = tokio::time::interval(FIGURES_EVERY);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                due.tick().await;
                let figures = self.snapshots().into_iter().map(|route| {
                    let figures = figures(&route);
                    (route.route, figures)
                });
                self.history.take(Instant::now(), figures);
            }
        };
        stop.run_until_cancelled(taking).await;
    }
}

impl Shown {
    /// A daemon that runs nothing yet, by `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            routes: Vec::new(),
            commands: Vec::new(),
            streams: Vec::new(),
            doorbells: Vec::new(),
            clients: Vec::new(),
            setup: Setup::of(config),
            stalled_after: config.runtime.admin.stalled_after,
        }
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        self.routes.iter().map(|route| route.status.snapshot()).collect()
    }

    fn taps(&self) -> impl Iterator<Item = (String, Arc<Tap>)> {
        self.routes.iter().map(|route| (route.status.name().to_owned(), Arc::clone(route.status.tap())))
    }
}

/// None while the route's counts are not its own or not known yet.
fn figures(route: &Snapshot) -> Option<RouteFigures> {
    match route.phase {
        Phase::Starting | Phase::Standby | Phase::Superseded => None,
        Phase::Reading | Phase::AtTail | Phase::Paused | Phase::Ended => {
            Some(RouteFigures { delivered: route.delivered, lag_seconds: route.lag_seconds })
        }
    }
}
