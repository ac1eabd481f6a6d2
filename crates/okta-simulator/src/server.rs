//! HTTP: every request for Okta's API passes through here, top to bottom: faults, who
//! asks, limits, endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header, request::Parts};
use axum::response::Response;

use super::answer::{Answer, clock_skew_seconds};
use super::connection::{DropSwitch, DroppableListener};
use super::directory::Visit;
use super::endpoint::{Bucket, Endpoint};
use super::fault::{Fault, Instead, ThrottleHeaders};
use super::okta_error::OktaError;
use super::org::Org;
use super::rate_limit::Quota;
use super::request_log::Answered;
use super::{authorization, clock, directory, gzip, hooks, inspect, logs, oauth};

const LOGS_SCOPE: &str = "okta.logs.read";
/// The largest body of a request to Okta's API, in bytes.
const MAX_BODY: usize = 512 * 1024;
const WEB_PAGE: &str = "<!DOCTYPE html><html><body>Down for maintenance</body></html>";

/// Serves until the org is stopping.
pub(super) async fn serve(listener: DroppableListener, org: Arc<Org>) {
    let stopping = org.stopping.clone();
    let router = Router::new()
        .nest("/-", inspect::router())
        .fallback(answer_api)
        .with_state(org)
        .into_make_service_with_connect_info::<DropSwitch>();
    let served = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the simulator stopped serving");
    }
}

async fn answer_api(
    State(org): State<Arc<Org>>,
    ConnectInfo(switch): ConnectInfo<DropSwitch>,
    request: Request,
) -> Response {
    let (arrived, arrived_ms) = (Instant::now(), clock::now_ms());
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let faults = org.faults.strike_request(method, path, after_parameter(&parts).as_deref());
    let request_id = format!("{:032x}", fastrand::u128(..));

    let answer = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => answer(&org, &parts, &body, &request_id, &faults).await,
        Err(_) => Answer::error(&OktaError::for_status(StatusCode::BAD_REQUEST)),
    };
    let loses = |instead| faults.contains(&Fault::AnswerLost { instead });
    let is_dropped = faults.contains(&Fault::DropConnection) || loses(Instead::Nothing);
    if is_dropped {
        switch.throw();
    }
    let answer = match loses(Instead::InternalError) {
        true => Answer::error(&OktaError::internal_server_error()),
        false => answer,
    };
    org.requests.note(Answered {
        at: clock::date_time(arrived_ms),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        status: if is_dropped { 0 } else { answer.status.as_u16() },
        events: answer.events,
        bytes: answer.body.len(),
        milliseconds: u64::try_from(arrived.elapsed().as_millis()).unwrap_or(u64::MAX),
        faults: faults.clone(),
    });
    let gzip = org.gzip && gzip::is_accepted(&parts.headers);
    answer.into_response(&org, &request_id, &faults, gzip).await
}

/// What a request gets, as far as the org decides it.
pub(super) async fn answer(
    org: &Arc<Org>,
    parts: &Parts,
    body: &[u8],
    request_id: &str,
    faults: &[Fault],
) -> Answer {
    let Some(_slot) = org.enter() else {
        let reset_s = clock::now_ms() / 1000 + 1;
        let quota = Quota { limit: 0, remaining: 0, reset_s };
        return Answer::error(&OktaError::too_many_requests()).with_quota(quota);
    };
    wait(org, faults).await;
    let base = base_url(org, parts);
    let url = format!("{base}{}", parts.uri.path());
    let now_s = clock::now_ms().div_euclid(1000).saturating_add(clock_skew_seconds(faults));
    if parts.uri.path() == oauth::TOKEN_PATH && parts.method == Method::POST {
        let quota = match org.token_limit.take(clock::now_ms()) {
            Ok(quota) => quota,
            Err(quota) => return Answer::error(&OktaError::too_many_requests()).with_quota(quota),
        };
        let instead = faults.iter().find_map(|fault| answer_instead(fault, quota));
        return instead.unwrap_or_else(|| org.oauth.answer(parts, &url, body, now_s).with_quota(quota));
    }
    let endpoint = Endpoint::find(&parts.method, parts.uri.path());
    let quotas = org.buckets.of(endpoint.as_ref().map_or(Bucket::Other, Endpoint::bucket));
    // An unknown path needs a valid credential too.
    let scope = endpoint.as_ref().map_or(LOGS_SCOPE, |endpoint| endpoint.scope(&parts.method));
    let principal = match authorization::principal(org, parts, &url, scope, now_s) {
        Ok(principal) => principal,
        Err(answer) => return answer.with_quota(quotas.peek(clock::now_ms())),
    };
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return Answer::error(&error).with_quota(quotas.peek(clock::now_ms())),
    };
    if is_without_length(parts) {
        return Answer::empty(StatusCode::LENGTH_REQUIRED).with_quota(quotas.peek(clock::now_ms()));
    }
    let quota = match quotas.take(&principal.name(), clock::now_ms()) {
        Ok(quota) => quota,
        Err(quota) => return Answer::error(&OktaError::too_many_requests()).with_quota(quota),
    };
    if let Some(answer) = faults.iter().find_map(|fault| answer_instead(fault, quota)) {
        return answer;
    }
    let visit = Visit {
        principal: &principal,
        base: &base,
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        body,
        if_match: parts.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()),
        request_id,
    };
    let answer = match endpoint {
        Endpoint::Logs => logs::answer(org, &base, visit.query, faults).await,
        Endpoint::Users(call) => directory::answer(org, &visit, &call),
        Endpoint::Groups(call) => directory::answer(org, &visit, &call),
        Endpoint::Apps(call) => directory::answer(org, &visit, &call),
        Endpoint::Roles(call) => directory::answer(org, &visit, &call),
        Endpoint::Zones(call) => directory::answer(org, &visit, &call),
        Endpoint::Hooks(call) => hooks::answer(org, &visit, &call).await,
    };
    answer.unwrap_or_else(|error| Answer::error(&error)).with_quota(quota)
}

/// Waits as long as the faults say, or until the org is stopping.
async fn wait(org: &Org, faults: &[Fault]) {
    for fault in faults {
        if let Fault::Delay { milliseconds } = fault {
            let delay = tokio::time::sleep(Duration::from_millis(*milliseconds));
            let _ = org.stopping.run_until_cancelled(delay).await;
        }
    }
}

/// Okta wants to know the length of what is posted, be it 0.
fn is_without_length(parts: &Parts) -> bool {
    let has = |name| parts.headers.contains_key(name);
    matches!(parts.method, Method::POST | Method::PUT)
        && !has(header::CONTENT_LENGTH)
        && !has(header::TRANSFER_ENCODING)
}

/// A fault that takes the place of the answer.
fn answer_instead(fault: &Fault, quota: Quota) -> Option<Answer> {
    match fault {
        // Nothing is done, and this answer is dropped.
        Fault::DropConnection => Some(Answer::empty(StatusCode::OK)),
        Fault::NotJson { status } => {
            let status = StatusCode::from_u16(*status).ok()?;
            Some(Answer::web_page(status, WEB_PAGE))
        }
        Fault::RefuseCursor { .. } => Some(Answer::error(&OktaError::invalid_cursor()).with_quota(quota)),
        Fault::Status { status, error_code } => {
            let error = OktaError::for_status(StatusCode::from_u16(*status).ok()?);
            let error = match error_code {
                Some(code) => error.with_code(code.clone()),
                None => error,
            };
            Some(Answer::error(&error).with_quota(quota))
        }
        Fault::RateLimited { headers, seconds } => {
            let answer = Answer::error(&OktaError::too_many_requests());
            let reset_s = (clock::now_ms() / 1000).saturating_add(*seconds);
            let limit = match headers {
                ThrottleHeaders::Absent => return Some(answer),
                ThrottleHeaders::Present => quota.limit,
                ThrottleHeaders::Concurrency => 0,
            };
            Some(answer.with_quota(Quota { limit, remaining: 0, reset_s }))
        }
        _ => None,
    }
}

/// Where links point: the public URL, or the host that was asked.
fn base_url(org: &Org, parts: &Parts) -> String {
    if let Some(url) = &org.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

fn after_parameter(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == "after").then(|| value.into_owned()))
}
