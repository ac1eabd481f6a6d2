//! The simulator's own endpoints under `/-/`: what became available, what was asked, answered and changed,
//! who is there, and what goes wrong.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock;
use super::directory::{Delays, Write};
use super::events_file::{self, Identity};
use super::fault::Armed;
use super::hooks::Sent;
use super::log_store::LogStore;
use super::okta_error::OktaError;
use super::org::Org;
use super::quota::Consumption;
use super::request_log::{Answered, Count};

/// Events listed under one lock.
const BATCH: u64 = 1_000;
/// The largest body of `POST /-/events`, in bytes.
const MAX_BODY: usize = 256 * 1024 * 1024;

#[derive(Serialize)]
struct Listed<'a> {
    uuid: Option<Cow<'a, str>>,
    published: Option<Cow<'a, str>>,
    available: &'a str,
}

#[derive(Serialize)]
struct Health {
    events: u64,
    forgotten: u64,
    /// When the first window of the rate limits began.
    started: String,
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    since_index: u64,
}

/// All routes, to be nested under `/-`.
pub(super) fn router() -> Router<Arc<Org>> {
    Router::new()
        .route("/health", get(health))
        .route("/events", get(events).post(add_events))
        .route("/requests", get(requests))
        .route("/requests/recent", get(recent_requests))
        .route("/faults", get(faults).post(arm_fault).delete(disarm_faults))
        .route("/apps", post(register_app))
        .route("/users", get(users).post(plant_user))
        .route("/groups", post(plant_group))
        .route("/writes", get(writes))
        .route("/hooks", get(sent_hooks).post(set_hooks))
        .route("/delays", get(delays).post(set_delays))
        .route("/dpop-nonces", delete(forget_nonces))
        .route("/consumer", get(consumption).post(set_consumer))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn health(State(org): State<Arc<Org>>) -> Json<Health> {
    let started = clock::date_time(org.started_ms);
    let log = org.log();
    Json(Health { events: log.end(), forgotten: log.first(), started })
}

async fn events(State(org): State<Arc<Org>>, Query(listing): Query<Listing>) -> Response {
    let (first, end) = {
        let log = org.log();
        (log.first().max(listing.since_index), log.end())
    };
    let lines = stream::unfold(first, move |start| {
        let stop = end.min(start + BATCH);
        let lines = (start < stop).then(|| list(&org.log(), start..stop));
        async move { lines.map(|lines| (Ok::<_, Infallible>(lines), stop)) }
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (headers, Body::from_stream(lines)).into_response()
}

/// Makes events available at once; answers how many.
async fn add_events(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body);
    let events = match events_file::parse(&text) {
        Ok(events) => events,
        Err(error) => return bad_request(&error),
    };
    let now_ms = clock::now_ms();
    let mut log = org.log_mut();
    for event in &events {
        log.append(event.published_ms.unwrap_or(now_ms), now_ms, event.json.as_bytes());
    }
    Json(serde_json::json!({ "added": events.len() })).into_response()
}

async fn requests(State(org): State<Arc<Org>>) -> Json<Vec<Count>> {
    Json(org.requests.counts())
}

async fn recent_requests(State(org): State<Arc<Org>>) -> Json<Vec<Answered>> {
    Json(org.requests.recent())
}

async fn faults(State(org): State<Arc<Org>>) -> Json<Vec<Armed>> {
    Json(org.faults.armed())
}

/// Arms a fault whatever the content type says, so that a bare `curl -d` will do.
async fn arm_fault(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    let fault: Armed = match serde_json::from_slice(&body) {
        Ok(fault) => fault,
        Err(error) => return bad_request(&error),
    };
    match org.faults.arm(fault) {
        Ok(()) => Json(org.faults.armed()).into_response(),
        Err(error) => bad_request(&error),
    }
}

async fn disarm_faults(State(org): State<Arc<Org>>) -> StatusCode {
    org.faults.disarm();
    StatusCode::NO_CONTENT
}

/// Takes a service app in, or replaces the one of the same client id, whose tokens are of no use then.
async fn register_app(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(app) => {
            org.oauth.register(app);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => bad_request(&error),
    }
}

async fn users(State(org): State<Arc<Org>>) -> Json<Vec<Value>> {
    Json(org.directory(clock::now_ms()).user_views(""))
}

async fn plant_user(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    let now_ms = clock::now_ms();
    plant(&body, |planted| org.directory(now_ms).plant_user(planted, now_ms))
}

async fn plant_group(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    let now_ms = clock::now_ms();
    plant(&body, |planted| org.directory(now_ms).plant_group(planted, now_ms))
}

/// Answers the id of what was planted.
fn plant<T: DeserializeOwned>(body: &[u8], plant: impl FnOnce(T) -> Result<String, OktaError>) -> Response {
    let planted = match serde_json::from_slice(body) {
        Ok(planted) => planted,
        Err(error) => return bad_request(&error),
    };
    match plant(planted) {
        Ok(id) => Json(serde_json::json!({ "id": id })).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.body("planted")).into_response(),
    }
}

async fn writes(State(org): State<Arc<Org>>) -> Json<Vec<Write>> {
    Json(org.writes.all())
}

async fn sent_hooks(State(org): State<Arc<Org>>) -> Json<Vec<Sent>> {
    Json(org.hooks.sent())
}

/// How hooks are sent from now on.
async fn set_hooks(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(manner) => {
            org.hooks.set_manner(manner);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => bad_request(&error),
    }
}

async fn delays(State(org): State<Arc<Org>>) -> Json<Delays> {
    Json(org.directory(clock::now_ms()).delays())
}

async fn set_delays(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(delays) => {
            let mut directory = org.directory(clock::now_ms());
            directory.set_delays(delays);
            Json(directory.delays()).into_response()
        }
        Err(error) => bad_request(&error),
    }
}

async fn forget_nonces(State(org): State<Arc<Org>>) -> StatusCode {
    org.oauth.forget_nonces();
    StatusCode::NO_CONTENT
}

async fn consumption(State(org): State<Arc<Org>>) -> Json<Consumption> {
    Json(org.buckets.logs.consumption(clock::now_ms()))
}

async fn set_consumer(State(org): State<Arc<Org>>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(consumer) => {
            org.buckets.logs.set_consumer(consumer, clock::now_ms());
            Json(org.buckets.logs.consumption(clock::now_ms())).into_response()
        }
        Err(error) => bad_request(&error),
    }
}

fn bad_request(error: &dyn Error) -> Response {
    (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response()
}

/// JSON lines for some events, in the order in which they became available.
fn list(log: &LogStore, range: Range<u64>) -> Vec<u8> {
    let mut lines = Vec::new();
    for index in range {
        let identity = Identity::of(log.json(index));
        let available = clock::date_time(log.persisted_ms(index));
        let line = Listed { uuid: identity.uuid(), published: identity.published(), available: &available };
        lines.extend(serde_json::to_vec(&line).unwrap_or_default());
        lines.push(b'\n');
    }
    lines
}
