//! Messages between the task that takes them from the server and whoever asks for the next one.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_nats::jetstream;
use tokio::sync::Notify;

use super::standing::Hold;
use crate::sink::SinkError;

/// A message that is held.
pub(super) struct Taken {
    pub(super) message: jetstream::Message,
    pub(super) hold: Hold,
}

/// Outlives connections: what one of them brought is still to be done. Bounded by the room for messages, so never full.
#[derive(Default)]
pub(super) struct Shelf {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    taken: VecDeque<Taken>,
    failure: Option<SinkError>,
}

impl Shelf {
    pub(super) fn put(&self, taken: Taken) {
        self.state().taken.push_back(taken);
        self.changed.notify_one();
    }

    /// Nothing more comes for now, for this reason.
    pub(super) fn fail(&self, error: SinkError) {
        self.state().failure = Some(error);
        self.changed.notify_one();
    }

    /// The next message, or why there is none just now. Cancel-safe.
    pub(super) async fn next(&self) -> Result<Taken, SinkError> {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    fn pop(&self) -> Option<Result<Taken, SinkError>> {
        let mut state = self.state();
        state.taken.pop_front().map(Ok).or_else(|| state.failure.take().map(Err))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
