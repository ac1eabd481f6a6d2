//! What the reading thread and the tickets share: the offsets, and what waits to be tried again.

use std::{
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
    /// Keeps a message until `wait` is over. It stays open, so what is held is bounded with what is open.
    pub(super) fn hold(&mut self, spot: Spot, letter: Letter, wait: Duration) {
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
}
