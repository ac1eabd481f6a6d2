//! Changes that Okta completes in the background are done once they show, and are sent once, however long they take.
//! Time is simulated.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{Change, Changed, Found, OktaError};
use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;
use url::Url;

use crate::command::{
    Action, ActionFailure, ActionSuccess, Expect, Request, SuccessKind,
    execute::{Admission, Attempt, Baseline, Executor, Okta, PendingChange, Progress, Reserved},
};

/// How long an engine waits between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(15);

/// An org with one user, whose status takes time to change.
#[derive(Debug)]
struct SlowOrg {
    url: Url,
    transition: Duration,
    /// Something on the way answers in its place.
    is_cut_off: bool,
    user: Mutex<SlowUser>,
}

#[derive(Debug)]
struct SlowUser {
    status: &'static str,
    coming: Option<(&'static str, Instant)>,
    is_deleted: bool,
    writes: Vec<String>,
}

impl SlowOrg {
    fn with(status: &'static str, transition: Duration) -> Arc<Self> {
        Arc::new(Self::new(status, transition))
    }

    fn new(status: &'static str, transition: Duration) -> Self {
        let user = SlowUser { status, coming: None, is_deleted: false, writes: Vec::new() };
        let url = Url::parse("http://127.0.0.1/").unwrap();
        Self { url, transition, is_cut_off: false, user: Mutex::new(user) }
    }

    fn view(&self) -> Option<Value> {
        let mut user = self.user.lock().unwrap();
        if let Some((status, _)) = user.coming.filter(|(_, at)| *at <= Instant::now()) {
            (user.status, user.coming) = (status, None);
        }
        let mut view = json!({ "id": "00u1", "status": user.status, "profile": { "login": "ada@acme.com" } });
        view["created"] = json!("2999-01-01T00:00:00Z");
        if let Some((status, _)) = user.coming {
            view["transitioningToStatus"] = json!(status);
        }
        Some(view).filter(|_| !user.is_deleted)
    }

    /// The last parts of the paths of all changes.
    fn writes(&self) -> Vec<String> {
        self.user.lock().unwrap().writes.clone()
    }
}

impl Okta for SlowOrg {
    fn url(&self) -> &Url {
        &self.url
    }

    fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn look_up<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Found<Box<RawValue>>, OktaError>> {
        let absent = || OktaError::Status {
            status: 404,
            code: Some("E0000007".to_owned()),
            summary: "no".to_owned(),
            request_id: None,
        };
        let is_created = !self.user.lock().unwrap().writes.is_empty() || !url.path().contains('@');
        let found = self.view().filter(|_| is_created).ok_or_else(absent);
        let body = found.map(|view| RawValue::from_string(view.to_string()).unwrap());
        std::future::ready(body.map(|body| Found { body, next: None })).boxed()
    }

    fn reserve<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Box<dyn Reserved + 'a>, OktaError>> {
        let turn: Box<dyn Reserved> = Box::new(Turn { org: self, change });
        std::future::ready(Ok(turn)).boxed()
    }
}

struct Turn<'a> {
    org: &'a SlowOrg,
    change: &'a Change,
}

impl Reserved for Turn<'_> {
    fn send<'a>(self: Box<Self>) -> BoxFuture<'a, Result<Changed, OktaError>>
    where
        Self: 'a,
    {
        let Self { org, change } = *self;
        let shown = change.shown(&org.url);
        let path = shown["path"].as_str().unwrap().split('?').next().unwrap().to_owned();
        let operation = path.rsplit('/').next().unwrap().to_owned();
        let mut user = org.user.lock().unwrap();
        user.writes.push(operation.clone());
        let ends = Instant::now() + org.transition;
        match operation.as_str() {
            _ if org.is_cut_off => {}
            "deactivate" => user.coming = Some(("DEPROVISIONED", ends)),
            "activate" | "users" => user.coming = Some(("ACTIVE", ends)),
            _ => user.is_deleted = true,
        }
        drop(user);
        let body = if operation == "users" { org.view().unwrap() } else { json!({}) };
        std::future::ready(Ok(Changed { body, request_id: None })).boxed()
    }
}

/// Keeps the baseline of what is sent, as the journal does.
#[derive(Default)]
struct Kept(Mutex<Option<Baseline>>);

impl Admission for Kept {
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>> {
        *self.0.lock().unwrap() = Some(change.baseline.clone());
        std::future::ready(Ok(())).boxed()
    }
}

/// Executes it in up to `attempts` attempts, as an engine does.
async fn carry_out(
    org: &Arc<SlowOrg>,
    action: &str,
    parameters: Value,
    attempts: u32,
) -> Result<ActionSuccess, ActionFailure> {
    let executor = Executor::new(Arc::clone(org) as Arc<dyn Okta>);
    let request = Request::read(Action::named(action).unwrap(), parameters).unwrap();
    let resolved = executor.resolve(&request).await.unwrap();
    let (kept, begun_at) = (Kept::default(), Timestamp::now());
    let mut number = 1;
    loop {
        let baseline = kept.0.lock().unwrap().clone();
        let attempt = Attempt {
            number,
            begun_at,
            dry_run: false,
            baseline: baseline.as_ref(),
            sent_until: None,
            progress: &Progress::default(),
            admission: &kept,
        };
        let performed = executor.perform(&request, &resolved, &Expect::default(), attempt).await;
        match performed {
            Err(failed) if failed.retry_after.is_some() && number < attempts => {
                number += 1;
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
            performed => return performed,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_takes_okta_two_minutes_is_done_after_them_and_sent_once() {
    let two_minutes = Duration::from_secs(120);
    let user = || json!({ "user": "00u1" });
    let both = json!({ "user": "00u1", "deactivate_first": true });
    let new = json!({ "profile": { "login": "ada@acme.com" } });
    for (action, parameters, from, to, writes) in [
        ("user.deactivate", user(), "ACTIVE", "DEPROVISIONED", vec!["deactivate"]),
        ("user.activate", user(), "STAGED", "ACTIVE", vec!["activate"]),
        ("user.delete", both, "ACTIVE", "DELETED", vec!["deactivate", "00u1"]),
        ("user.create", new, "STAGED", "ACTIVE", vec!["users"]),
    ] {
        let org = SlowOrg::with(from, two_minutes);
        let begun = Instant::now();
        let performed = carry_out(&org, action, parameters, 10).await.unwrap();
        assert_eq!(
            (performed.kind, &performed.after.unwrap()["status"]),
            (SuccessKind::Done, &json!(to)),
            "{action}"
        );
        assert!(begun.elapsed() >= two_minutes, "{action}: {:?}", begun.elapsed());
        assert_eq!(org.writes(), writes, "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_okta_never_finishes_is_not_called_done() {
    let org = SlowOrg::with("ACTIVE", Duration::from_secs(1 << 20));
    let failed = carry_out(&org, "user.deactivate", json!({ "user": "00u1" }), 10).await.unwrap_err();
    assert_eq!(failed.error.code, "still_changing");
    assert_eq!(org.writes(), ["deactivate"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_answers_is_not_called_done_nor_blamed_on_somebody() {
    let both = json!({ "user": "00u1", "deactivate_first": true });
    for (action, parameters) in [("user.deactivate", json!({ "user": "00u1" })), ("user.delete", both)] {
        let org = Arc::new(SlowOrg { is_cut_off: true, ..SlowOrg::new("ACTIVE", Duration::ZERO) });
        let failed = carry_out(&org, action, parameters, 10).await.unwrap_err();
        assert_eq!(failed.error.code, "unconfirmed", "{action}");
        let told = "user ada@acme.com is ACTIVE as before: a proxy may have answered";
        assert!(failed.error.message.contains(told), "{action}: {}", failed.error.message);
        assert_eq!(org.writes(), ["deactivate"], "{action}");
    }
}
