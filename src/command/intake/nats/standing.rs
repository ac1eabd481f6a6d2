//! What outlives a connection: how the intake stands with the server, which messages are in our hands, how many more may
//! be, and how far the queue is acknowledged.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_nats::jetstream;
use tokio::sync::{Semaphore, watch};

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

/// Shared by all connections of one intake, and its tickets.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) standing: watch::Sender<Standing>,
    /// A permit for each message that may still be taken.
    pub(super) room: Arc<Semaphore>,
    /// The stream's sequence up to which everything is acknowledged, as last told; zero: not known.
    floor: AtomicU64,
    hands: Mutex<Hands>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            standing: watch::Sender::new(Standing::Apart(String::new())),
            room: Arc::new(Semaphore::new(HELD_MAX)),
            floor: AtomicU64::new(0),
            hands: Mutex::default(),
        }
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    pub(super) fn set_floor(&self, sequence: u64) {
        self.floor.store(sequence, Ordering::Release);
    }

    /// What is in our hands. Not to be held while waiting.
    pub(super) fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why there is no connection, if there is none.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::Connected(_) => None,
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
