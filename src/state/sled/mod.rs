//! The store on one machine: sled, and what makes it trustworthy. sled is named here and nowhere else.
//!
//! A commit returns when the record is on the disk, not when sled says that it flushed: see `engine.rs`. A store that may
//! have lost something is refused on start: see `trust.rs`. Knows cursors only to keep them in the witness.

mod database;
mod engine;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod identity;
mod layout;
mod open;
mod rebuild;
mod record;
mod recover;
mod tally;
#[cfg(test)]
mod tests;
mod trust;
mod unfinished;
mod witness;

use std::{io, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio::sync::RwLock;

use super::{
    Opening, StateError, StatePaths,
    disk::{self, io_error},
    store::{Change, Key, Scan, Store, StoreIdentity, StoreReport, StoredRecord},
};
use database::Database;
use tally::Tally;
use witness::{ReadWitness, Witness};

pub use unfinished::is_import_unfinished;

/// A store in sled. Its work is done off the runtime, and is seen through though nobody waits for it any more.
#[derive(Debug)]
pub(super) struct SledStore {
    database: Arc<Database>,
    /// Held for reading by each commit, until it is through.
    committing: Arc<RwLock<()>>,
}

impl SledStore {
    /// Opens the store at `paths`; no other process may have it open.
    pub(super) async fn open(paths: StatePaths, opening: Opening) -> Result<Self, StateError> {
        let database = off_runtime(move || unfinished::open_marked(paths, opening)).await?;
        Ok(Self { database: Arc::new(database), committing: Arc::default() })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StateError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StateError>> {
        let database = Arc::clone(&self.database);
        off_runtime(move || work(&database)).boxed()
    }
}

impl Store for SledStore {
    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<StoredRecord>>, StateError>> {
        self.run(move |database| database.get(&keys))
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, StoredRecord)>, StateError>> {
        self.run(move |database| database.scan(&scan))
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StateError>> {
        async move {
            let through = Arc::clone(&self.committing).read_owned().await;
            let database = Arc::clone(&self.database);
            off_runtime(move || {
                let committed = database.commit(&changes);
                drop(through);
                committed
            })
            .await
        }
        .boxed()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        async move { drop(self.committing.write().await) }.boxed()
    }

    fn identity(&self) -> StoreIdentity {
        self.database.identity()
    }

    fn report(&self) -> BoxFuture<'_, Result<StoreReport, StateError>> {
        self.run(report)
    }

    fn require_in_place(&self) -> BoxFuture<'_, Result<(), StateError>> {
        self.run(Database::require_in_place)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
        self.run(Database::close)
    }
}

async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StateError::Interrupted))
}

fn report(database: &Database) -> Result<StoreReport, StateError> {
    let paths = &database.paths;
    let folder = paths.store();
    // Files of sled may go while they are counted.
    let bytes = match disk::size_bytes(&folder) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(io_error("look into", &folder)(err)),
        counted => counted.unwrap_or_default(),
    };
    let witness = describe(&Witness::read(&paths.witness)?, |witness| {
        let age = Timestamp::now().duration_since(witness.written_at).as_secs();
        format!("agrees; written {age} s ago at commit {}", witness.commits)
    });
    let tally =
        describe(&Tally::read(&paths.tally())?, |tally| format!("agrees; at commit {}", tally.commits));
    Ok(StoreReport { bytes, witness, tally, weakness: disk::weakness(&paths.directory).map(str::to_owned) })
}

fn describe<T>(read: &ReadWitness<T>, present: impl FnOnce(&T) -> String) -> String {
    match read {
        ReadWitness::Present(read) => present(read),
        ReadWitness::Absent => "is missing".to_owned(),
        ReadWitness::Damaged(reason) => format!("is damaged: {reason}"),
    }
}

#[cfg(test)]
impl SledStore {
    /// Lets sled fail, in the midst of whatever it does.
    pub(super) fn break_for_tests(&self) {
        self.database.engine.close();
    }
}

#[cfg(test)]
mod unawaited {
    use super::*;
    use crate::state::{Cursor, cursors};

    #[tokio::test]
    async fn a_commit_for_which_nobody_waits_any_more_is_through_once_the_store_has_settled() {
        let directory = tempfile::tempdir().unwrap();
        let paths = StatePaths::within(directory.path().to_owned());
        let store = SledStore::open(paths, Opening::Trusted).await.unwrap();
        let key = cursors::key("log/siem");
        for expected in 0..20 {
            let value = cursors::encode("log/siem", &Cursor::for_tests("https://acme.okta.com/x")).unwrap();
            // It has begun, and whoever began it is gone.
            drop(store.commit(vec![Change::Set { key: key.clone(), expected, value }]).now_or_never());
            store.settled().await;
            let found = store.get(vec![key.clone()]).await.unwrap().pop().flatten();
            assert_eq!(found.map(|record| record.generation), Some(expected + 1));
        }
    }
}
