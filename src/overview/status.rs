//! How everything stands at one moment, as one value that programs read and people are shown. Grows; what there is keeps its name.

use std::sync::Arc;

use jiff::Timestamp;
use okta_client::{BudgetStatus, Client};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    DaemonView, Setup,
    setup::{RouteSetup, SearchSetup, SinkSetup},
    verdict::{self, DaemonVerdict},
};
use crate::{
    command::engine::EngineSnapshot, doorbell::DoorbellSnapshot, route::Snapshot, source::StreamSnapshot,
};

/// How everything stands.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// The daemon's version.
    pub version: &'static str,
    /// The moment.
    pub now: Timestamp,
    /// When the daemon started.
    pub up_since: Timestamp,
    /// Whether all is well, and what to do if not.
    pub verdict: DaemonVerdict,
    /// The routes of streams and searches.
    pub routes: Vec<RouteOverview>,
    /// The sinks.
    pub sinks: Vec<SinkOverview>,
    /// The searches, as they are configured; how they stand is in their routes.
    pub searches: Vec<SearchSetup>,
    /// The orgs with their budgets.
    pub orgs: Vec<OrgOverview>,
    /// The commands.
    pub commands: Vec<EngineSnapshot>,
    /// The streams with their polls.
    pub streams: Vec<StreamSnapshot>,
    /// Who may wake them.
    pub doorbells: Vec<DoorbellSnapshot>,
}

/// A route.
#[derive(Debug, Serialize)]
pub struct RouteOverview {
    /// How it stands.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// Messages a second lately, if that is known.
    pub rate: Option<f64>,
    /// What it reads and feeds.
    pub setup: Option<RouteSetup>,
}

/// A sink.
#[derive(Debug, Serialize)]
pub struct SinkOverview {
    /// What it is.
    #[serde(flatten)]
    pub setup: SinkSetup,
    /// The routes that feed it.
    pub routes: Vec<String>,
    /// What keeps it from taking messages, as its routes tell.
    pub trouble: Option<String>,
}

/// An org.
#[derive(Debug, Serialize)]
pub struct OrgOverview {
    /// Its name.
    pub org: String,
    /// Its address.
    pub url: String,
    /// How we identify ourselves, without secrets.
    pub authentication: String,
    /// The share of each bucket that may be used.
    pub budget_share: f64,
    /// Why a new secret is not used, if the one before still is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_trouble: Option<String>,
    /// The buckets that were used, or of which something is known.
    pub buckets: Vec<BucketOverview>,
}

/// A rate-limit bucket.
#[derive(Debug, Serialize)]
pub struct BucketOverview {
    /// Its name.
    pub bucket: &'static str,
    /// Requests that it allows in a window, as Okta says.
    pub limit: Option<u64>,
    /// Requests that are left in it.
    pub remaining: Option<u64>,
    /// Requests that we may make in a window.
    pub allowed: Option<u64>,
    /// Requests that we made in this window.
    pub used: u64,
    /// Requests that others made in it.
    pub others: u64,
    /// How long we wait, if at all.
    pub waiting_seconds: Option<u64>,
}

pub(super) fn overview(view: &DaemonView) -> Overview {
    let now = Instant::now();
    let shown = view.shown();
    let setup = &shown.setup;
    let routes = shown.snapshots().into_iter().map(|snapshot| RouteOverview {
        rate: view.history.rate(&snapshot.route, now),
        setup: setup.routes.iter().find(|route| route.name == snapshot.route).cloned(),
        snapshot,
    });
    let routes: Vec<_> = routes.collect();
    let orgs = orgs(&shown.clients);
    let commands: Vec<_> = shown.commands.iter().map(|status| status.snapshot()).collect();
    let doorbells: Vec<_> = shown.doorbells.iter().map(|doorbell| doorbell.snapshot()).collect();
    let facts = verdict::Facts {
        doorbells: &doorbells,
        routes: &routes,
        orgs: &orgs,
        commands: &commands,
        hanging: view.alive(),
        state: view.state_trouble.text(),
        refused_config: view.refused_config(),
    };
    Overview {
        version: env!("CARGO_PKG_VERSION"),
        now: Timestamp::now(),
        up_since: view.up_since,
        verdict: DaemonVerdict::of(&facts),
        sinks: sinks(setup, &routes),
        searches: setup.searches.clone(),
        routes,
        orgs,
        commands,
        streams: shown.streams.iter().map(|stream| stream.snapshot()).collect(),
        doorbells,
    }
}

fn sinks(setup: &Setup, routes: &[RouteOverview]) -> Vec<SinkOverview> {
    let sinks = setup.sinks.iter().map(|sink| {
        let feeds =
            |route: &&RouteOverview| route.setup.as_ref().is_some_and(|setup| setup.sink == sink.name);
        SinkOverview {
            setup: sink.clone(),
            routes: routes.iter().filter(feeds).map(|route| route.snapshot.route.clone()).collect(),
            trouble: routes.iter().filter(feeds).find_map(|route| route.snapshot.sink_trouble.clone()),
        }
    });
    sinks.collect()
}

fn orgs(clients: &[Arc<Client>]) -> Vec<OrgOverview> {
    let orgs = clients.iter().map(|client| {
        let org = client.org();
        let buckets = client.budgets().filter(|(_, status)| status.limit.is_some() || status.used > 0);
        let buckets = buckets.map(|(bucket, status)| {
            let BudgetStatus { limit, remaining, allowed, used, others, waiting } = status;
            let waiting_seconds = waiting.map(|waiting| waiting.as_secs());
            BucketOverview { bucket, limit, remaining, allowed, used, others, waiting_seconds }
        });
        OrgOverview {
            org: org.name.clone(),
            url: org.url.origin().ascii_serialization(),
            authentication: client.authentication(),
            budget_share: org.budget_share,
            secret_trouble: client.secret_trouble(),
            buckets: buckets.collect(),
        }
    });
    orgs.collect()
}
