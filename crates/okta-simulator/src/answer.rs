//! Answers on their way out: the headers that every one has, and the faults that strike their
//! bodies.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::task::spawn_blocking;

use super::fault::Fault;
use super::okta_error::OktaError;
use super::org::Org;
use super::rate_limit::Quota;
use super::{clock, gzip};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-okta-request-id");
const LIMIT: HeaderName = HeaderName::from_static("x-rate-limit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-rate-limit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-rate-limit-reset");

/// What an endpoint answers, before the headers that every answer has.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: &'static str,
    /// Values of `Link` header lines.
    pub(super) links: Vec<String>,
    pub(super) body: Bytes,
    /// Events in the body.
    pub(super) events: usize,
    /// What the rate-limit headers say; `None` leaves them out.
    quota: Option<Quota>,
    /// Whether it has Okta's id of the request: what answers in Okta's place knows none.
    is_oktas: bool,
    /// Headers that only this answer has.
    own: Vec<(HeaderName, String)>,
}

impl Answer {
    /// A JSON answer.
    pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: "application/json",
            links: Vec::new(),
            body: body.into(),
            events: 0,
            quota: None,
            is_oktas: true,
            own: Vec::new(),
        }
    }

    /// An answer that says nothing but its status.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self::json(status, Vec::new())
    }

    /// An error in Okta's shape.
    pub(super) fn error(error: &OktaError) -> Self {
        let id: String = (0..22).map(|_| fastrand::alphanumeric()).collect();
        Self::json(error.status, error.body(&format!("oae{id}")))
    }

    /// A page for people, of something that is not Okta. One without content has only the status.
    pub(super) fn web_page(status: StatusCode, html: &'static str) -> Self {
        if status == StatusCode::NO_CONTENT {
            return Self { is_oktas: false, ..Self::empty(status) };
        }
        Self { content_type: "text/html", is_oktas: false, ..Self::json(status, html.into()) }
    }

    /// The same answer with rate-limit headers.
    pub(super) fn with_quota(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    /// The same answer with one more header.
    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.own.push((HeaderName::from_static(name), value.into()));
        self
    }

    /// The HTTP response, with what faults do to it.
    pub(super) async fn into_response(
        self,
        org: &Org,
        request_id: &str,
        faults: &[Fault],
        gzip: bool,
    ) -> Response {
        let mut headers = self.headers(request_id, faults);
        let mut body = self.body;
        if gzip && let Some(compressed) = compressed(body.clone()).await {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            body = compressed;
        }
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
        }

        let mut response = Response::new(faulty_body(org, body, faults));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    fn headers(&self, request_id: &str, faults: &[Fault]) -> HeaderMap {
        let skew_s = clock_skew_seconds(faults);
        let date_ms = clock::now_ms().saturating_add(skew_s.saturating_mul(1000));
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, value(&clock::http_date(date_ms)));
        // Okta's SDK for Python reads a body wherever one has a type.
        if !self.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
        if self.is_oktas {
            headers.insert(REQUEST_ID, value(request_id));
        }
        if let Some(quota) = self.quota {
            headers.insert(LIMIT, quota.limit.into());
            headers.insert(REMAINING, quota.remaining.into());
            headers.insert(RESET, quota.reset_s.saturating_add(skew_s).into());
        }
        for (name, text) in &self.own {
            headers.append(name, value(text));
        }
        for link in &self.links {
            headers.append(header::LINK, value(link));
        }
        headers
    }
}

/// The body as it should be, or one that breaks off or stalls in the middle.
fn faulty_body(org: &Org, bytes: Bytes, faults: &[Fault]) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    let broken = io::Error::from(io::ErrorKind::ConnectionAborted);
    let stopping = org.stopping.clone();
    let stalls = faults.contains(&Fault::Stall);
    if !stalls && !faults.contains(&Fault::CutBody) {
        return Body::from(bytes);
    }
    let end = async move {
        if stalls {
            stopping.cancelled().await;
        }
        // What comes before the break is sent while this waits.
        tokio::task::yield_now().await;
        Err(broken)
    };
    Body::from_stream(stream::iter([Ok(half)]).chain(stream::once(end)))
}

async fn compressed(body: Bytes) -> Option<Bytes> {
    spawn_blocking(move || gzip::compress(&body)).await.ok()?.map(Bytes::from)
}

/// By how many seconds the org's clock is off for this request.
pub(super) fn clock_skew_seconds(faults: &[Fault]) -> i64 {
    let skews = faults.iter().map(|fault| match fault {
        Fault::ClockSkew { seconds } => *seconds,
        _ => 0,
    });
    skews.sum()
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
