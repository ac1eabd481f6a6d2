//! Where delivered messages of one route pass. Never waits: a reader that does not keep up misses some, and knows how many.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;

use crate::message::Messages;

/// The tap of one route.
#[derive(Debug, Default)]
pub struct Tap {
    /// Whether there are any readers; looked at for each batch.
    is_watched: AtomicBool,
    readers: Mutex<Vec<Reader>>,
}

/// The end of a tail at which messages come in.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) number: u64,
    pub(super) batches: mpsc::Sender<PassedBatch>,
    /// Events that did not get through.
    pub(super) missed: Arc<AtomicU64>,
}

/// What was delivered of a batch.
#[derive(Debug, Clone)]
pub(super) struct PassedBatch {
    pub(super) messages: Arc<Messages>,
    /// Ascending.
    pub(super) delivered: Arc<[usize]>,
}

impl Tap {
    /// The messages of `range` are delivered but those that `is_left_out` tells by their index. That is asked only if somebody
    /// watches.
    pub fn pass(&self, messages: &Arc<Messages>, range: Range<usize>, is_left_out: impl Fn(usize) -> bool) {
        if !self.is_watched.load(Ordering::Relaxed) {
            return;
        }
        let delivered: Arc<[usize]> = range.filter(|index| !is_left_out(*index)).collect();
        if delivered.is_empty() {
            return;
        }
        for reader in &*self.readers() {
            let batch = PassedBatch { messages: Arc::clone(messages), delivered: Arc::clone(&delivered) };
            if reader.batches.try_send(batch).is_err() {
                reader.missed.fetch_add(delivered.len() as u64, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn add(&self, reader: Reader) {
        let mut readers = self.readers();
        readers.push(reader);
        self.is_watched.store(true, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, number: u64) {
        let mut readers = self.readers();
        readers.retain(|reader| reader.number != number);
        self.is_watched.store(!readers.is_empty(), Ordering::Relaxed);
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Reader>> {
        // Nothing panics while the lock is held.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
