//! What is known of the running daemon: how everything stands, whether all is well, and what to do if not.
//!
//! The same for the status page, the probes and the commands that look from the terminal. Changes nothing; knows no HTTP.

mod health;
mod pulse;
mod setup;
mod state_trouble;
mod status;
mod verdict;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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
    live::{FIGURES_EVERY, History, LastHour, RouteFigures, Tails},
    route::{Phase, RouteStatus, Snapshot},
    source::Stream,
};

/// The parts of a running daemon that are shown.
#[derive(Debug)]
pub struct DaemonView {
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
    /// Whether blocking work gets a thread.
    pub pulse: Pulse,
    /// Whether the state is where it was.
    pub state_trouble: StateTrouble,
    /// What the configuration says, without secrets.
    pub setup: Setup,
    /// Delivered events, for whoever watches.
    pub tails: Tails,
    history: History,
    up_since: Timestamp,
    stalled_after: Duration,
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
    /// The view of these parts of a daemon that runs by `config`. A route that does nothing for longer than
    /// `admin.stalled_after` counts as hanging.
    pub fn new(
        config: &Config,
        routes: Vec<RouteView>,
        commands: Vec<Arc<EngineStatus>>,
        clients: Vec<Arc<Client>>,
    ) -> Self {
        let tap = |route: &RouteView| (route.status.name().to_owned(), Arc::clone(route.status.tap()));
        Self {
            tails: Tails::new(routes.iter().map(tap)),
            routes,
            commands,
            streams: Vec::new(),
            doorbells: Vec::new(),
            clients,
            pulse: Pulse::default(),
            state_trouble: StateTrouble::default(),
            setup: Setup::of(config),
            history: History::default(),
            up_since: Timestamp::now(),
            stalled_after: config.runtime.admin.stalled_after,
        }
    }

    /// The current status of all routes.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.routes.iter().map(|route| route.status.snapshot()).collect()
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
        let names = self.routes.iter().map(|route| route.status.name());
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

/// None while the route's counts are not its own or not known yet.
fn figures(route: &Snapshot) -> Option<RouteFigures> {
    match route.phase {
        Phase::Starting | Phase::Standby | Phase::Superseded => None,
        Phase::Reading | Phase::AtTail | Phase::Paused | Phase::Ended => {
            Some(RouteFigures { delivered: route.delivered, lag_seconds: route.lag_seconds })
        }
    }
}
