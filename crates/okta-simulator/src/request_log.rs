//! What was asked and what was answered, for tests to look at: counts for ever, single answers for
//! a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::endpoint;
use super::fault::Fault;

/// Answers kept one by one.
const RECENT: usize = 10_000;
/// Different paths counted apart; requests for more are counted under [`OTHER_PATH`].
const MAX_PATHS: usize = 100;
const OTHER_PATH: &str = "other";

/// One request and its answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Answered {
    /// When it was asked, as a date-time.
    pub(super) at: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// 0 if the connection was closed without an answer.
    pub(super) status: u16,
    /// Events in the page.
    pub(super) events: usize,
    /// Length of the body before compression, in bytes.
    pub(super) bytes: usize,
    /// From the arrival of the request to the start of the answer.
    pub(super) milliseconds: u64,
    pub(super) faults: Vec<Fault>,
}

/// How often a request was answered in a certain way.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    method: String,
    path: String,
    status: u16,
    count: u64,
}

/// All answers so far.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: BTreeMap<(String, String, u16), u64>,
    recent: VecDeque<Answered>,
}

impl RequestLog {
    /// Notes one answer.
    pub(super) fn note(&self, answered: Answered) {
        let mut inner = self.lock();
        let mut key = (answered.method.clone(), endpoint::pattern(&answered.path), answered.status);
        if inner.counts.len() >= MAX_PATHS && !inner.counts.contains_key(&key) {
            OTHER_PATH.clone_into(&mut key.1);
        }
        *inner.counts.entry(key).or_default() += 1;
        if inner.recent.len() == RECENT {
            inner.recent.pop_front();
        }
        inner.recent.push_back(answered);
    }

    /// Counts by method, path and status.
    pub(super) fn counts(&self) -> Vec<Count> {
        let inner = self.lock();
        let counts = inner.counts.iter().map(|((method, path, status), count)| Count {
            method: method.clone(),
            path: path.clone(),
            status: *status,
            count: *count,
        });
        counts.collect()
    }

    /// The latest answers, oldest first.
    pub(super) fn recent(&self) -> Vec<Answered> {
        self.lock().recent.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
