//! The notes of a search's routes in a simulation: what is written is there when the call returns or the route is dropped in
//! it, or is not. It looks at each note that is written: nothing may count as delivered without its proof, and no slot may
//! run twice.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio::time::Instant;

use super::scenario::SEARCH;
use crate::{
    config::Emit,
    search::{checkpoint::SavedProgress, note_store::NoteStore, plan::Run},
    simulation::Disk,
    sink::{SimulatedLetters, simulated::SimulatedBus},
    state::{StateError, StoredNote},
};

/// The note of one route.
#[derive(Debug)]
pub(super) struct SimulatedNotes {
    disk: Disk,
    emit: Emit,
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stored: Option<StoredNote>,
    kept: Option<SavedProgress>,
    /// The runs that were begun, by their slots, and how many batches of each were delivered in the end.
    runs: BTreeMap<Timestamp, (Run, u64)>,
    wrong: Vec<String>,
}

impl SimulatedNotes {
    pub(super) fn new(
        seed: u64,
        bad_until: Instant,
        emit: Emit,
        bus: &Arc<SimulatedBus>,
        letters: &Arc<SimulatedLetters>,
    ) -> Arc<Self> {
        let disk = Disk::new(seed, bad_until);
        let (bus, letters) = (Arc::clone(bus), Arc::clone(letters));
        Arc::new(Self { disk, emit, bus, letters, inner: Mutex::default() })
    }

    pub(super) fn kept(&self) -> Option<SavedProgress> {
        self.inner().kept.clone()
    }

    /// The runs that have ended, by their slots, and how many batches of each were delivered.
    pub(super) fn runs(&self) -> BTreeMap<Timestamp, (Run, u64)> {
        let inner = self.inner();
        let mut runs = inner.runs.clone();
        let at_work = inner.kept.as_ref().and_then(|kept| kept.progress.run);
        if let Some(run) = at_work {
            runs.remove(&run.slot);
        }
        runs
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, name: &str, expected: u64, content: String) -> Result<u64, StateError> {
        let generation = expected + 1;
        let kept: SavedProgress = serde_json::from_str(&content).unwrap();
        let mut inner = self.inner();
        let found = inner.stored.as_ref().map_or(0, |stored| stored.generation);
        if found == generation && inner.stored.as_ref().is_some_and(|stored| stored.content == content) {
            return Ok(found);
        }
        if found != expected {
            return Err(StateError::Regressed { what: name.to_owned(), expected, found });
        }
        let before = inner.kept.replace(kept.clone());
        inner.stored = Some(StoredNote { name: name.to_owned(), generation, content });
        let ran = before.as_ref().and_then(|before| before.progress.run);
        self.look_at(&mut inner, ran, kept.progress.run);
        Ok(generation)
    }

    fn look_at(&self, inner: &mut Inner, before: Option<Run>, now: Option<Run>) {
        match (before, now) {
            (None, Some(run)) => {
                if inner.runs.insert(run.slot, (run, 0)).is_some() {
                    inner.wrong.push(format!("the slot {} begins twice", run.slot));
                }
            }
            (Some(_), Some(run)) => self.look_at_delivered(inner, &run),
            // Nothing of it may come again.
            (Some(run), None) => {
                if let Some((_, delivered)) = inner.runs.get_mut(&run.slot) {
                    *delivered = run.delivered;
                }
                self.bus.committed(self.bus.acknowledged());
            }
            (None, None) => {}
        }
    }

    fn look_at_delivered(&self, inner: &mut Inner, run: &Run) {
        if !matches!(self.emit, Emit::Batches { .. }) {
            return;
        }
        let kept = self.letters.ids();
        let is_lost = |id: &String| !self.bus.has_acknowledged(id) && !kept.contains(id);
        let lost = (1..=run.delivered).map(|number| id(run.slot, &number.to_string())).find(is_lost);
        inner.wrong.extend(lost.map(|lost| format!("the run counts {lost} as delivered without a proof")));
    }
}

/// The id of a part of a run.
pub(super) fn id(slot: Timestamp, part: &str) -> String {
    format!("acme:{SEARCH}:{slot}:{part}")
}

impl NoteStore for SimulatedNotes {
    fn note<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>> {
        async move {
            self.disk.answer().await?;
            Ok(self.inner().stored.clone())
        }
        .boxed()
    }

    fn keep_note<'a>(
        &'a self,
        name: &'a str,
        expected: u64,
        content: String,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        async move {
            self.disk.answer().await?;
            let generation = self.write(name, expected, content)?;
            self.disk.answer().await?;
            Ok(generation)
        }
        .boxed()
    }
}
