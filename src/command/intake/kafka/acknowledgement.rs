//! The settlement of one Kafka record, and the consumer's state that it changes.

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

/// When a record whose acknowledgement was dropped is delivered again.
const DROPPED_WAIT: Duration = Duration::from_secs(30);

/// Shared by the polling thread, the acknowledgements and the intake.
#[derive(Debug)]
pub(super) struct ConsumerState {
    offsets: Mutex<Offsets>,
    /// Notified when a record is settled, and on closing.
    ended: Condvar,
    /// The client's last error.
    pub(super) last_error: LastError,
    is_closing: AtomicBool,
    /// Records to deliver again, with their times. Unbounded, because `Offsets` bounds them, and none may be lost here.
    put_back: mpsc::UnboundedSender<(Instant, Position)>,
}

impl ConsumerState {
    /// A consumer without partitions, and the records to deliver again.
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

    /// The offsets. Do not keep the lock while waiting.
    pub(super) fn offsets(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the polling thread to end.
    pub(super) fn close(&self) {
        // Under the lock, so that no waiter misses it.
        let offsets = self.offsets();
        self.is_closing.store(true, Ordering::Release);
        drop(offsets);
        self.ended.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Waits until no record of these partitions is being executed, or the consumer is closed. Returns whether none is.
    /// Blocking.
    pub(super) fn wait_for_begun(&self, partitions: &[i32], patience: Duration) -> bool {
        let still_at_work = |offsets: &mut Offsets| !self.is_closing() && offsets.has_begun(partitions);
        let waited = self.ended.wait_timeout_while(self.offsets(), patience, still_at_work);
        let (offsets, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !offsets.has_begun(partitions)
    }
}

/// One delivered record.
#[derive(Debug)]
pub(in crate::command::intake) struct KafkaAcknowledgement {
    state: Arc<ConsumerState>,
    position: Position,
    /// None once it is settled.
    record: Option<Record>,
}

impl KafkaAcknowledgement {
    pub(super) fn new(state: Arc<ConsumerState>, position: Position, record: Record) -> Self {
        Self { state, position, record: Some(record) }
    }

    /// Whether the partition is still assigned as it was when the record was read.
    pub(super) fn is_open(&self) -> bool {
        self.state.offsets().is_open(self.position)
    }

    /// Marks the record as being executed, if the partition is still assigned.
    pub(in crate::command::intake) fn begin(&self) -> bool {
        self.state.offsets().begin(self.position)
    }

    /// Lets the offset be committed once all before it are done.
    pub(in crate::command::intake) fn ack(mut self) {
        self.record = None;
        self.state.offsets().done(self.position);
        self.state.ended.notify_all();
    }

    /// Keeps the offset, and delivers the record again after `wait`.
    pub(in crate::command::intake) fn retry_later(mut self, wait: Duration) {
        self.put_back(wait);
    }

    fn put_back(&mut self, wait: Duration) {
        let Some(record) = self.record.take() else { return };
        let is_ours = self.state.offsets().put_back(self.position, record);
        self.state.ended.notify_all();
        if is_ours {
            // After the end of the session nobody listens, and the cluster delivers it again.
            let _ = self.state.put_back.send((Instant::now() + wait, self.position));
        }
    }
}

impl Drop for KafkaAcknowledgement {
    fn drop(&mut self) {
        self.put_back(DROPPED_WAIT);
    }
}
