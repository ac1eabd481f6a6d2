//! The simulated org: takes time, fails, makes changes without an answer, while others act.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{Change, Changed, Found, OktaError};
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;
use url::Url;

use super::world::{Crash, ExternalEvent, Sent, World};
use crate::{
    clock::Clock as _,
    command::execute::{Okta, Reserved},
    simulation::happens,
};

/// How often in a thousand a read fails, a request waits for a permit, is throttled all the same, and a change is made
/// without an answer.
const LOOK_FAILS: u32 = 60;
const WAITS: u32 = 120;
const TOO_MANY: u32 = 30;
const ANSWER_LOST: u32 = 150;
/// How often the org answers no look-up for a while after a change without an answer.
const DEAF: u32 = 300;
/// How often something on the way refuses a change in Okta's place, before or after Okta has made it.
const FOREIGN: u32 = 40;
/// How often an answer is lost at once, and how often an administrator reverts such a change within a moment.
const LOST_AT_ONCE: u32 = 600;
const REVERTED_AT_ONCE: u32 = 500;
/// The longest time until then, in milliseconds.
const AT_ONCE_MS_MAX: u64 = 500;
/// The longest wait for a permit, in milliseconds.
const TURN_MS_MAX: u64 = 90_000;

/// The connection to the org in one life of the daemon.
#[derive(Debug)]
pub(super) struct SimulatedOkta {
    world: Arc<World>,
    crash: Arc<Crash>,
    url: Url,
    /// The second of the last answer, and when that came.
    told: Mutex<Option<(i64, Instant)>>,
}

impl SimulatedOkta {
    pub(super) fn new(world: Arc<World>, crash: Arc<Crash>) -> Self {
        Self { world, crash, url: Url::parse("http://acme.okta.com/").unwrap(), told: Mutex::default() }
    }

    /// Takes the time of an answer, which has whole seconds, like a `Date` header.
    fn learn(&self) {
        *self.told.lock().unwrap() = Some((self.world.now().as_second(), Instant::now()));
    }

    async fn looked_up(&self, url: &Url) -> Result<Found<Box<RawValue>>, OktaError> {
        self.crash.point().await;
        self.world.latency(200).await;
        if self.world.goes_wrong(TOO_MANY) {
            return Err(self.too_many());
        }
        if self.world.goes_wrong(TOO_MANY) {
            self.world.latency(TURN_MS_MAX).await;
        }
        if self.world.is_deaf() || self.world.goes_wrong(LOOK_FAILS) {
            return Err(no_answer(false));
        }
        let reply = self.world.ask("GET", path_of(url).as_str(), &Bytes::new()).await;
        self.learn();
        self.world.latency(50).await;
        if reply.status != 200 {
            return Err(refused(reply.status, &reply.body, reply.request_id));
        }
        let next = reply.links.iter().find_map(|link| {
            let target = link.strip_suffix(r#">; rel="next""#)?.strip_prefix('<')?;
            Url::parse(target).ok()
        });
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        Ok(Found { body: RawValue::from_string(body).unwrap(), next })
    }

    async fn wait_for_its_turn(&self) {
        self.crash.point().await;
        while self.world.goes_wrong(WAITS) {
            self.world.latency(TURN_MS_MAX).await;
            self.crash.point().await;
        }
    }

    async fn changed(&self, change: &Change) -> Result<Changed, OktaError> {
        self.crash.point().await;
        let shown = change.shown(&self.url);
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        let (method, path) = (text("method"), text("path"));
        let body = match &shown["body"] {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        if self.world.is_one_too_many() || self.world.goes_wrong(TOO_MANY) {
            happens("a change is throttled");
            self.world.may_go_deaf(DEAF);
            return Err(self.too_many());
        }
        if self.world.goes_wrong(FOREIGN) {
            happens("something refuses a change in Okta's place");
            return Err(self.foreign());
        }
        let sent_at = self.world.now();
        self.world.latency(300).await;
        let status_then = self.status_of_user(&path).await;
        let reply = self.world.ask(&method, &path, &body).await;
        let is_made = (200..300).contains(&reply.status);
        self.world.record().sent.push(Sent {
            at: sent_at,
            method: method.clone(),
            path: path.clone(),
            is_made,
            status_then,
        });
        self.crash.point().await;
        self.learn();
        self.world.latency(50).await;
        if self.world.goes_wrong(ANSWER_LOST) {
            happens("the answer to a change is lost");
            self.world.may_go_deaf(DEAF);
            self.others_act_before_a_look(&method, &path, is_made).await;
            return Err(no_answer(true));
        }
        if self.world.goes_wrong(FOREIGN) {
            self.others_act_before_a_look(&method, &path, is_made).await;
            return Err(self.foreign());
        }
        if !is_made {
            return Err(refused(reply.status, &reply.body, reply.request_id));
        }
        let body = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok(Changed { body, request_id: Some(reply.request_id) })
    }
}

impl SimulatedOkta {
    /// An answer is lost: after some time, or at once, and in that moment somebody may take the change back.
    async fn others_act_before_a_look(&self, method: &str, path: &str, is_made: bool) {
        if !self.world.goes_wrong(LOST_AT_ONCE) {
            return self.world.latency(20_000).await;
        }
        let Some((method, path)) = reversal(method, path).filter(|_| is_made) else { return };
        if self.world.goes_wrong(REVERTED_AT_ONCE) {
            self.world.latency(AT_ONCE_MS_MAX).await;
            self.world.act(ExternalEvent::Changed { method, path }).await;
        }
    }

    /// The status of the user of `path`, for the record.
    async fn status_of_user(&self, path: &str) -> Option<String> {
        let id = path.strip_prefix("/api/v1/users/")?.split(['/', '?']).next()?;
        let reply = self.world.ask("GET", &format!("/api/v1/users/{id}"), &Bytes::new()).await;
        let user: Value = serde_json::from_slice(&reply.body).ok()?;
        user["status"].as_str().map(str::to_owned)
    }

    /// A refusal without any mark of Okta's.
    fn foreign(&self) -> OktaError {
        const STATUSES: [u16; 6] = [302, 401, 403, 404, 409, 429];
        let status = STATUSES[self.world.record().random.usize(..STATUSES.len())];
        if status == 429 {
            return OktaError::RateLimited { wait: Duration::from_secs(1), is_oktas: false };
        }
        OktaError::Status { status, code: None, summary: "blocked".to_owned(), request_id: None }
    }

    fn too_many(&self) -> OktaError {
        let wait = self.world.record().random.u64(1..60);
        OktaError::RateLimited { wait: Duration::from_secs(wait), is_oktas: true }
    }
}

impl Okta for SimulatedOkta {
    fn url(&self) -> &Url {
        &self.url
    }

    fn clock_ahead(&self) -> SignedDuration {
        let Some((second, at)) = *self.told.lock().unwrap() else { return SignedDuration::ZERO };
        let now = second + i64::try_from(at.elapsed().as_secs()).unwrap();
        SignedDuration::from_secs(now - self.world.now().as_second())
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn look_up<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Found<Box<RawValue>>, OktaError>> {
        self.looked_up(url).boxed()
    }

    fn reserve<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Box<dyn Reserved + 'a>, OktaError>> {
        async move {
            self.wait_for_its_turn().await;
            let reserved: Box<dyn Reserved> = Box::new(Turn { okta: self, change });
            Ok(reserved)
        }
        .boxed()
    }
}

/// The permit to send one change.
struct Turn<'a> {
    okta: &'a SimulatedOkta,
    change: &'a Change,
}

impl Reserved for Turn<'_> {
    fn send<'a>(self: Box<Self>) -> BoxFuture<'a, Result<Changed, OktaError>>
    where
        Self: 'a,
    {
        async move { self.okta.changed(self.change).await }.boxed()
    }
}

/// What takes a change back.
fn reversal(method: &str, path: &str) -> Option<(&'static str, String)> {
    let user = |operation: &str, back: &str| {
        let user = path.strip_suffix(&format!("/lifecycle/{operation}"))?;
        Some(("POST", format!("{user}/lifecycle/{back}")))
    };
    let is_membership = path.starts_with("/api/v1/groups/") && path.contains("/users/");
    match method {
        "PUT" if is_membership => Some(("DELETE", path.to_owned())),
        "DELETE" if is_membership => Some(("PUT", path.to_owned())),
        _ => user("suspend", "unsuspend").or_else(|| user("unsuspend", "suspend")),
    }
}

fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn no_answer(was_sent: bool) -> OktaError {
    OktaError::Transport { host: "acme.okta.com".to_owned(), reason: "it broke".to_owned(), was_sent }
}

fn refused(status: u16, body: &[u8], request_id: String) -> OktaError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    OktaError::Status {
        status,
        code: text("errorCode"),
        summary: text("errorSummary").unwrap_or_default(),
        request_id: Some(request_id),
    }
}
