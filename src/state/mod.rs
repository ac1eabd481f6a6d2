//! Durable state: where each route stands, what became of each command, and the notes that others keep.
//!
//! `store.rs` is the contract; cursors, journal and notes are typed layers above it, `sled/` keeps the records below it and
//! alone names sled. A state that may have lost something is refused on start. Knows nothing of sinks beyond the mark that
//! they ask to have kept, and nothing of commands beyond their ids.

mod contents;
mod cursor;
mod cursors;
mod disk;
mod error;
mod export;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod identity;
mod integrity;
mod journal;
#[cfg(test)]
mod memory;
mod notes;
mod opening;
mod paths;
mod recent;
mod sled;
mod store;
#[cfg(test)]
mod store_contract;
mod verification;

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;

pub use contents::Contents;
pub use cursor::{BusCheckpoint, Cursor, SinkMark, StoredCursor};
pub use error::{RecordError, StateClass, StateError};
pub use export::{Export, ImportError, read as read_export};
pub use integrity::{IntegrityError, RecoveryMode, StateRefusal};
pub use journal::{Entry, EntryChange, JournalPosition, StoredEntry};
#[cfg(test)]
pub(crate) use memory::{CommitFault, MemoryStore, Snapshot};
pub use notes::{FreshNote, NoteChange, StoredNote};
pub use opening::{Opening, RecoverFrom};
pub use paths::{DeadLetterDirectory, StatePaths};
pub(crate) use recent::fingerprint;
pub use recent::{RecentIds, RecentSet};
pub use sled::is_import_unfinished;
pub use store::CONTENT_MAX_BYTES;
pub(crate) use store::Store;
#[cfg(test)]
pub(crate) use store::{Change, Key, Scan, StoreIdentity, StoreReport, StoredRecord};
pub use verification::Verification;

use sled::SledStore;

/// The state of this daemon, open and locked.
#[derive(Debug, Clone)]
pub struct State {
    store: Arc<dyn Store>,
    paths: Arc<StatePaths>,
}

impl State {
    /// Opens the state at `paths`; no other process may have it open.
    pub async fn open(paths: StatePaths, opening: Opening) -> Result<Self, StateError> {
        let store = SledStore::open(paths.clone(), opening).await?;
        Ok(Self { store: Arc::new(store), paths: Arc::new(paths) })
    }

    /// Where `route` stands, if it ever moved.
    pub async fn load(&self, route: &str) -> Result<Option<StoredCursor>, StateError> {
        cursors::load(&*self.store, route).await
    }

    /// All routes that ever moved, by name.
    pub async fn list(&self) -> Result<Vec<(String, StoredCursor)>, StateError> {
        cursors::list(&*self.store).await
    }

    /// Moves the cursor of `route` from generation `expected` (0: there is none yet) to `expected + 1` and returns when
    /// that is durable. A cursor that somebody else moved in the meantime is left alone. After a failure the same
    /// call may be repeated.
    pub async fn advance(&self, route: &str, expected: u64, cursor: Arc<Cursor>) -> Result<u64, StateError> {
        cursors::advance(&*self.store, route, expected, &cursor).await
    }

    /// Writes what is durable of the command `id`, which is at generation `expected`, and returns its next generation
    /// when that is durable. After a failure the same call may be repeated.
    pub async fn record(&self, id: &str, expected: u64, entry: Entry) -> Result<u64, StateError> {
        self.write_entry(EntryChange { id: id.to_owned(), expected, entry }, None).await?;
        Ok(expected + 1)
    }

    /// Writes the entry of a command, and a note with it in one commit if there is one.
    pub async fn write_entry(&self, entry: EntryChange, note: Option<NoteChange>) -> Result<(), StateError> {
        journal::write(&*self.store, &entry, note.as_ref()).await
    }

    /// What is durable of the command `id`.
    pub async fn entry(&self, id: &str) -> Result<Option<StoredEntry>, StateError> {
        journal::read(&*self.store, id).await
    }

    /// What is durable of the commands that `is_wanted` wants, the one received last first, `limit` at most.
    pub async fn latest_entries(
        &self,
        limit: usize,
        is_wanted: impl Fn(&StoredEntry) -> bool,
    ) -> Result<Vec<StoredEntry>, StateError> {
        journal::latest(&*self.store, limit, is_wanted).await
    }

    /// Of the next some hundreds of commands behind `after`, by the time of receipt, forgets those that were received before
    /// `before` and are over. Gives where to go on; none if there are no more.
    pub async fn forget(
        &self,
        before: Timestamp,
        after: Option<JournalPosition>,
        is_over: impl Fn(&StoredEntry) -> bool,
    ) -> Result<Option<JournalPosition>, StateError> {
        journal::forget(&*self.store, before, after, is_over).await
    }

    /// How many commands there are whose ids begin with `prefix`.
    pub async fn count_entries(&self, prefix: &str) -> Result<u64, StateError> {
        journal::count(&*self.store, prefix).await
    }

    /// What the note `name` says.
    pub async fn note(&self, name: &str) -> Result<Option<StoredNote>, StateError> {
        notes::read(&*self.store, name).await
    }

    /// All notes whose names begin with `prefix`, by name.
    pub async fn notes(&self, prefix: &str) -> Result<Vec<StoredNote>, StateError> {
        notes::list(&*self.store, prefix).await
    }

    /// Writes the note `name`, which is at generation `expected` (0: there is none yet), and returns its next generation
    /// when that is durable. After a failure the same call may be repeated.
    pub async fn keep_note(&self, name: &str, expected: u64, content: String) -> Result<u64, StateError> {
        let note = NoteChange { name: name.to_owned(), expected, content };
        notes::write(&*self.store, &note).await?;
        Ok(expected + 1)
    }

    /// Removes the notes of these names, those that are there.
    pub async fn drop_notes(&self, names: Vec<String>) -> Result<(), StateError> {
        notes::remove(&*self.store, &names).await
    }

    /// Reads everything.
    pub async fn verify(&self) -> Result<Verification, StateError> {
        verification::verify(&*self.store).await
    }

    /// Everything as JSON lines, piece by piece.
    pub fn export(&self) -> Export {
        Export::of(Arc::clone(&self.store))
    }

    /// Fails if the store was removed, moved or unmounted since it was opened.
    pub async fn require_in_place(&self) -> Result<(), StateError> {
        self.store.require_in_place().await
    }

    /// Waits until all commits that have begun are through, those for which nobody waits any more too.
    pub async fn settled(&self) {
        self.store.settled().await;
    }

    /// Lets go of the store. Whatever is asked afterwards fails.
    pub async fn close(&self) -> Result<(), StateError> {
        self.store.close().await
    }

    /// Where searches keep what they have read and not yet delivered.
    pub fn searches_directory(&self) -> PathBuf {
        self.paths.directory.join("searches")
    }

    /// Where dead letters are kept.
    pub fn dead_letters_directory(&self) -> DeadLetterDirectory {
        self.paths.dead_letters()
    }
}

#[cfg(test)]
impl State {
    /// The state in `directory`, as the daemon opens it.
    pub(crate) async fn for_tests(directory: &std::path::Path) -> Self {
        Self::open(StatePaths::within(directory.to_owned()), Opening::Trusted).await.unwrap()
    }

    /// A state whose records are in `store`, and which has no directory.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        Self { store, paths: Arc::new(StatePaths::within("no-directory".into())) }
    }
}
