//! What the reading thread and the tickets share: the offsets, and what waits to be tried again.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    letter::Letter,
    offsets::{Offsets, Spot},
};
use crate::sink::kafka::complaint::Complaint;

/// Shared between one reading thread and its tickets.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// What the client complained of last.
    pub(super) complaint: Complaint,
    is_closing: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) offsets: Offsets,
    held: Vec<Held>,
    /// Messages that are being carried out.
    begun: BTreeSet<Spot>,
}

/// A message that is to be tried again.
#[derive(Debug)]
struct Held {
    due: Instant,
    spot: Spot,
    letter: Letter,
}

impl Desk {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the reading thread to end.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }
}

impl State {
    /// Notes that the message there is being carried out, if it still is for us to do.
    pub(super) fn begin(&mut self, spot: Spot) -> bool {
        let is_ours = match self.begun.contains(&spot) {
            true => self.offsets.is_current(spot),
            false => self.offsets.is_open(spot),
        };
        if is_ours {
            self.begun.insert(spot);
        }
        is_ours
    }

    /// Nothing more of these partitions is begun: they are about to go to another.
    pub(super) fn leave(&mut self, partitions: &[i32]) {
        partitions.iter().for_each(|partition| self.offsets.leave(*partition));
    }

    /// Whether anything of these partitions is being carried out.
    pub(super) fn has_begun(&self, partitions: &[i32]) -> bool {
        self.begun.iter().any(|spot| partitions.contains(&spot.partition) && self.offsets.is_current(*spot))
    }

    /// Notes that the message there is done.
    pub(super) fn done(&mut self, spot: Spot) {
        self.begun.remove(&spot);
        self.offsets.done(spot);
    }

    /// Keeps a message until `wait` is over. It stays open, so what is held is bounded with what is open.
    pub(super) fn hold(&mut self, spot: Spot, letter: Letter, wait: Duration) {
        self.begun.remove(&spot);
        if self.offsets.is_open(spot) {
            self.held.push(Held { due: Instant::now() + wait, spot, letter });
        }
    }

    /// The messages whose time has come, in the order of their offsets; those of partitions that are no longer ours are
    /// let go.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Spot, Letter)> {
        let offsets = &self.offsets;
        self.held.retain(|held| offsets.is_open(held.spot));
        let mut due: Vec<_> = self.held.extract_if(.., |held| held.due <= now).collect();
        due.sort_unstable_by_key(|held| held.spot);
        due.into_iter().map(|held| (held.spot, held.letter)).collect()
    }

    /// Why nothing more is read, if it is because of messages that wait to be tried again.
    pub(super) fn standstill(&self) -> Option<String> {
        let held: BTreeSet<_> = self.held.iter().map(|held| held.spot).collect();
        let first = self.offsets.held_up_by(&held)?;
        let first = self.held.iter().find(|held| held.spot == first)?;
        let (count, place) = (held.len(), &first.letter.place);
        Some(format!(
            "{count} commands wait to be tried again, {place} for one, and no more are read beside them"
        ))
    }
}
