//! What is wrong with the place of the state, if anything. Looks at nothing itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The trouble of the state as a whole; those of a route's commits are the route's.
#[derive(Debug, Default)]
pub struct StateTrouble(Mutex<Option<String>>);

impl StateTrouble {
    /// It is there; true if that is news.
    pub fn begin(&self, text: &str) -> bool {
        self.text_mut().replace(text.to_owned()).is_none()
    }

    /// It is over; true if there was one.
    pub fn end(&self) -> bool {
        self.text_mut().take().is_some()
    }

    /// What it is.
    pub(super) fn text(&self) -> Option<String> {
        self.text_mut().clone()
    }

    fn text_mut(&self) -> MutexGuard<'_, Option<String>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
