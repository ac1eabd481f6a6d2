//! Messages that the stream had already, of batches that are not settled. If the session ends before they are, the next one
//! has to find them again: it takes up below them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Of each batch that is not settled, the lowest sequence under which a message of it was found.
#[derive(Debug, Clone, Default)]
pub(super) struct FoundUnsettled(Arc<Mutex<BTreeMap<u64, u64>>>);

impl FoundUnsettled {
    /// A message of the batch `batch` was found under this sequence.
    pub(super) fn add(&self, batch: u64, sequence: u64) {
        let mut found = self.found();
        let lowest = found.entry(batch).or_insert(sequence);
        *lowest = sequence.min(*lowest);
    }

    /// The batch is settled.
    pub(super) fn settle(&self, batch: u64) {
        self.found().remove(&batch);
    }

    /// The lowest sequence of all.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.found().values().copied().min()
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_counts_until_its_batch_is_settled() {
        let found = FoundUnsettled::default();
        for (batch, sequence) in [(1, 12), (1, 50), (2, 14), (2, 13)] {
            found.add(batch, sequence);
        }
        assert_eq!(found.lowest(), Some(12));
        found.settle(1);
        assert_eq!(found.lowest(), Some(13));
        found.settle(3);
        found.settle(2);
        assert_eq!(found.lowest(), None);
    }
}
