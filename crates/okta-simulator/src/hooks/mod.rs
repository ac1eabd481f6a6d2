//! Event hooks: which there are, whom they are sent to, and what was sent. `sender` sends them as events become available,
//! `call` has Okta's endpoints for them.

mod call;
mod hook;
mod outbound;
mod sender;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use call::{HookCall, answer};
pub(super) use outbound::Outbound;
pub(super) use sender::run;

use hook::{Hook, Status, Verification};

use super::okta_error::OktaError;
use super::{clock, generator};

/// Active hooks of an org, at most.
const ACTIVE_MAX: usize = 25;
/// Deliveries kept for tests to look at; with more the oldest are forgotten.
const SENT_MAX: usize = 20_000;

/// All hooks of one org.
#[derive(Debug, Default)]
pub(super) struct EventHooks(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    hooks: BTreeMap<String, Hook>,
    manner: Manner,
    sent: VecDeque<Sent>,
}

/// How hooks are sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Manner {
    /// From an event's availability to its delivery.
    delay_milliseconds: i64,
    /// Events of so long go together.
    batch_milliseconds: i64,
    /// Events in one delivery, at most.
    batch_events: usize,
    /// Later events may come before earlier ones, up to two seconds apart.
    disorder: bool,
}

/// One request that was sent, or should have been.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sent {
    pub(super) at: String,
    pub(super) hook: String,
    pub(super) uri: String,
    /// `verification` or `events`.
    pub(super) kind: &'static str,
    /// 1, or 2 for the retry.
    pub(super) attempt: u32,
    /// 0: no answer came, or nothing was sent.
    pub(super) status: u16,
    /// What went wrong, if no answer came.
    pub(super) error: Option<String>,
    /// The uuids of its events.
    pub(super) events: Vec<String>,
    pub(super) milliseconds: u64,
}

impl Sent {
    /// What was sent for `hook` just now: an answer with this status came after `took`, or none for this reason.
    fn new(
        hook: &Hook,
        kind: &'static str,
        attempt: u32,
        took: Duration,
        answered: Result<u16, &str>,
        events: Vec<String>,
    ) -> Self {
        Self {
            at: clock::date_time(clock::now_ms()),
            hook: hook.id.clone(),
            uri: hook.channel.uri.to_string(),
            kind,
            attempt,
            status: answered.unwrap_or_default(),
            error: answered.err().map(str::to_owned),
            events,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self { delay_milliseconds: 0, batch_milliseconds: 0, batch_events: 100, disorder: false }
    }
}

impl EventHooks {
    pub(super) fn set_manner(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    pub(super) fn note(&self, sent: Sent) {
        let mut inner = self.lock();
        if inner.sent.len() == SENT_MAX {
            inner.sent.pop_front();
        }
        inner.sent.push_back(sent);
    }

    /// What was sent, oldest first.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.lock().sent.iter().cloned().collect()
    }

    fn all(&self) -> Vec<Hook> {
        self.lock().hooks.values().cloned().collect()
    }

    fn get(&self, id: &str) -> Result<Hook, OktaError> {
        self.lock().hooks.get(id).cloned().ok_or_else(|| missing(id))
    }

    fn create(&self, body: &Value, by: &str) -> Result<Hook, OktaError> {
        let mut inner = self.lock();
        inner.check_active()?;
        let id = generator::okta_id(&mut fastrand::Rng::new(), "who");
        let hook = Hook::new(id, body, by, clock::now_ms())?;
        inner.hooks.insert(hook.id.clone(), hook.clone());
        Ok(hook)
    }

    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Hook) -> Result<(), OktaError>,
    ) -> Result<Hook, OktaError> {
        let mut inner = self.lock();
        let mut hook = inner.hooks.get(id).cloned().ok_or_else(|| missing(id))?;
        let was_active = hook.status == Status::Active;
        change(&mut hook)?;
        if hook.status == Status::Active && !was_active {
            inner.check_active()?;
        }
        hook.last_updated_ms = clock::now_ms();
        inner.hooks.insert(id.to_owned(), hook.clone());
        Ok(hook)
    }

    fn delete(&self, id: &str) -> Result<(), OktaError> {
        let mut inner = self.lock();
        let hook = inner.hooks.get(id).ok_or_else(|| missing(id))?;
        if hook.status == Status::Active {
            let cause = "Only inactive event hooks can be deleted";
            return Err(OktaError::validation("eventHook", cause));
        }
        inner.hooks.remove(id);
        Ok(())
    }

    /// The hooks that get events, and how.
    fn listening(&self) -> (Vec<Hook>, Manner) {
        let inner = self.lock();
        let listens =
            |hook: &&Hook| hook.status == Status::Active && hook.verification == Verification::Verified;
        (inner.hooks.values().filter(listens).cloned().collect(), inner.manner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check_active(&self) -> Result<(), OktaError> {
        let active = self.hooks.values().filter(|hook| hook.status == Status::Active).count();
        if active < ACTIVE_MAX {
            return Ok(());
        }
        let cause = format!("Maximum number of active event hooks ({ACTIVE_MAX}) reached");
        Err(OktaError::validation("eventHook", cause))
    }
}

fn missing(id: &str) -> OktaError {
    OktaError::missing(id, "EventHook")
}
