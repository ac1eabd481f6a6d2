//! The admin address over HTTP: the status page and its API, health for probes, metrics for scrapers.
//!
//! `access.rs` says who may see what and act; `page/` is what a browser is given; `api.rs` what programs and that page read;
//! `stream.rs` what goes on; `actions.rs` what changes something, by way of `operations`. Holds no state of its own.

mod access;
mod actions;
mod api;
mod page;
mod rendering;
mod server;
mod starting;
mod stream;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::IntoResponse,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use okta_client::BudgetStatus;
use tokio_util::sync::CancellationToken;

pub use server::{AdminAddress, AdminError, Server};
pub use starting::{STATE_NOT_OPEN, serve_starting};

use access::Seen;

use crate::{
    operations::Operations,
    overview::DaemonView,
    route::Phase,
    telemetry::{
        metrics,
        polling_metrics::{self, PollGauges},
        printable,
    },
};

/// The largest request: an event to be rendered.
const REQUEST_BYTES_MAX: usize = 256 << 10;

/// What the pages use.
#[derive(Debug)]
struct Shared {
    view: Arc<DaemonView>,
    operations: Operations,
    watchers: stream::Watchers,
    metrics: Option<PrometheusHandle>,
    stop: CancellationToken,
}

/// Serves the pages until `stop`.
pub async fn serve(server: Server, view: Arc<DaemonView>, operations: Operations, stop: CancellationToken) {
    let (watchers, metrics) = (stream::Watchers::default(), metrics::recorder());
    let shared = Arc::new(Shared { view, operations, watchers, metrics, stop: stop.clone() });
    let access = server.access();
    let api = Router::new()
        .route("/api/overview", get(api::overview))
        .route("/api/history", get(api::history))
        .route("/api/configuration", get(api::configuration))
        .route("/api/stream", get(stream::overviews))
        .route("/api/tail", get(stream::tail))
        .route("/api/render", post(rendering::render))
        .route_layer(middleware::from_fn(access::require_token))
        .route("/api/actions", post(actions::act).route_layer(middleware::from_fn(access::require_to_act)))
        .route("/api/access", get(api::access))
        .route_layer(middleware::from_fn(access::refuse_other_sites));
    let pages = Router::new()
        .route("/metrics", get(metrics_page))
        .route("/status", get(api::status))
        .route_layer(middleware::from_fn(access::require_token))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .merge(page::files())
        .merge(api)
        .layer(middleware::from_fn_with_state(access, access::guard))
        .layer(middleware::map_response(access::protect))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(shared);
    server.serve(pages, stop).await;
}

async fn livez(State(shared): State<Arc<Shared>>, Extension(seen): Extension<Seen>) -> impl IntoResponse {
    answer(&shared.view.alive(), &[], seen)
}

async fn readyz(State(shared): State<Arc<Shared>>, Extension(seen): Extension<Seen>) -> impl IntoResponse {
    answer(&shared.view.ready(), &shared.view.noteworthy(), seen)
}

async fn metrics_page(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let Some(recorder) = &shared.metrics else {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "another recorder is installed in this process\n"));
    };
    set_gauges(&shared.view);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::page(recorder)))
}

/// Sets what is asked for with each scrape, and not counted.
fn set_gauges(view: &DaemonView) {
    for snapshot in view.snapshots() {
        let now = jiff::Timestamp::now();
        let age = snapshot.advanced_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        let in_trouble = snapshot.trouble().is_some();
        metrics::route(&snapshot.route, snapshot.lag_seconds, age, in_trouble, snapshot.held);
        metrics::route_paused(&snapshot.route, snapshot.paused.is_some());
        let phases = Phase::ALL.map(|phase| (phase.name(), phase == snapshot.phase));
        metrics::route_phases(&snapshot.route, phases);
    }
    let shown = view.shown();
    for status in &shown.commands {
        let snapshot = status.snapshot();
        metrics::commands(&snapshot.commands, &snapshot.gauges());
    }
    for stream in &shown.streams {
        let snapshot = stream.snapshot();
        let gauges = PollGauges {
            interval_seconds: snapshot.poll_interval_seconds,
            idle_requests_per_hour: snapshot.idle_requests_per_hour,
            polls_by_rings: snapshot.polls_by_rings,
            rings_with_events: snapshot.rings_with_events,
            seconds_saved: snapshot.seconds_saved,
        };
        polling_metrics::stream(&snapshot.stream, &gauges);
    }
    for client in &shown.clients {
        let org = &client.org().name;
        for (bucket, status) in client.budgets() {
            let BudgetStatus { limit, remaining, allowed, used, others, .. } = status;
            metrics::budget(org, bucket, limit, remaining, allowed, used, others);
        }
    }
}

/// 200, or 503 with a line for each reason; then a line for each of `notes`, which are no reasons.
fn answer(reasons: &[String], notes: &[String], seen: Seen) -> (StatusCode, String) {
    let lines =
        |lines: &[String]| lines.iter().map(|line| format!("{}\n", printable(line))).collect::<String>();
    let notes = if seen.is_everything() { lines(notes) } else { String::new() };
    if reasons.is_empty() {
        return (StatusCode::OK, format!("ok\n{notes}"));
    }
    let told = if seen.is_everything() {
        lines(reasons)
    } else {
        "in trouble: send the token to see why\n".to_owned()
    };
    (StatusCode::SERVICE_UNAVAILABLE, told + &notes)
}
