//! What outlives a connection: how the intake stands with the server, which messages are held, and how far the queue is
//! acknowledged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_nats::{Subject, jetstream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

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

/// Where the messages that are held are acknowledged, each under a number of its own.
#[derive(Debug, Default)]
struct Replies {
    next: u64,
    subjects: BTreeMap<u64, Subject>,
}

/// One message that is held: as long as this is there, the server is told to wait for it.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    number: u64,
    _room: OwnedSemaphorePermit,
}

/// Shared by all connections of one intake, and its tickets.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) standing: watch::Sender<Standing>,
    /// A permit for each message that may still be taken.
    pub(super) room: Arc<Semaphore>,
    held: Mutex<Replies>,
    /// Why the server gives no more messages though it is there.
    standstill: Mutex<Option<String>>,
    /// The stream's sequence up to which everything is acknowledged, as last told; zero: not known.
    floor: AtomicU64,
    /// Whether nothing was taken yet.
    is_new: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            standing: watch::Sender::new(Standing::Apart(String::new())),
            room: Arc::new(Semaphore::new(HELD_MAX)),
            held: Mutex::default(),
            standstill: Mutex::default(),
            floor: AtomicU64::new(0),
            is_new: AtomicBool::new(true),
        }
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    pub(super) fn set_floor(&self, sequence: u64) {
        self.floor.store(sequence, Ordering::Release);
    }

    /// Whether nothing was taken yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new.load(Ordering::Acquire)
    }

    /// Something may be taken from now on.
    pub(super) fn begin(&self) {
        self.is_new.store(false, Ordering::Release);
    }

    /// Holds a message that is acknowledged at `reply`.
    pub(super) fn hold(self: &Arc<Self>, reply: Option<Subject>, room: OwnedSemaphorePermit) -> Hold {
        let mut held = self.replies();
        let number = held.next;
        held.next += 1;
        held.subjects.extend(reply.map(|reply| (number, reply)));
        Hold { shared: Arc::clone(self), number, _room: room }
    }

    /// Where the messages that are held are acknowledged.
    pub(super) fn held(&self) -> Vec<Subject> {
        self.replies().subjects.values().cloned().collect()
    }

    fn replies(&self) -> MutexGuard<'_, Replies> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.shared.replies().subjects.remove(&self.number);
    }
}
