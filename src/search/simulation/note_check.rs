//! Looks at each note of a search's route that becomes durable: nothing may count as delivered without its proof, and no
//! slot may run twice.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::scenario::SEARCH;
use crate::{
    config::{Emit, SearchRouteConfig},
    search::{
        checkpoint::{RouteNote, SavedProgress},
        plan::Run,
    },
    simulation::CommitObserver,
    sink::{SimulatedLetters, simulated::SimulatedBus},
    state::MemoryStore,
};

/// What was seen of the note of one route.
#[derive(Debug)]
pub(super) struct NoteCheck {
    /// The name of the note.
    name: String,
    emit: Emit,
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: Option<SavedProgress>,
    /// The runs that were begun, by their slots, and how many batches of each were delivered in the end.
    runs: BTreeMap<Timestamp, (Run, u64)>,
    wrong: Vec<String>,
}

impl NoteCheck {
    pub(super) fn new(
        config: &SearchRouteConfig,
        bus: &Arc<SimulatedBus>,
        letters: &Arc<SimulatedLetters>,
    ) -> Arc<Self> {
        let name = RouteNote::name_of(&config.route.name);
        let (bus, letters) = (Arc::clone(bus), Arc::clone(letters));
        Arc::new(Self { name, emit: config.emit, bus, letters, inner: Mutex::default() })
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

impl CommitObserver for NoteCheck {
    fn committed(&self, records: &MemoryStore) {
        let stored = records.note(&self.name).unwrap();
        let kept: SavedProgress = serde_json::from_str(&stored.content).unwrap();
        let mut inner = self.inner();
        let before = inner.kept.replace(kept.clone());
        let ran = before.as_ref().and_then(|before| before.progress.run);
        self.look_at(&mut inner, ran, kept.progress.run);
    }
}
