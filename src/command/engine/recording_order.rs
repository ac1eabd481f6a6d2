//! Keeps the audit records of pauses and resumes in the order of the requests, even if the disk is slow for one of
//! them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The requests that are not recorded yet.
#[derive(Debug, Default)]
pub(super) struct RecordingOrder {
    pending: Mutex<Pending>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    next: u64,
    sequences: BTreeSet<u64>,
}

/// The position of one request. Released when it is dropped, recorded or given up.
#[derive(Debug)]
pub(super) struct RecordingTurn {
    order: Arc<RecordingOrder>,
    sequence: u64,
}

impl RecordingOrder {
    /// Adds a request at the end.
    pub(super) fn join(self: &Arc<Self>) -> RecordingTurn {
        let mut pending = self.pending();
        let sequence = pending.next;
        pending.next += 1;
        pending.sequences.insert(sequence);
        drop(pending);
        RecordingTurn { order: Arc::clone(self), sequence }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // Nothing panics while the lock is held.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordingTurn {
    /// Waits until all earlier requests are recorded or given up. Cancel-safe.
    pub(super) async fn wait(&self) {
        loop {
            // Registered before the check, so that no change is missed.
            let left = self.order.left.notified();
            if self.order.pending().sequences.first() == Some(&self.sequence) {
                return;
            }
            left.await;
        }
    }
}

impl Drop for RecordingTurn {
    fn drop(&mut self) {
        self.order.pending().sequences.remove(&self.sequence);
        self.order.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn each_is_recorded_after_those_before_it_though_one_in_between_gives_up() {
        let order = Arc::new(RecordingOrder::default());
        let (first, second, third) = (order.join(), order.join(), order.join());
        first.wait().await;
        let waits =
            async |turn: &RecordingTurn| timeout(Duration::from_millis(20), turn.wait()).await.is_err();
        assert!(waits(&second).await && waits(&third).await);
        drop(second);
        assert!(waits(&third).await, "the first is not recorded");
        let (comes, ()) = tokio::join!(timeout(Duration::from_secs(5), third.wait()), async { drop(first) });
        assert!(comes.is_ok());
    }
}
