//! Durable state: where each route stands. sled is named here and nowhere else.
//!
//! A commit returns when the record is on the disk, not when sled says that it flushed: see `store`. Knows nothing of
//! sinks beyond the mark that they ask to have kept.

mod cursor;
mod recent;
mod record;
mod store;

use std::{path::PathBuf, sync::Arc};

pub use cursor::{Cursor, SinkMark, Stored};
pub use recent::{RecentIds, RecentSet};
pub use store::StateError;

use store::Store;

/// The state directory of this daemon, open and locked.
#[derive(Debug, Clone)]
pub struct State {
    store: Arc<Store>,
}

impl State {
    /// Opens the state under `directory`, or creates it; no other process may have it open.
    pub async fn open(directory: PathBuf) -> Result<Self, StateError> {
        let store = off_runtime(move || Store::open(&directory)).await?;
        Ok(Self { store: Arc::new(store) })
    }

    /// Like [`State::open`], but refuses to create a state where there is none.
    pub async fn open_existing(directory: PathBuf) -> Result<Self, StateError> {
        if !directory.join(store::FOLDER).is_dir() {
            return Err(StateError::Missing(directory));
        }
        Self::open(directory).await
    }

    /// Where `route` stands, if it ever moved.
    pub async fn load(&self, route: &str) -> Result<Option<Stored>, StateError> {
        let (store, route) = (Arc::clone(&self.store), route.to_owned());
        off_runtime(move || store.load(&route)).await
    }

    /// All routes that ever moved, by name.
    pub async fn list(&self) -> Result<Vec<(String, Stored)>, StateError> {
        let store = Arc::clone(&self.store);
        off_runtime(move || store.list()).await
    }

    /// Moves the cursor of `route` from generation `expected` (0: there is none yet) to `expected + 1` and returns when
    /// that is on the disk. A cursor that somebody else moved in the meantime is left alone.
    pub async fn advance(&self, route: &str, expected: u64, cursor: Arc<Cursor>) -> Result<u64, StateError> {
        let (store, route) = (Arc::clone(&self.store), route.to_owned());
        off_runtime(move || store.advance(&route, expected, &cursor)).await
    }

    /// Where dead letters are kept.
    pub fn dead_letters_directory(&self) -> PathBuf {
        self.store.directory().join("dead-letters")
    }
}

async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StateError::Interrupted))
}
