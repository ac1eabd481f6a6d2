//! The doorbell of one org: what a ring does, and how many there were.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{refusal::Refusal, refusals::Refusals};
use crate::{source::Stream, telemetry::polling_metrics};

/// The doorbell of one org.
#[derive(Debug)]
pub struct Doorbell {
    org: String,
    kind: &'static str,
    /// What it wakes.
    streams: RwLock<Vec<Arc<Stream>>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rings: u64,
    last_ring_at: Option<Timestamp>,
    refusals: Refusals,
    trouble: Option<String>,
}

/// How the doorbell of one org stands.
#[derive(Debug, Clone, Serialize)]
pub struct DoorbellSnapshot {
    /// The org.
    pub org: String,
    /// `hook` or `nats`.
    pub kind: &'static str,
    /// Rings since this start.
    pub rings: u64,
    /// When the last one came.
    pub last_ring_at: Option<Timestamp>,
    /// Requests that were refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// What keeps rings from arriving, if that is known.
    pub trouble: Option<String>,
}

impl Doorbell {
    /// A doorbell that wakes nothing yet.
    pub(super) fn new(org: &str, kind: &'static str) -> Self {
        Self { org: org.to_owned(), kind, streams: RwLock::default(), inner: Mutex::default() }
    }

    /// The series of its metrics are there, at 0.
    pub fn register_metrics(&self) {
        polling_metrics::doorbell_exists(&self.org, Refusal::all().map(Refusal::name));
    }

    /// How it stands now.
    pub fn snapshot(&self) -> DoorbellSnapshot {
        let inner = self.lock();
        DoorbellSnapshot {
            org: self.org.clone(),
            kind: self.kind,
            rings: inner.rings,
            last_ring_at: inner.last_ring_at,
            refused: inner.refusals.counts().clone(),
            trouble: inner.trouble.clone(),
        }
    }

    /// It wakes those of `streams` that read its org from now on.
    pub fn exchange_streams<'a>(&self, streams: impl IntoIterator<Item = &'a Arc<Stream>>) {
        let of_org = streams.into_iter().filter(|stream| stream.config().org == self.org).cloned().collect();
        // Nothing panics while the lock is held.
        *self.streams.write().unwrap_or_else(PoisonError::into_inner) = of_org;
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(super) fn org(&self) -> &str {
        &self.org
    }

    /// Wakes the streams of the org.
    pub(super) fn ring(&self) {
        let now = Timestamp::now();
        {
            let mut inner = self.lock();
            inner.rings += 1;
            inner.last_ring_at = Some(now);
        }
        polling_metrics::rung(&self.org, now);
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.iter().for_each(|stream| stream.ring());
    }

    /// A request was refused. The log has the first of each kind, and then one in a while.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let untold = self.lock().refusals.count(&self.org, refusal);
        if let Some(untold) = untold {
            untold.tell(&self.org, None);
        }
    }

    /// Something keeps rings from arriving, or nothing does any more; true if that is news.
    pub(super) fn trouble(&self, trouble: Option<String>) -> bool {
        let mut inner = self.lock();
        let is_news = inner.trouble != trouble;
        inner.trouble = trouble;
        is_news
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
