//! Looks at each note of a replay that becomes durable: nothing may count as delivered without its proof; what counts does not
//! come again, but where a link leads back, or is refused and its last millisecond is read again; and the note is forgotten
//! when everything is delivered and not before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::NAME;
use crate::{
    replay::{progress::Progress, run::note_name},
    search::simulation::log::SearchedLog,
    simulation::CommitObserver,
    sink::{SimulatedLetters, simulated::SimulatedBus},
    source::simulation::log::{after, uuid},
    state::MemoryStore,
};

#[derive(Debug)]
pub(super) struct NoteCheck {
    log: Arc<SearchedLog>,
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: Option<Progress>,
    is_finished: bool,
    wrong: Vec<String>,
}

/// The id of the message of an event.
pub(super) fn id(event: usize) -> String {
    format!("acme:{}", uuid(event))
}

impl NoteCheck {
    pub(super) fn new(
        log: &Arc<SearchedLog>,
        bus: &Arc<SimulatedBus>,
        letters: &Arc<SimulatedLetters>,
    ) -> Arc<Self> {
        let (log, bus, letters) = (Arc::clone(log), Arc::clone(bus), Arc::clone(letters));
        Arc::new(Self { log, bus, letters, inner: Mutex::default() })
    }

    /// Whether the note was forgotten.
    pub(super) fn is_finished(&self) -> bool {
        self.inner().is_finished
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events that the note counts as delivered, each with whether it may come again, and those that may beside them.
    fn counted(&self, progress: &Progress) -> (Vec<(usize, bool)>, Vec<usize>) {
        let (span, left) = (progress.span(), progress.left());
        let (mut counted, mut beside) = (Vec::new(), Vec::new());
        for (index, event) in self.log.events.iter().enumerate() {
            let slice = (0..progress.slices).find(|slice| {
                let slice = span.slice(*slice, progress.slices);
                (slice.since..slice.until).contains(&event.published)
            });
            let Some(slice) = slice else { continue };
            let Some(position) = progress.begun.get(&slice) else {
                counted.extend((!left.contains(&slice)).then_some((index, false)));
                continue;
            };
            let is_edge = position.published_max == Some(event.published);
            // A link goes on behind an event; without one, at a time, which says less.
            match after(&Url::parse(&position.link).unwrap()) {
                Some(after) if index < after => counted.push((index, is_edge)),
                // Or its link leads back.
                _ if is_edge || self.bus.has_acknowledged(&id(index)) => beside.push(index),
                _ => {}
            }
        }
        (counted, beside)
    }

    fn look_at(&self, inner: &mut Inner, progress: &Progress) {
        let (counted, beside) = self.counted(progress);
        let is_proved =
            |event: &usize| self.bus.has_acknowledged(&id(*event)) || self.letters.has(&id(*event));
        let unproved = counted.iter().map(|(event, _)| *event).find(|event| !is_proved(event));
        inner.wrong.extend(unproved.map(|event| format!("the note counts {} without a proof", id(event))));
        let (again, for_good): (Vec<_>, Vec<_>) = counted.into_iter().partition(|(_, is_edge)| *is_edge);
        self.bus.may_come_again(again.into_iter().map(|(event, _)| event).chain(beside).map(id));
        self.bus.committed(for_good.into_iter().map(|(event, _)| id(event)));
        let Some(last) = &inner.last else { return };
        let is_less = progress.slices_done() < last.slices_done() || progress.delivered < last.delivered;
        if is_less || (progress.since, progress.until) != (last.since, last.until) {
            inner.wrong.push(format!("{progress:?} comes after {last:?}"));
        }
    }
}

impl CommitObserver for NoteCheck {
    fn committed(&self, records: &MemoryStore) {
        let mut inner = self.inner();
        match records.note(&note_name(NAME)) {
            Some(note) => {
                let progress: Progress = serde_json::from_str(&note.content).unwrap();
                self.look_at(&mut inner, &progress);
                inner.last = Some(progress);
            }
            None => {
                inner.is_finished = true;
                let is_done = inner.last.as_ref().is_some_and(|last| last.slices_done() == last.slices);
                if !is_done {
                    inner.wrong.push("the note is forgotten before everything is delivered".to_owned());
                }
            }
        }
    }
}
