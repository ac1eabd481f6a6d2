//! Limits how many commands send requests to Okta at a time. Commands that read the System Log have permits of their
//! own: they wait for the log's small rate limit, and must not delay changes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::command::Action;

/// How many commands are held for each permit.
const HELD_PER_PLACE: usize = 16;

/// The permits, and how many reads of the log may be held.
#[derive(Debug)]
pub(super) struct Permits {
    log_reads: Semaphore,
    others: Semaphore,
    log_reads_held: Arc<Semaphore>,
    held_max: usize,
}

impl Permits {
    /// The given number of permits for reads of the log, and as many for all other commands.
    pub(super) fn new(places: usize) -> Self {
        let held_max = places.saturating_mul(HELD_PER_PLACE);
        Self {
            log_reads: Semaphore::new(places),
            others: Semaphore::new(places),
            log_reads_held: Arc::new(Semaphore::new(held_max)),
            held_max,
        }
    }

    /// Waits for a permit. Cancel-safe.
    pub(super) async fn acquire(&self, action: Action) -> Option<SemaphorePermit<'_>> {
        let places = if action.reads_log() { &self.log_reads } else { &self.others };
        // The semaphores are never closed.
        places.acquire().await.ok()
    }

    /// The right of a read of the log to be held; none if too many are held.
    pub(super) fn hold_log_read(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.log_reads_held).try_acquire_owned().ok()
    }

    /// Whether no more commands can be held, if `held` of all kinds are.
    pub(super) fn is_full(&self, held: usize) -> bool {
        let log_reads = self.held_max.saturating_sub(self.log_reads_held.available_permits());
        held.saturating_sub(log_reads) >= self.held_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_that_read_the_log_take_no_place_of_others() {
        let permits = Permits::new(1);
        let held: Vec<_> = std::iter::from_fn(|| permits.hold_log_read()).collect();
        assert_eq!(held.len(), HELD_PER_PLACE);
        assert!(!permits.is_full(HELD_PER_PLACE) && permits.is_full(2 * HELD_PER_PLACE));
        let _reading = permits.acquire(Action::LogSearch).await.unwrap();
        let _changing = permits.acquire(Action::UserSuspend).await.unwrap();
        drop(held);
        assert!(permits.is_full(HELD_PER_PLACE) && permits.hold_log_read().is_some());
    }
}
