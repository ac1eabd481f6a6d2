//! A change that had to wait, for admission or for a permit, is sent only if its precondition still holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{Change, Changed, Found, OktaError};
use serde_json::{Value, json, value::RawValue};
use url::Url;

use crate::command::{
    Action, ActionFailure, Expect, Request,
    execute::{Admission, Attempt, Code, Executor, Okta, PendingChange, Progress, Reserved},
};

/// What a change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    Admission,
    Turn,
}

/// An org at which every change waits.
#[derive(Debug)]
struct BusyOrg {
    url: Url,
    waits_for: WaitsFor,
    /// The user or group before the wait, and after it.
    seen: Value,
    then: Value,
    has_waited: AtomicBool,
    made: AtomicUsize,
}

impl Okta for BusyOrg {
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
        let view = if self.has_waited.load(Relaxed) { &self.then } else { &self.seen };
        let body = match url.path().trim_start_matches("/api/v1") {
            "/groups" | "/users/00u2/groups" => json!([view]),
            "/users/00u3/groups" => json!([]),
            member @ ("/users/00u2" | "/users/00u3") => member_user(member),
            _ => view.clone(),
        };
        let body = RawValue::from_string(body.to_string()).unwrap();
        std::future::ready(Ok(Found { body, next: None })).boxed()
    }

    fn reserve<'a>(&'a self, _: &'a Change) -> BoxFuture<'a, Result<Box<dyn Reserved + 'a>, OktaError>> {
        async move {
            if self.waits_for == WaitsFor::Turn {
                tokio::time::sleep(Duration::from_secs(5)).await;
                self.has_waited.store(true, Relaxed);
            }
            let turn: Box<dyn Reserved> = Box::new(Turn(self));
            Ok(turn)
        }
        .boxed()
    }
}

struct Turn<'a>(&'a BusyOrg);

impl Reserved for Turn<'_> {
    fn send<'a>(self: Box<Self>) -> BoxFuture<'a, Result<Changed, OktaError>>
    where
        Self: 'a,
    {
        self.0.made.fetch_add(1, Relaxed);
        std::future::ready(Ok(Changed { body: self.0.then.clone(), request_id: None })).boxed()
    }
}

/// Admits everything at first, and checks the precondition after a wait.
struct Holding<'a> {
    org: &'a BusyOrg,
    holds: bool,
}

impl Admission for Holding<'_> {
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>> {
        async move {
            if self.org.waits_for == WaitsFor::Admission {
                tokio::time::sleep(Duration::from_secs(5)).await;
                self.org.has_waited.store(true, Relaxed);
            }
            assert!(change.precondition.seen_at().elapsed() >= Duration::from_secs(5));
            let holds = self.holds && change.precondition.holds().await?;
            if holds { Ok(()) } else { Err(Code::ChangedMeanwhile.because("it is looked at anew")) }
        }
        .boxed()
    }
}

/// How often the change is made if it waits for a permit.
async fn made(action: &str, parameters: Value, seen_then: [Value; 2], holds: bool) -> usize {
    made_after(WaitsFor::Turn, (action, parameters), seen_then, holds).await
}

/// How often the change is made.
async fn made_after(
    waits_for: WaitsFor,
    (action, parameters): (&str, Value),
    [seen, then]: [Value; 2],
    holds: bool,
) -> usize {
    let url = Url::parse("http://127.0.0.1/").unwrap();
    let (has_waited, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let org = Arc::new(BusyOrg { url, waits_for, seen, then, has_waited, made });
    let executor = Executor::new(Arc::<BusyOrg>::clone(&org));
    let request = Request::read(Action::named(action).unwrap(), parameters).unwrap();
    // The user from the look-up need not be read again.
    let resolved = executor.resolve(&request).await.unwrap();
    let begun_at = Timestamp::now();
    let admission = &Holding { org: &org, holds };
    let attempt = Attempt {
        number: 1,
        begun_at,
        dry_run: false,
        baseline: None,
        sent_until: None,
        progress: &Progress::default(),
        admission,
    };
    // Only the requests to Okta matter.
    let _ = executor.perform(&request, &resolved, &Expect::default(), attempt).await;
    org.made.load(Relaxed)
}

fn user(department: &str, last_login: &str) -> Value {
    let profile = json!({ "login": "ada@acme.com", "department": department });
    json!({ "id": "00u1", "status": "ACTIVE", "lastLogin": last_login, "profile": profile })
}

/// The user who is or is not in the group, and does not change.
fn member_user(path: &str) -> Value {
    json!({ "id": path.trim_start_matches("/users/"), "status": "ACTIVE", "profile": { "login": "bob@acme.com" } })
}

fn group(name: &str) -> Value {
    json!({ "id": "00g1", "type": "OKTA_GROUP", "profile": { "name": name } })
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_while_a_change_waited_is_not_changed_by_it() {
    let suspend = || json!({ "user": "00u1" });
    let same = || [user("Ops", "1"), user("Ops", "2")];
    assert_eq!(made("user.suspend", suspend(), same(), true).await, 1, "a sign-in alone changes nothing");
    assert_eq!(made("user.suspend", suspend(), same(), false).await, 0, "policy lets it through no more");
    assert_eq!(made("user.suspend", suspend(), [user("Ops", "1"), user("Board", "1")], true).await, 0);
    let update = json!({ "group": "00g1", "description": "all of them" });
    assert_eq!(made("group.update", update.clone(), [group("Old"), group("Old")], true).await, 1);
    assert_eq!(made("group.update", update, [group("Old"), group("New")], true).await, 0);
    assert_eq!(
        made("group.delete", json!({ "group": "00g1" }), [group("Old"), group("Admins")], true).await,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_while_admission_waited_is_not_changed() {
    let suspend = || ("user.suspend", json!({ "user": "00u1" }));
    let waits_for = WaitsFor::Admission;
    let changed = || [user("Ops", "1"), user("Board", "1")];
    assert_eq!(made_after(waits_for, suspend(), [user("Ops", "1"), user("Ops", "2")], true).await, 1);
    assert_eq!(made_after(waits_for, suspend(), changed(), true).await, 0);
    let remove = ("group.remove_user", json!({ "user": "00u2", "group": "Old" }));
    assert_eq!(made_after(waits_for, remove, [group("Old"), group("Admins")], true).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_renamed_while_a_change_waited_neither_gets_nor_loses_anything() {
    let membership = |user: &str, group: &str| json!({ "user": user, "group": group });
    let assignment = |group: &str| json!({ "app": "0oa1", "group": group });
    for (action, by_name, by_id) in [
        ("group.remove_user", membership("00u2", "Old"), membership("00u2", "00g1")),
        ("group.add_user", membership("00u3", "Old"), membership("00u3", "00g1")),
        ("app.unassign_group", assignment("Old"), assignment("00g1")),
    ] {
        let mut others_came = group("Old");
        others_came["lastMembershipUpdated"] = json!("2026-01-01T00:00:00.000Z");
        let renamed = || [group("Old"), group("Admins")];
        assert_eq!(made(action, by_name.clone(), [group("Old"), others_came], true).await, 1, "{action}");
        assert_eq!(made(action, by_name, renamed(), true).await, 0, "{action}");
        assert_eq!(made(action, by_id, renamed(), true).await, 1, "{action}: the id is the same");
    }
}
