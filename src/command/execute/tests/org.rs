//! A scripted org: answers with what the test wrote, and checks that exactly these requests come in this order.

use std::{
    collections::VecDeque,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{
        HeaderName, Method, StatusCode, Uri,
        header::{CONTENT_TYPE, DATE},
    },
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use okta_client::Client;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};
use url::Url;

use crate::command::{
    Action, ActionFailure, ActionSuccess, Expect, Request,
    execute::{Admission, Attempt, Baseline, Executor, PendingChange, Progress},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-okta-request-id");

/// When an earlier attempt has ended.
const LONG_AGO: Duration = Duration::from_secs(15);

/// A request, as `METHOD path?query body` below `/api/v1`, and the answer to it.
pub(super) type Exchange = (&'static str, u16, Value);

/// The requests that are still expected, and an unexpected one.
#[derive(Debug, Default)]
struct Script {
    expected: VecDeque<Exchange>,
    strayed: Vec<String>,
    ahead_seconds: i64,
}

type Shared = Arc<Mutex<Script>>;

/// A command to be executed.
pub(super) struct Command {
    pub(super) action: &'static str,
    pub(super) parameters: Value,
    pub(super) expect: Value,
    number: u32,
    begun_at: Timestamp,
    dry_run: bool,
    baseline: Option<Baseline>,
    is_after_restart: bool,
    is_patient: bool,
    is_prompt: bool,
    ahead_seconds: i64,
}

impl Command {
    pub(super) fn new(action: &'static str, parameters: Value) -> Self {
        Self {
            action,
            parameters,
            expect: json!({}),
            number: 1,
            begun_at: Timestamp::now(),
            dry_run: false,
            baseline: None,
            is_after_restart: false,
            is_patient: false,
            is_prompt: false,
            ahead_seconds: 0,
        }
    }

    /// The second attempt; the first began at this time, and its last change got no answer.
    pub(super) fn again(mut self, begun_at: &str) -> Self {
        self.baseline = Some(Baseline::default().sending());
        self.again_unsent(begun_at)
    }

    /// The second attempt; nothing was sent.
    pub(super) fn again_unsent(mut self, begun_at: &str) -> Self {
        self.number = 2;
        self.begun_at = begun_at.parse().unwrap();
        self
    }

    /// The second attempt; this was the state before the first sent a change, which got no answer.
    pub(super) fn again_from(mut self, baseline: Baseline) -> Self {
        self.baseline = Some(baseline.sending());
        self.number = 2;
        self
    }

    /// Right after a restart: what the attempt before has sent may have been sent at this very moment.
    pub(super) fn restarted(mut self) -> Self {
        self.is_after_restart = true;
        self
    }

    pub(super) fn dry(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Waits for objects that lists do not have yet.
    pub(super) fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// Executed right after its user was found.
    pub(super) fn prompt(mut self) -> Self {
        self.is_prompt = true;
        self
    }

    /// At an org whose clock is ahead by this much.
    pub(super) fn at_okta(mut self, ahead_seconds: i64) -> Self {
        self.ahead_seconds = ahead_seconds;
        self
    }

    pub(super) fn expecting(mut self, expect: Value) -> Self {
        self.expect = expect;
        self
    }

    /// Executes it at an org with this script. Fails unless exactly these requests come.
    pub(super) async fn run(self, script: Vec<Exchange>) -> Result<ActionSuccess, ActionFailure> {
        let action = self.action;
        let ahead_seconds = self.ahead_seconds;
        let (result, left) =
            at_org(script, ahead_seconds, async |executor| self.run_by(executor).await).await;
        assert!(left.is_none(), "{action}: {}; result: {result:?}", left.unwrap_or_default());
        result
    }

    async fn run_by(self, executor: &Executor) -> Result<ActionSuccess, ActionFailure> {
        let request = Request::read(Action::named(self.action).unwrap(), self.parameters).unwrap();
        let expect: Expect = serde_json::from_value(self.expect).unwrap();
        let resolved = match self.is_patient {
            true => executor.resolve_patiently(&request).await,
            false => executor.resolve(&request).await,
        };
        let resolved = resolved?;
        let resolved = if self.is_prompt { resolved } else { resolved.subjects.into() };
        let attempt = Attempt {
            number: self.number,
            begun_at: self.begun_at,
            dry_run: self.dry_run,
            baseline: self.baseline.as_ref(),
            sent_until: Instant::now().checked_sub(LONG_AGO).filter(|_| !self.is_after_restart),
            progress: &Progress::default(),
            admission: &Open,
        };
        executor.perform(&request, &resolved, &expect, attempt).await
    }
}

/// The result of an executor at an org with this script. Fails unless exactly these requests come.
pub(super) async fn ask<T: Debug>(script: Vec<Exchange>, asking: impl AsyncFnOnce(&Executor) -> T) -> T {
    let (result, left) = at_org(script, 0, asking).await;
    assert!(left.is_none(), "{}; result: {result:?}", left.unwrap_or_default());
    result
}

/// The result, and what of the script was not followed.
async fn at_org<T>(
    script: Vec<Exchange>,
    ahead_seconds: i64,
    asking: impl AsyncFnOnce(&Executor) -> T,
) -> (T, Option<String>) {
    let shared = Shared::default();
    *shared.lock().unwrap() = Script { expected: script.into(), strayed: Vec::new(), ahead_seconds };
    let executor = Executor::new(Arc::new(client(Arc::clone(&shared)).await));
    let result = asking(&executor).await;
    let script = shared.lock().unwrap();
    let is_kept = script.expected.is_empty() && script.strayed.is_empty();
    let left = format!("not asked: {:?}; asked instead: {:?}", script.expected, script.strayed);
    (result, (!is_kept).then_some(left))
}

/// Admits everything.
pub(super) struct Open;

impl Admission for Open {
    fn admit<'a>(&'a self, _: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A client of the scripted org.
async fn client(script: Shared) -> Client {
    // The TLS provider of the whole test binary; only the first call counts.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().fallback(answer).with_state(script);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Client::new(crate::config::acme(url.as_str())).unwrap()
}

async fn answer(State(script): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let target = uri.path_and_query().unwrap().as_str().trim_start_matches("/api/v1");
    let asked = format!("{method} {target} {}", str::from_utf8(&body).unwrap());
    let asked = asked.trim_end();
    let mut script = script.lock().unwrap();
    let Some((expected, status, answer)) = script.expected.pop_front() else {
        script.strayed.push(asked.to_owned());
        return StatusCode::IM_A_TEAPOT.into_response();
    };
    if !fits(asked, expected) {
        script.strayed.push(asked.to_owned());
        script.expected.push_front((expected, status, answer));
        return StatusCode::IM_A_TEAPOT.into_response();
    }
    let status = StatusCode::from_u16(status).unwrap();
    let date = Timestamp::now() + SignedDuration::from_secs(script.ahead_seconds);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    let headers = [(CONTENT_TYPE, "application/json"), (REQUEST_ID, "req-1"), (DATE, date.as_str())]
        .map(|(name, value)| (name, value.to_owned()));
    if answer.is_null() {
        return (status, headers).into_response();
    }
    (status, headers, answer.to_string()).into_response()
}

/// `…` at the end matches anything; `… until now` does where a window in the log includes this moment.
fn fits(asked: &str, expected: &str) -> bool {
    if let Some(beginning) = expected.strip_suffix("… until now") {
        return asked.starts_with(beginning) && is_until_now(asked);
    }
    match expected.strip_suffix('…') {
        Some(beginning) => asked.starts_with(beginning),
        None => asked == expected,
    }
}

fn is_until_now(asked: &str) -> bool {
    let until = asked.split("until=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
    let until = until.replace("%3A", ":").parse::<Timestamp>();
    until.is_ok_and(|until| until > Timestamp::now())
}
