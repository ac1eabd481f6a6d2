//! Health, metrics and status over HTTP. Read-only: shows what routes and commands report.

mod access;
mod health;
mod pulse;
mod server;
mod starting;
mod state_trouble;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use pulse::Pulse;
pub use server::{AdminError, Server};
pub use starting::serve_starting;
pub use state_trouble::StateTrouble;

use access::Seen;
use okta_client::{BudgetStatus, Client};

use crate::{
    command::engine::{EngineSnapshot, EngineStatus},
    route::{Phase, RouteStatus, Snapshot},
    telemetry::{metrics, printable, printable_json},
};

/// The parts of a running daemon that the admin pages show.
#[derive(Debug)]
pub struct DaemonView {
    /// The routes.
    pub routes: Vec<RouteView>,
    /// The commands.
    pub commands: Vec<Arc<EngineStatus>>,
    /// The clients of the orgs, for their rate budgets.
    pub clients: Vec<Arc<Client>>,
    /// Whether blocking work gets a thread.
    pub pulse: Pulse,
    /// Whether the state is where it was.
    pub state_trouble: StateTrouble,
    stalled_after: Duration,
    metrics: Option<PrometheusHandle>,
}

/// A route, as the admin pages see it.
#[derive(Debug)]
pub struct RouteView {
    /// Its current status.
    pub status: Arc<RouteStatus>,
    /// The time between two polls, in which it does nothing.
    pub poll_interval: Duration,
}

#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    routes: Vec<Snapshot>,
    commands: Vec<EngineSnapshot>,
    orgs: Vec<OrgStatus>,
}

#[derive(Debug, Serialize)]
struct OrgStatus {
    org: String,
    limit: Option<u64>,
    remaining: Option<u64>,
    allowed: Option<u64>,
    used: u64,
    others: u64,
    authentication: String,
    waiting_seconds: Option<u64>,
}

impl DaemonView {
    /// An empty view. A route that does nothing for longer than `stalled_after` counts as hanging.
    pub fn new(stalled_after: Duration) -> Self {
        Self {
            routes: Vec::new(),
            commands: Vec::new(),
            clients: Vec::new(),
            pulse: Pulse::default(),
            state_trouble: StateTrouble::default(),
            stalled_after,
            metrics: metrics::recorder(),
        }
    }

    /// The current status of all routes.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.routes.iter().map(|route| route.status.snapshot()).collect()
    }

    fn status(&self) -> Status {
        let orgs = self.clients.iter().map(|client| {
            let BudgetStatus { limit, remaining, allowed, used, others, waiting } = client.logs_budget();
            let waiting_seconds = waiting.map(|waiting| waiting.as_secs());
            let (org, authentication) = (client.org().name.clone(), client.authentication());
            OrgStatus { org, authentication, limit, remaining, allowed, used, others, waiting_seconds }
        });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            routes: self.snapshots(),
            commands: self.commands.iter().map(|status| status.snapshot()).collect(),
            orgs: orgs.collect(),
        }
    }

    fn metrics(&self) -> Option<String> {
        for snapshot in self.snapshots() {
            let now = jiff::Timestamp::now();
            let age = snapshot.advanced_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
            let in_trouble = snapshot.trouble().is_some();
            metrics::route(&snapshot.route, snapshot.lag_seconds, age, in_trouble, snapshot.held);
            let phases = Phase::ALL.map(|phase| (phase.name(), phase == snapshot.phase));
            metrics::route_phases(&snapshot.route, phases);
        }
        for status in &self.commands {
            let snapshot = status.snapshot();
            metrics::commands(&snapshot.commands, &snapshot.gauges());
        }
        for client in &self.clients {
            let org = &client.org().name;
            for (bucket, status) in client.budgets() {
                let BudgetStatus { limit, remaining, allowed, used, others, .. } = status;
                metrics::budget(org, bucket, limit, remaining, allowed, used, others);
            }
        }
        self.metrics.as_ref().map(PrometheusHandle::render)
    }
}

/// Serves the pages until `stop`.
pub async fn serve(server: Server, view: Arc<DaemonView>, stop: CancellationToken) {
    let access = server.access();
    let pages = Router::new()
        .route("/metrics", get(metrics_page))
        .route("/status", get(status))
        .route_layer(middleware::from_fn(access::require_token))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .layer(middleware::from_fn_with_state(access, access::guard))
        .with_state(view);
    server.serve(pages, stop).await;
}

async fn livez(State(view): State<Arc<DaemonView>>, Extension(seen): Extension<Seen>) -> impl IntoResponse {
    answer(&health::alive(&view), &[], seen)
}

async fn readyz(State(view): State<Arc<DaemonView>>, Extension(seen): Extension<Seen>) -> impl IntoResponse {
    answer(&health::ready(&view), &health::noteworthy(&view), seen)
}

async fn status(State(view): State<Arc<DaemonView>>) -> impl IntoResponse {
    match serde_json::to_string(&view.status()) {
        Ok(json) => Ok(([(CONTENT_TYPE, "application/json")], printable_json(&json).into_owned())),
        Err(err) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{err}\n"))),
    }
}

async fn metrics_page(State(view): State<Arc<DaemonView>>) -> impl IntoResponse {
    match view.metrics() {
        Some(text) => Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)),
        None => Err((StatusCode::SERVICE_UNAVAILABLE, "another recorder is installed in this process\n")),
    }
}

/// 200, or 503 with a line for each reason; then a line for each of `notes`, which are no reasons.
fn answer(reasons: &[String], notes: &[String], seen: Seen) -> (StatusCode, String) {
    let lines =
        |lines: &[String]| lines.iter().map(|line| format!("{}\n", printable(line))).collect::<String>();
    let notes = match seen {
        Seen::Everything => lines(notes),
        Seen::HealthAlone => String::new(),
    };
    if reasons.is_empty() {
        return (StatusCode::OK, format!("ok\n{notes}"));
    }
    let told = match seen {
        Seen::Everything => lines(reasons),
        Seen::HealthAlone => "in trouble: send the token to see why\n".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, told + &notes)
}
