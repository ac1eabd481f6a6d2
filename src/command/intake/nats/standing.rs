//! What outlives a connection: how the intake stands with the server, which messages are in our hands, how many more may
//! be, and how far the queue is acknowledged.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_nats::{Subject, jetstream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::hands::Hands;
use crate::sink::nats::link::Link;

/// Messages that are taken from the server and of which it is not said what became of them.
pub(super) const HELD_MAX: usize = 256;

/// A connection as tickets see it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) jetstream: jetstream::Context,
    pub(super) link: Arc<Link>,
}

/// How the intake stands with the server.
#[derive(Debug)]
pub(super) enum Standing {
    Connected(Arc<Line>),
    /// It will be connected again; this is why it is not.
    Apart(String),
    /// It will not.
    Closed,
}

/// One message that is held: as long as this is there, the server is told to wait for it.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    pub(super) sequence: u64,
    _room: OwnedSemaphorePermit,
}

/// Shared by all connections of one intake, and its tickets.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) standing: watch::Sender<Standing>,
    /// A permit for each message that may still be taken.
    pub(super) room: Arc<Semaphore>,
    /// The stream's sequence up to which everything is acknowledged, as last told; zero: not known.
    floor: AtomicU64,
    hands: Mutex<Hands>,
    /// Why the server gives no more messages though it is there.
    standstill: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            standing: watch::Sender::new(Standing::Apart(String::new())),
            room: Arc::new(Semaphore::new(HELD_MAX)),
            floor: AtomicU64::new(0),
            hands: Mutex::default(),
            standstill: Mutex::default(),
        }
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    pub(super) fn set_floor(&self, sequence: u64) {
        self.floor.store(sequence, Ordering::Release);
    }

    /// Holds the message that stands at `sequence` in the stream and is acknowledged at `reply`.
    pub(super) fn hold(
        self: &Arc<Self>,
        sequence: u64,
        reply: Option<Subject>,
        room: OwnedSemaphorePermit,
    ) -> Hold {
        // Without a reply it came from no consumer, and nobody waits for a word about it.
        if let Some(reply) = reply {
            self.hands().take(sequence, reply);
        }
        Hold { shared: Arc::clone(self), sequence, _room: room }
    }

    /// What is in our hands. Not to be kept locked while waiting.
    pub(super) fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why the server gives no more messages, if it does not.
    pub(super) fn stand_still(&self, why: Option<String>) {
        *self.standstill.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why no messages come, if it is not that there are none.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::Connected(_) => self.standstill.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Standing::Apart(why) => Some(why.clone()),
            Standing::Closed => Some("closed".to_owned()),
        }
    }

    /// The connection, if there is one just now.
    pub(super) fn line(&self) -> Option<Arc<Line>> {
        match &*self.standing.borrow() {
            Standing::Connected(line) => Some(Arc::clone(line)),
            Standing::Apart(_) | Standing::Closed => None,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.hands().let_fall(self.sequence);
    }
}
