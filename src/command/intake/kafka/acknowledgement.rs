//! What becomes of one record of Kafka, and the state of the consumer that this changes.

use std::{
    sync::Arc,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::{
    offsets::{Offsets, Position},
    record::Record,
};
use crate::bus::kafka::last_error::LastError;

/// After how long a record is handed out again of which nobody said what became of it.
const DROPPED_WAIT: Duration = Duration::from_secs(30);

/// What the polling thread, the acknowledgements and the intake share.
#[derive(Debug)]
pub(super) struct ConsumerState {
    offsets: Mutex<Offsets>,
    /// Notified when a record has come to its end, and on closing.
    ended: Condvar,
    /// What the client complained of last.
    pub(super) last_error: LastError,
    is_closing: AtomicBool,
    /// Records that were put back, and when each is due. Unbounded, because `Offsets` bounds what is put back, and nothing
    /// may be lost here.
    put_back: mpsc::UnboundedSender<(Instant, Position)>,
}

impl ConsumerState {
    /// A consumer without partitions, and what is put back by its acknowledgements.
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<(Instant, Position)>) {
        let (put_back, due) = mpsc::unbounded_channel();
        let state = Self {
            offsets: Mutex::default(),
            ended: Condvar::new(),
            last_error: LastError::default(),
            is_closing: AtomicBool::new(false),
            put_back,
        };
        (Arc::new(state), due)
    }

    /// The offsets. Not to be kept locked while waiting.
    pub(super) fn offsets(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the polling thread to end.
    pub(super) fn close(&self) {
        // Under the lock, so that whoever waits for an end cannot miss it.
        let offsets = self.offsets();
        self.is_closing.store(true, Ordering::Release);
        drop(offsets);
        self.ended.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Waits until nothing of these partitions is being carried out, or the consumer is closed. Whether nothing is. Blocking.
    pub(super) fn wait_for_begun(&self, partitions: &[i32], patience: Duration) -> bool {
        let still_at_work = |offsets: &mut Offsets| !self.is_closing() && offsets.has_begun(partitions);
        let waited = self.ended.wait_timeout_while(self.offsets(), patience, still_at_work);
        let (offsets, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !offsets.has_begun(partitions)
    }
}

/// One record that was handed out.
#[derive(Debug)]
pub(in crate::command::intake) struct KafkaAcknowledgement {
    state: Arc<ConsumerState>,
    position: Position,
    /// None once it is said what became of it.
    record: Option<Record>,
}

impl KafkaAcknowledgement {
    pub(super) fn new(state: Arc<ConsumerState>, position: Position, record: Record) -> Self {
        Self { state, position, record: Some(record) }
    }

    /// Whether the partition is still ours as it was when the record was read.
    pub(super) fn is_open(&self) -> bool {
        self.state.offsets().is_open(self.position)
    }

    /// Notes that it is being carried out, if the partition is still ours.
    pub(in crate::command::intake) fn begin(&self) -> bool {
        self.state.offsets().begin(self.position)
    }

    /// Lets the offset be committed once all before it are done too.
    pub(in crate::command::intake) fn ack(mut self) {
        self.record = None;
        self.state.offsets().done(self.position);
        self.state.ended.notify_all();
    }

    /// Keeps the offset, and hands the record out again after `wait`.
    pub(in crate::command::intake) fn retry_later(mut self, wait: Duration) {
        self.put_back(wait);
    }

    fn put_back(&mut self, wait: Duration) {
        let Some(record) = self.record.take() else { return };
        let is_ours = self.state.offsets().put_back(self.position, record);
        self.state.ended.notify_all();
        if is_ours {
            // Nobody listens after the session, and then it comes from the cluster again.
            let _ = self.state.put_back.send((Instant::now() + wait, self.position));
        }
    }
}

impl Drop for KafkaAcknowledgement {
    fn drop(&mut self) {
        self.put_back(DROPPED_WAIT);
    }
}
