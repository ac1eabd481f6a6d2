//! Health, metrics and status over HTTP. Shows what the routes tell; changes nothing.

mod client;
mod export;
mod health;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use client::{AdminClientError, ask};

use crate::{
    command::engine::{EngineSnapshot, EngineStatus},
    okta::{BudgetStatus, Client},
    route::{RouteStatus, Snapshot},
    state::{State as DurableState, Verification},
    telemetry::{chain, metrics},
};

/// What can be seen of a running daemon.
#[derive(Debug)]
pub struct Watched {
    /// The routes.
    pub routes: Vec<WatchedRoute>,
    /// The commands.
    pub commands: Vec<Arc<EngineStatus>>,
    /// The clients of the orgs, whose budgets are of interest.
    pub clients: Vec<Arc<Client>>,
    stalled_after: Duration,
    state: DurableState,
    metrics: Option<PrometheusHandle>,
}

/// A route that is watched.
#[derive(Debug)]
pub struct WatchedRoute {
    /// How it stands.
    pub status: Arc<RouteStatus>,
    /// How long it may rightly do nothing.
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

impl Watched {
    /// Nothing to be seen yet. A route that does nothing for longer than `stalled_after` counts as hanging.
    pub fn new(stalled_after: Duration, state: DurableState) -> Self {
        Self {
            routes: Vec::new(),
            commands: Vec::new(),
            clients: Vec::new(),
            stalled_after,
            state,
            metrics: metrics::recorder(),
        }
    }

    /// How all routes stand.
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
            metrics::route(&snapshot.route, snapshot.lag_seconds, age, snapshot.trouble().is_some());
        }
        for status in &self.commands {
            let EngineSnapshot { commands, held, waiting, tripped, troubles, .. } = status.snapshot();
            metrics::commands(&commands, held, waiting, tripped.len(), !troubles.is_empty());
        }
        for client in &self.clients {
            client.report_budgets();
        }
        self.metrics.as_ref().map(PrometheusHandle::render)
    }
}

/// Serves the pages until `stop`.
pub async fn serve(listener: TcpListener, watched: Arc<Watched>, stop: CancellationToken) {
    let pages = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/status", get(status))
        .route("/state/export", get(export::export))
        .route("/state/verification", get(state_verification))
        .with_state(watched);
    let served = axum::serve(listener, pages).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(err) = served {
        tracing::error!(error = chain(&err), "the admin pages have ended");
    }
}

async fn livez(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    answer(&health::alive(&watched))
}

async fn readyz(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    answer(&health::ready(&watched))
}

async fn status(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    Json(watched.status())
}

async fn state_verification(
    State(watched): State<Arc<Watched>>,
) -> Result<Json<Verification>, (StatusCode, String)> {
    watched.state.verify().await.map(Json).map_err(|err| unavailable(&err))
}

fn unavailable(err: &dyn std::error::Error) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", chain(err)))
}

async fn metrics_page(State(watched): State<Arc<Watched>>) -> impl IntoResponse {
    match watched.metrics() {
        Some(text) => Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)),
        None => Err((StatusCode::SERVICE_UNAVAILABLE, "another recorder is installed in this process\n")),
    }
}

/// 200, or 503 with a line for each reason.
fn answer(reasons: &[String]) -> (StatusCode, String) {
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.iter().map(|reason| format!("{reason}\n")).collect())
}
