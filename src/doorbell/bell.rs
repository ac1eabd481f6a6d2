//! The doorbell of one org: what a ring does, and how many there were.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::refusal::Refusal;
use crate::{source::Stream, telemetry::polling_metrics};

/// How long refusals of one kind are counted before they are told again.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// The doorbell of one org.
#[derive(Debug)]
pub struct Doorbell {
    org: String,
    kind: &'static str,
    streams: Vec<Arc<Stream>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rings: u64,
    last_ring_at: Option<Timestamp>,
    refused: BTreeMap<&'static str, u64>,
    told_at: BTreeMap<Refusal, Instant>,
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
    /// A doorbell that wakes `streams`.
    pub(super) fn new(org: &str, kind: &'static str, streams: Vec<Arc<Stream>>) -> Self {
        Self { org: org.to_owned(), kind, streams, inner: Mutex::default() }
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
            refused: inner.refused.clone(),
            trouble: inner.trouble.clone(),
        }
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
        self.streams.iter().for_each(|stream| stream.ring());
    }

    /// A request was refused. The log has the first of each kind, and then one in a while.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let name = refusal.name();
        polling_metrics::refused(&self.org, name);
        let (count, is_told) = {
            let mut inner = self.lock();
            let count = inner.refused.entry(name).or_default();
            *count += 1;
            let count = *count;
            let now = Instant::now();
            let told_at = inner.told_at.get(&refusal).copied();
            let is_told = told_at.is_some_and(|at| now.duration_since(at) < TELL_AGAIN_AFTER);
            if !is_told {
                inner.told_at.insert(refusal, now);
            }
            (count, is_told)
        };
        if !is_told {
            tracing::warn!(
                org = self.org,
                reason = name,
                count,
                remedy = refusal.remedy(),
                "a request to the doorbell was refused; further ones like it are counted, and told again in ten minutes"
            );
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
