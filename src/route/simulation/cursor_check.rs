//! Looks at each cursor of the route that becomes durable: no event before it may lack its proof.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use url::Url;

use super::{ROUTE, judge::id};
use crate::{
    simulation::CommitObserver,
    sink::{SimulatedLetters, simulated::SimulatedBus},
    source::simulation::log::{after, uuid},
    state::{Cursor, MemoryStore},
};

/// More events than a route may have read beyond its cursor.
const AHEAD_MAX: usize = 60;

#[derive(Debug)]
pub(super) struct CursorCheck {
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The event that is asked for next.
    after: Option<usize>,
    /// The event furthest in the log before which all are delivered. Okta's links may lead back, the cursor with them.
    furthest: usize,
    wrong: Vec<String>,
}

impl CursorCheck {
    pub(super) fn new(bus: Arc<SimulatedBus>, letters: Arc<SimulatedLetters>) -> Arc<Self> {
        Arc::new(Self { bus, letters, inner: Mutex::default() })
    }

    /// The event that is asked for next.
    pub(super) fn after(&self) -> Option<usize> {
        self.inner().after
    }

    /// The event before which all are delivered for good.
    pub(super) fn furthest(&self) -> usize {
        self.inner().furthest
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    /// Something must not be.
    pub(super) fn note(&self, wrong: String) {
        self.inner().wrong.push(wrong);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event that the cursor counts as delivered is on the bus, which has said so, or among the dead letters.
    fn look_at(&self, cursor: &Cursor) {
        let (recent, end) = (cursor.recent.to_set(), after_of(cursor).unwrap_or_default());
        let known = self.inner().furthest;
        // No route is further ahead than a few pages.
        let (begin, ahead) = (known.min(end), known.max(end) + AHEAD_MAX);
        let counted = (begin..ahead).filter(|index| *index < end || recent.contains(&uuid(*index))).map(id);
        let counted: BTreeSet<_> = counted.collect();
        let is_lost = |id: &&String| !self.bus.has_acknowledged(id) && !self.letters.has(id);
        if let Some(lost) = counted.iter().find(is_lost) {
            self.note(format!("the cursor moves to {end} without a proof for {lost}"));
        }
        let furthest = (known.max(end)..).find(|index| !counted.contains(&id(*index))).unwrap_or_default();
        self.bus.committed(counted);
        self.inner().furthest = furthest;
    }
}

fn after_of(cursor: &Cursor) -> Option<usize> {
    after(&Url::parse(&cursor.link).unwrap())
}

impl CommitObserver for CursorCheck {
    fn committed(&self, records: &MemoryStore) {
        let stored = records.cursor(ROUTE).unwrap();
        self.look_at(&stored.cursor);
        self.inner().after = after_of(&stored.cursor);
    }
}
