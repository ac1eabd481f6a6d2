//! The order in which pauses and resumes are recorded: that in which they were asked for, however long the disk takes for one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// All that are not recorded yet.
#[derive(Debug, Default)]
pub(super) struct RecordingOrder {
    places: Mutex<StatePaths>,
    left: Notify,
}

#[derive(Debug, Default)]
struct StatePaths {
    next: u64,
    taken: BTreeSet<u64>,
}

/// The place of one of them. It is left when it is dropped, recorded or given up.
#[derive(Debug)]
pub(super) struct RecordingTurn {
    order: Arc<RecordingOrder>,
    place: u64,
}

impl RecordingOrder {
    /// The last place.
    pub(super) fn join(self: &Arc<Self>) -> RecordingTurn {
        let mut places = self.places();
        let place = places.next;
        places.next += 1;
        places.taken.insert(place);
        drop(places);
        RecordingTurn { order: Arc::clone(self), place }
    }

    fn places(&self) -> MutexGuard<'_, StatePaths> {
        // Nothing panics while the lock is held.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordingTurn {
    /// Waits until all before it are recorded or given up. Cancel-safe.
    pub(super) async fn come(&self) {
        loop {
            // It hears of all that leave from here on.
            let left = self.order.left.notified();
            if self.order.places().taken.first() == Some(&self.place) {
                return;
            }
            left.await;
        }
    }
}

impl Drop for RecordingTurn {
    fn drop(&mut self) {
        self.order.places().taken.remove(&self.place);
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
        first.come().await;
        let waits =
            async |turn: &RecordingTurn| timeout(Duration::from_millis(20), turn.come()).await.is_err();
        assert!(waits(&second).await && waits(&third).await);
        drop(second);
        assert!(waits(&third).await, "the first is not recorded");
        let (comes, ()) = tokio::join!(timeout(Duration::from_secs(5), third.come()), async { drop(first) });
        assert!(comes.is_ok());
    }
}
