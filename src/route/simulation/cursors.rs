//! The state of one route in a simulation: what is written is there when the call returns or the route is dropped in it,
//! or is not. It looks at each cursor that is written: no event before it may lack its proof.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::Instant;
use url::Url;

use super::judge::id;
use crate::{
    route::CursorStore,
    simulation::Disk,
    sink::{SimulatedLetters, simulated::SimulatedBus},
    source::simulation::log::{after, uuid},
    state::{Cursor, StateError, StoredCursor},
};

/// More events than a route may have read beyond its cursor.
const AHEAD_MAX: usize = 60;

#[derive(Debug)]
pub(super) struct SimulatedCursors {
    disk: Disk,
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    stored: Option<StoredCursor>,
    /// As it was given, to recognise a call that is repeated.
    written: Option<Arc<Cursor>>,
    /// The event furthest in the log before which all are delivered. Okta's links may lead back, the cursor with them.
    furthest: usize,
    wrong: Vec<String>,
}

impl SimulatedCursors {
    pub(super) fn new(
        seed: u64,
        bad_until: Instant,
        bus: Arc<SimulatedBus>,
        letters: Arc<SimulatedLetters>,
    ) -> Arc<Self> {
        let inner = Inner { stored: None, written: None, furthest: 0, wrong: Vec::new() };
        let disk = Disk::new(seed, bad_until);
        Arc::new(Self { disk, bus, letters, inner: Mutex::new(inner) })
    }

    /// The event that is asked for next.
    pub(super) fn after(&self) -> Option<usize> {
        after_of(&self.inner().stored.as_ref()?.cursor)
    }

    /// The event before which all are delivered for good.
    pub(super) fn furthest(&self) -> usize {
        self.inner().furthest
    }

    pub(super) fn last_fault_at(&self) -> Option<Instant> {
        self.disk.last_fault_at()
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

    fn write(&self, route: &str, expected: u64, cursor: &Arc<Cursor>) -> Result<u64, StateError> {
        {
            let mut inner = self.inner();
            let found = inner.stored.as_ref().map_or(0, |stored| stored.generation);
            if found == expected + 1 && inner.written.as_ref() == Some(cursor) {
                return Ok(found);
            }
            if found != expected {
                return Err(StateError::Regressed { what: route.to_owned(), expected, found });
            }
            let stored = Cursor::clone(cursor);
            inner.stored = Some(StoredCursor { generation: expected + 1, cursor: stored });
            inner.written = Some(Arc::clone(cursor));
        }
        self.look_at(cursor);
        Ok(expected + 1)
    }

    /// Every event that the cursor counts as delivered is on the bus, which has said so, or among the dead letters.
    fn look_at(&self, cursor: &Cursor) {
        let (recent, end) = (cursor.recent.to_set(), after_of(cursor).unwrap_or_default());
        let known = self.inner().furthest;
        // No route is further ahead than a few pages.
        let (begin, ahead) = (known.min(end), known.max(end) + AHEAD_MAX);
        let counted = (begin..ahead).filter(|index| *index < end || recent.contains(&uuid(*index))).map(id);
        let counted: BTreeSet<_> = counted.collect();
        let kept: BTreeSet<_> = self.letters.ids().into_iter().collect();
        let is_lost = |id: &&String| !self.bus.has_acknowledged(id) && !kept.contains(*id);
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

impl CursorStore for SimulatedCursors {
    fn load<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<StoredCursor>, StateError>> {
        async move {
            self.disk.answer().await?;
            Ok(self.inner().stored.clone())
        }
        .boxed()
    }

    fn advance<'a>(
        &'a self,
        route: &'a str,
        expected: u64,
        cursor: Arc<Cursor>,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        async move {
            self.disk.answer().await?;
            let generation = self.write(route, expected, &cursor)?;
            self.disk.answer().await?;
            Ok(generation)
        }
        .boxed()
    }
}
