//! Where the last checkpoint is in the stream, as far as that is known.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sequence of the last checkpoint. Not known before it is read, nor from the moment a commit is sent until it is answered:
/// only whoever knows it can commit.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<u64>>);

impl Standing {
    /// The last checkpoint has this sequence.
    pub(super) fn set(&self, sequence: u64) {
        *self.sequence() = Some(sequence);
    }

    /// The sequence that the next commit has to expect. From then on it is not known.
    pub(super) fn take(&self) -> Option<u64> {
        self.sequence().take()
    }

    fn sequence(&self) -> MutexGuard<'_, Option<u64>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
