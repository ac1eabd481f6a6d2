//! What commands need of the durable state: entries and notes, compared and set. The real one is the state of this daemon,
//! another is simulated.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::state::{Entry, State, StateError, StoredEntry, StoredNote};

/// Entries by the ids of commands, and notes by name; each with a generation that only grows. Whatever is written is on the
/// disk when the call returns, and a call may be repeated after a failure.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// What is durable of the command `id`.
    fn entry<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StateError>>;

    /// Writes an entry, and a note with it in one commit if there is one.
    fn write(&self, entry: EntryChange, note: Option<NoteChange>) -> BoxFuture<'_, Result<(), StateError>>;

    /// What the note `name` says.
    fn note<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>>;

    /// All notes whose names begin with `prefix`, by name.
    fn notes<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredNote>, StateError>>;

    /// Writes a note.
    fn write_note(&self, note: NoteChange) -> BoxFuture<'_, Result<(), StateError>>;

    /// Removes the notes of these names, those that are there.
    fn drop_notes(&self, names: Vec<String>) -> BoxFuture<'_, Result<(), StateError>>;
}

/// An entry that takes the place of the one at generation `expected` (0: there is none), as the next generation.
#[derive(Debug, Clone)]
pub(super) struct EntryChange {
    /// The command's id.
    pub(super) id: String,
    /// The generation that is replaced.
    pub(super) expected: u64,
    /// What is written.
    pub(super) entry: Entry,
}

/// The same of a note.
#[derive(Debug, Clone)]
pub(super) struct NoteChange {
    /// The note's name.
    pub(super) name: String,
    /// The generation that is replaced.
    pub(super) expected: u64,
    /// What is written.
    pub(super) content: String,
}

impl Store for State {
    fn entry<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StateError>> {
        State::entry(self, id).boxed()
    }

    fn write(&self, entry: EntryChange, note: Option<NoteChange>) -> BoxFuture<'_, Result<(), StateError>> {
        async move {
            let EntryChange { id, expected, entry } = entry;
            match note {
                None => self.record(&id, expected, entry).await.map(drop),
                Some(NoteChange { name, expected: note, content }) => {
                    self.record_with_note(&id, expected, entry, (name, note, content)).await.map(drop)
                }
            }
        }
        .boxed()
    }

    fn note<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>> {
        State::note(self, name).boxed()
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredNote>, StateError>> {
        State::notes(self, prefix).boxed()
    }

    fn write_note(&self, note: NoteChange) -> BoxFuture<'_, Result<(), StateError>> {
        let NoteChange { name, expected, content } = note;
        async move { self.keep_note(&name, expected, content).await.map(drop) }.boxed()
    }

    fn drop_notes(&self, names: Vec<String>) -> BoxFuture<'_, Result<(), StateError>> {
        State::drop_notes(self, names).boxed()
    }
}
