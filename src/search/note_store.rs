//! What a search's route needs of the durable state: its note, compared and set. The real one is the state of this daemon,
//! another is simulated.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::state::{State, StateError, StoredNote};

/// Notes by name.
pub(super) trait NoteStore: fmt::Debug + Send + Sync {
    /// What the note `name` says.
    fn note<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>>;

    /// Writes the note `name`, which is at generation `expected` (0: there is none yet), and returns its next generation
    /// once that is durable. After a failure the same call may be repeated.
    fn keep_note<'a>(
        &'a self,
        name: &'a str,
        expected: u64,
        content: String,
    ) -> BoxFuture<'a, Result<u64, StateError>>;
}

impl NoteStore for State {
    fn note<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>> {
        State::note(self, name).boxed()
    }

    fn keep_note<'a>(
        &'a self,
        name: &'a str,
        expected: u64,
        content: String,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        State::keep_note(self, name, expected, content).boxed()
    }
}
