//! What programs and the status page read: JSON, made of what `overview` knows. Changes nothing.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use okta_client::BudgetStatus;
use serde::Serialize;

use super::{Shared, access::Seen};
use crate::{
    command::engine::EngineSnapshot, doorbell::DoorbellSnapshot, overview::DaemonView, route::Snapshot,
    source::StreamSnapshot, telemetry::printable_json,
};

/// `GET /status`, which others' scripts read.
#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    routes: Vec<Snapshot>,
    commands: Vec<EngineSnapshot>,
    streams: Vec<StreamSnapshot>,
    doorbells: Vec<DoorbellSnapshot>,
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

/// What the client of this request may do.
#[derive(Debug, Serialize)]
struct AccessAnswer {
    /// Whether there is a token that has to be shown.
    needs_token: bool,
    may_read: bool,
    may_act: bool,
}

impl Status {
    fn of(view: &DaemonView) -> Self {
        let shown = view.shown();
        let orgs = shown.clients.iter().map(|client| {
            let BudgetStatus { limit, remaining, allowed, used, others, waiting } = client.logs_budget();
            let waiting_seconds = waiting.map(|waiting| waiting.as_secs());
            let (org, authentication) = (client.org().name.clone(), client.authentication());
            OrgStatus { org, authentication, limit, remaining, allowed, used, others, waiting_seconds }
        });
        Self {
            version: env!("CARGO_PKG_VERSION"),
            routes: view.snapshots(),
            commands: shown.commands.iter().map(|status| status.snapshot()).collect(),
            streams: shown.streams.iter().map(|stream| stream.snapshot()).collect(),
            doorbells: shown.doorbells.iter().map(|doorbell| doorbell.snapshot()).collect(),
            orgs: orgs.collect(),
        }
    }
}

pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    json(&Status::of(&shared.view))
}

pub(super) async fn overview(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.view.overview())
}

pub(super) async fn history(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.view.last_hours())
}

pub(super) async fn configuration(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.view.shown().setup)
}

pub(super) async fn access(Extension(seen): Extension<Seen>) -> Response {
    json(&AccessAnswer {
        needs_token: seen != Seen::Everything,
        may_read: seen.is_everything(),
        may_act: seen == Seen::EverythingAndActs,
    })
}

pub(super) fn json<T: Serialize>(answer: &T) -> Response {
    match serde_json::to_string(answer) {
        Ok(json) => {
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (headers, printable_json(&json).into_owned()).into_response()
        }
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{err}\n")).into_response(),
    }
}
