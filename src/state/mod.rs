//! Durable state: where each route stands, what became of each command, and the notes that others keep. sled is named here and nowhere else.
//!
//! A commit returns when the record is on the disk, not when sled says that it flushed: see `engine`. A state that may
//! have lost something is refused on start: see `trust`. Knows nothing of sinks beyond the mark that they ask to have
//! kept, and nothing of commands beyond their ids.

mod cursor;
mod cursors;
mod disk;
mod engine;
mod error;
mod export;
mod identity;
mod integrity;
mod journal;
mod note;
mod open;
mod paths;
mod recent;
mod record;
mod store;
mod tally;
mod trust;
mod unfinished;
mod verification;
mod witness;

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;

pub use cursor::{Cursor, SinkMark, StoredCursor};
pub use error::{StateClass, StateError};
pub use export::{Export, ImportError, read as read_export};
pub use integrity::{IntegrityError, RecoveryMode, StateRefusal};
pub use journal::{ENTRY_MAX_BYTES, Entry, JournalPosition, StoredEntry};
pub use note::{FreshNote, NOTE_MAX_BYTES, StoredNote};
pub use open::{Contents, Opening, RecoverFrom};
pub use paths::{DeadLetterDirectory, StatePaths};
pub(crate) use recent::fingerprint;
pub use recent::{RecentIds, RecentSet};
pub use unfinished::is_import_unfinished;
pub use verification::Verification;

use store::Store;

/// The state of this daemon, open and locked.
#[derive(Debug, Clone)]
pub struct State {
    store: Arc<Store>,
}

impl State {
    /// Opens the state at `paths`; no other process may have it open.
    pub async fn open(paths: StatePaths, opening: Opening) -> Result<Self, StateError> {
        let store = off_runtime(move || unfinished::open_marked(paths, opening)).await?;
        Ok(Self { store: Arc::new(store) })
    }

    /// Where `route` stands, if it ever moved.
    pub async fn load(&self, route: &str) -> Result<Option<StoredCursor>, StateError> {
        let route = route.to_owned();
        self.run(move |store| store.load(&route)).await
    }

    /// All routes that ever moved, by name.
    pub async fn list(&self) -> Result<Vec<(String, StoredCursor)>, StateError> {
        self.run(Store::list).await
    }

    /// Moves the cursor of `route` from generation `expected` (0: there is none yet) to `expected + 1` and returns when
    /// that is on the disk. A cursor that somebody else moved in the meantime is left alone. After a failure the same
    /// call may be repeated.
    pub async fn advance(&self, route: &str, expected: u64, cursor: Arc<Cursor>) -> Result<u64, StateError> {
        let route = route.to_owned();
        self.run(move |store| {
            let generation = store.advance(&route, expected, &cursor)?;
            store.write_witness_if_due();
            Ok(generation)
        })
        .await
    }

    /// Writes what is durable of the command `id`, which is at generation `expected`, and returns its next generation
    /// when that is on the disk.
    pub async fn record(&self, id: &str, expected: u64, entry: Entry) -> Result<u64, StateError> {
        let id = id.to_owned();
        self.run(move |store| {
            let generation = store.record(&id, expected, &entry)?;
            store.write_witness_if_due();
            Ok(generation)
        })
        .await
    }

    /// Writes the entry of a command as [`Self::record`] does, and the note `(name, expected, content)` as
    /// [`Self::keep_note`] does, in one commit. Gives both next generations.
    pub async fn record_with_note(
        &self,
        id: &str,
        expected: u64,
        entry: Entry,
        note: (String, u64, String),
    ) -> Result<(u64, u64), StateError> {
        let id = id.to_owned();
        self.run(move |store| {
            let (name, note_expected, content) = note;
            let change = note::note_change(&name, note_expected, &content)?;
            let generation = store.record_with_note((&id, expected, &entry), &change)?;
            store.write_witness_if_due();
            Ok((generation, note_expected + 1))
        })
        .await
    }

    /// What is durable of the command `id`.
    pub async fn entry(&self, id: &str) -> Result<Option<StoredEntry>, StateError> {
        let id = id.to_owned();
        self.run(move |store| store.entry(&id)).await
    }

    /// What is durable of the commands that `is_wanted` wants, the one received last first, `limit` at most.
    pub async fn latest_entries(
        &self,
        limit: usize,
        is_wanted: impl Fn(&StoredEntry) -> bool + Send + 'static,
    ) -> Result<Vec<StoredEntry>, StateError> {
        self.run(move |store| store.latest(limit, is_wanted)).await
    }

    /// Of the next some hundreds of commands behind `after`, by the time of receipt, forgets those that were received before
    /// `before` and are over. Gives where to go on; none if there are no more.
    pub async fn forget(
        &self,
        before: Timestamp,
        after: Option<JournalPosition>,
        is_over: impl Fn(&StoredEntry) -> bool + Send + 'static,
    ) -> Result<Option<JournalPosition>, StateError> {
        self.run(move |store| store.forget(before, after.as_ref(), is_over)).await
    }

    /// How many commands there are whose ids begin with `prefix`.
    pub async fn count_entries(&self, prefix: &str) -> Result<u64, StateError> {
        let prefix = prefix.to_owned();
        self.run(move |store| {
            let (mut count, mut after) = (0, None);
            loop {
                let (found, next) = store.count_entries(&prefix, after.as_ref())?;
                count += found;
                after = match next {
                    Some(next) => Some(next),
                    None => return Ok(count),
                };
            }
        })
        .await
    }

    /// What the note `name` says.
    pub async fn note(&self, name: &str) -> Result<Option<StoredNote>, StateError> {
        let name = name.to_owned();
        self.run(move |store| store.note(&name)).await
    }

    /// All notes whose names begin with `prefix`, by name.
    pub async fn notes(&self, prefix: &str) -> Result<Vec<StoredNote>, StateError> {
        let prefix = prefix.to_owned();
        self.run(move |store| store.notes(&prefix)).await
    }

    /// Writes the note `name`, which is at generation `expected` (0: there is none yet), and returns its next generation
    /// when that is on the disk. After a failure the same call may be repeated.
    pub async fn keep_note(&self, name: &str, expected: u64, content: String) -> Result<u64, StateError> {
        let name = name.to_owned();
        self.run(move |store| {
            let generation = store.keep_note(&name, expected, &content)?;
            store.write_witness_if_due();
            Ok(generation)
        })
        .await
    }

    /// Removes the notes of these names, those that are there.
    pub async fn drop_notes(&self, names: Vec<String>) -> Result<(), StateError> {
        self.run(move |store| store.drop_notes(&names)).await
    }

    /// Reads everything.
    pub async fn verify(&self) -> Result<Verification, StateError> {
        self.run(verification::verify).await
    }

    /// Everything as JSON lines, piece by piece.
    pub fn export(&self) -> Export {
        Export::of(Arc::clone(&self.store))
    }

    /// Writes the witness a last time and lets go of the files. Whatever is asked afterwards fails.
    pub async fn close(&self) -> Result<(), StateError> {
        self.run(Store::close).await
    }

    /// Where searches keep what they have read and not yet delivered.
    pub fn searches_directory(&self) -> PathBuf {
        self.store.paths.directory.join("searches")
    }

    /// Where dead letters are kept.
    pub fn dead_letters_directory(&self) -> DeadLetterDirectory {
        self.store.paths.dead_letters()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let store = Arc::clone(&self.store);
        off_runtime(move || work(&store)).await
    }
}

async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StateError::Interrupted))
}
