//! The open store: it compares and sets records, and returns when they are on the disk. Does not decide whether a store is
//! trusted.
//!
//! Every commit is one batch, which also counts the store's commits. So the store as a whole has a number that only grows,
//! and the tally and the witness keep a copy of that number. Commits that arrive together share a flush.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    engine::{Batch, SledEngine},
    identity, layout,
    tally::{Tally, TallyFile},
    trust::StoreFacts,
    witness::{Witness, WitnessedRoute},
};
use crate::{
    state::{
        Cursor, IntegrityError, RecentIds, StateError, StatePaths, StateRefusal, StoredCursor, cursors, disk,
        identity::StoreId,
        store::{Change, Key, Scan, Space, StoreIdentity, StoredRecord, Value},
    },
    telemetry::chain,
};

/// How often the witness is written at most.
const WITNESS_INTERVAL: Duration = Duration::from_secs(5);

/// The open store.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) paths: StatePaths,
    pub(super) engine: SledEngine,
    id: StoreId,
    /// Makes compare-and-set atomic. sled's own compare-and-swap covers one key, and a commit has several.
    writing: Mutex<()>,
    /// Commits in the store, on the disk or not.
    applied: AtomicU64,
    /// Commits that were acknowledged.
    acknowledged: AtomicU64,
    /// How often the store was reopened after a failure. A failure may lose what was applied and not flushed.
    reopened: AtomicU64,
    witness_files: Mutex<WitnessFiles>,
}

/// The files beside the store, and when they were written.
#[derive(Debug)]
struct WitnessFiles {
    tally: TallyFile,
    witnessed_at: Instant,
    /// The witness could not be written, and the log says so.
    is_witness_late: bool,
}

impl Database {
    /// Takes over a store that is trusted, or one that is new, and writes both witnesses.
    pub(super) fn take_over(
        paths: StatePaths,
        engine: SledEngine,
        identity: Option<(StoreId, u64)>,
    ) -> Result<Self, StateError> {
        let (id, commits) = match identity {
            Some(identity) => identity,
            None => (identity::create(&engine)?, 0),
        };
        let tally = TallyFile::create(&paths.tally(), Tally { store: id, commits })?;
        let store = Self {
            paths,
            engine,
            id,
            writing: Mutex::new(()),
            applied: AtomicU64::new(commits),
            acknowledged: AtomicU64::new(commits),
            reopened: AtomicU64::new(0),
            witness_files: Mutex::new(WitnessFiles {
                tally,
                witnessed_at: Instant::now(),
                is_witness_late: false,
            }),
        };
        store.write_witness()?;
        Ok(store)
    }

    /// The records of `keys`, in their order.
    pub(super) fn get(&self, keys: &[Key]) -> Result<Vec<Option<StoredRecord>>, StateError> {
        let _guard = self.ready()?;
        keys.iter().map(|key| layout::read(&self.engine, key)).collect()
    }

    /// One page of records.
    pub(super) fn scan(&self, scan: &Scan) -> Result<Vec<(Key, StoredRecord)>, StateError> {
        let _guard = self.ready()?;
        layout::scan(&self.engine, scan)
    }

    /// All records.
    pub(super) fn everything(&self) -> Result<Vec<(Key, StoredRecord)>, StateError> {
        let _guard = self.ready()?;
        layout::everything(&self.engine)
    }

    /// Applies all `changes` or none, and returns when they are on the disk. May be repeated after a failure: if the first
    /// attempt was applied after all, the second one succeeds and changes nothing.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<(), StateError> {
        self.require_in_place()?;
        disk::require_room(&self.paths.directory)?;
        let applied = {
            let guard = self.ready()?;
            match self.prepare(changes)? {
                Some(batch) => self.apply(batch, &guard)?,
                None => self.applied_now(&guard),
            }
        };
        self.make_durable(applied)?;
        self.write_witness_if_due();
        Ok(())
    }

    /// The batch of `changes`; none if they were applied before.
    fn prepare(&self, changes: &[Change]) -> Result<Option<Batch>, StateError> {
        let mut batch = Batch::default();
        let (mut sets, mut is_there) = (0, 0);
        let mut unexpected = None;
        for change in changes {
            match change {
                Change::Set { key, expected, value } => {
                    let stored = layout::read(&self.engine, key)?;
                    let next = StoredRecord { generation: expected + 1, value: Value::clone(value) };
                    sets += 1;
                    is_there += u32::from(stored.as_ref() == Some(&next));
                    let found = stored.as_ref().map_or(0, |stored| stored.generation);
                    unexpected = unexpected.or(Change::require_expected(key, *expected, found).err());
                    layout::insert(&mut batch, key, &next, stored.as_ref())?;
                }
                Change::Mark(key) => layout::mark(&mut batch, key),
                Change::Remove(key) => layout::remove(&self.engine, &mut batch, key)?,
            }
        }
        match unexpected {
            _ if sets > 0 && sets == is_there => Ok(None),
            Some(err) => Err(err),
            None => Ok(Some(batch)),
        }
    }

    /// How many commits the store has acknowledged.
    fn commits(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(super) fn identity(&self) -> StoreIdentity {
        StoreIdentity { id: self.id, commits: self.commits() }
    }

    /// Writes the witness as of now.
    fn write_witness(&self) -> Result<(), StateError> {
        // The witness must not be ahead of the disk, so the guard keeps others from applying anything meanwhile.
        let ready = self.ready()?;
        self.make_durable(self.applied_now(&ready))?;
        // It vouches for the store beside it.
        self.require_in_place()?;
        let witness = Witness {
            store: self.id,
            commits: self.commits(),
            written_at: Timestamp::now(),
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            routes: witnessed(routes(&self.engine)?),
        };
        let mut witness_files = lock(&self.witness_files);
        witness_files.tally.sync()?;
        witness.write(&self.paths.witness)?;
        witness_files.witnessed_at = Instant::now();
        witness_files.is_witness_late = false;
        Ok(())
    }

    /// Writes the witness a last time and lets go of the files.
    pub(super) fn close(&self) -> Result<(), StateError> {
        let witnessed = self.write_witness();
        self.engine.close();
        witnessed
    }

    /// Waits for the right to read and change the store; reopens the store if it has failed.
    fn ready(&self) -> Result<WriteGuard<'_>, StateError> {
        let guard = lock(&self.writing);
        if self.engine.is_broken() {
            self.engine.reopen()?;
            self.reopened.fetch_add(1, Ordering::AcqRel);
            let commits = self.require_acknowledged()?;
            self.applied.store(commits, Ordering::Release);
            tracing::info!(state = %self.paths.directory.display(), commits, "the store was opened anew after a failure");
        }
        Ok(WriteGuard(guard))
    }

    /// The number of commits on the disk after a failure. An error if the disk lacks any that was acknowledged.
    fn require_acknowledged(&self) -> Result<u64, StateError> {
        let known = self.commits();
        let error = match identity::read(&self.engine)? {
            Some((id, commits)) if id == self.id && commits >= known => return Ok(commits),
            Some((id, _)) if id != self.id => {
                IntegrityError::Other { found: id.to_string(), known: self.id.to_string() }
            }
            Some((_, found)) => {
                IntegrityError::Behind { what: "the number of commits".to_owned(), found, known }
            }
            None => IntegrityError::Emptied,
        };
        self.engine.close();
        let directory = self.paths.directory.clone();
        Err(Box::new(StateRefusal { directory, error, witnessed_at: None }).into())
    }

    fn apply(&self, mut batch: Batch, ready: &WriteGuard<'_>) -> Result<Applied, StateError> {
        let commits = self.applied.load(Ordering::Acquire) + 1;
        identity::add(&mut batch, self.id, commits);
        self.engine.apply(batch)?;
        self.applied.store(commits, Ordering::Release);
        Ok(self.applied_now(ready))
    }

    fn applied_now(&self, _ready: &WriteGuard<'_>) -> Applied {
        Applied {
            commits: self.applied.load(Ordering::Acquire),
            reopened: self.reopened.load(Ordering::Acquire),
        }
    }

    /// Fails if the store at the path is not the one that is open.
    pub(super) fn require_in_place(&self) -> Result<(), StateError> {
        self.engine.require_in_place()
    }

    /// Returns when everything up to `applied` is on the disk, and can be found there. One caller flushes at a time; the others wait, and often find
    /// that its flush has covered their commits too.
    fn make_durable(&self, applied: Applied) -> Result<(), StateError> {
        let witness_files = lock(&self.witness_files);
        if self.commits() < applied.commits {
            let commits = self.applied.load(Ordering::Acquire);
            self.engine.flush()?;
            self.require_still_open(applied)?;
            self.require_in_place()?;
            witness_files.tally.write(Tally { store: self.id, commits })?;
            self.acknowledged.fetch_max(commits, Ordering::AcqRel);
        }
        self.require_still_open(applied)?;
        Ok(())
    }

    /// A reopened store may have lost what was applied before, so the caller must repeat its commit.
    fn require_still_open(&self, applied: Applied) -> Result<(), StateError> {
        if self.reopened.load(Ordering::Acquire) == applied.reopened {
            return Ok(());
        }
        let reason = "it failed while a commit was on its way".to_owned();
        Err(StateError::Store { path: self.paths.store(), reason })
    }

    /// Writes the witness if it is due. A failure is logged once, and does not undo the commit.
    fn write_witness_if_due(&self) {
        let is_due = lock(&self.witness_files).witnessed_at.elapsed() >= WITNESS_INTERVAL;
        if is_due && let Err(err) = self.write_witness() {
            let is_told = {
                let mut witness_files = lock(&self.witness_files);
                witness_files.witnessed_at = Instant::now();
                std::mem::replace(&mut witness_files.is_witness_late, true)
            };
            if !is_told {
                tracing::warn!(
                    error = chain(&err),
                    "the witness of the state cannot be written; the store goes on without"
                );
            }
        }
    }
}

/// The right to read and change the store.
struct WriteGuard<'a>(#[expect(dead_code, reason = "held, not used")] MutexGuard<'a, ()>);

/// The position of the store after a batch was applied.
#[derive(Debug, Clone, Copy)]
struct Applied {
    commits: u64,
    reopened: u64,
}

/// Identity and routes of the store in `engine`. Reads every cursor.
pub(super) fn facts(engine: &SledEngine) -> Result<StoreFacts, StateError> {
    let routes = routes(engine)?.into_iter().map(|(name, stored)| (name, stored.generation)).collect();
    Ok(StoreFacts { identity: identity::read(engine)?, routes })
}

/// All routes, by name.
fn routes(engine: &SledEngine) -> Result<Vec<(String, StoredCursor)>, StateError> {
    let all = layout::scan_all(engine, Space::Cursors)?;
    all.iter().map(|(key, record)| Ok((key.text(), cursors::decode(key, record)?))).collect()
}

fn witnessed(routes: Vec<(String, StoredCursor)>) -> BTreeMap<String, WitnessedRoute> {
    let witnessed = |StoredCursor { generation, cursor }| {
        let cursor = Cursor { recent: RecentIds::default(), ..cursor };
        WitnessedRoute { generation, cursor }
    };
    routes.into_iter().map(|(name, stored)| (name, witnessed(stored))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // After a panic the disk decides: nothing in memory that the lock guards can be half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::state::sled::{
        tests::{advance, load, open},
        witness::ReadWitness,
    };

    #[test]
    fn commits_of_many_routes_at_once_are_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(open(directory.path()));
        std::thread::scope(|scope| {
            for route in 0..8 {
                let store = Arc::clone(&store);
                scope.spawn(move || {
                    for generation in 0..50 {
                        advance(&store, &format!("r-{route}"), generation, "x").unwrap();
                    }
                });
            }
        });
        assert_eq!(store.commits(), 400);
        store.close().unwrap();
        drop(store);
        let store = open(directory.path());
        assert!(routes(&store.engine).unwrap().iter().all(|(_, stored)| stored.generation == 50));
    }

    #[test]
    fn a_commit_that_failed_is_repeated_whether_it_got_through_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        advance(&store, "r", 0, "1").unwrap();
        store.engine.close();
        assert_eq!(advance(&store, "r", 1, "2").unwrap(), 2);
        // The same once more, as after an acknowledgement that was lost.
        store.engine.close();
        assert_eq!(advance(&store, "r", 1, "2").unwrap(), 2);
        assert!(advance(&store, "r", 1, "another").is_err());
        assert_eq!(load(&store, "r").unwrap().cursor.link, "2");
    }

    #[test]
    fn what_was_applied_before_a_failure_does_not_count_as_durable() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let applied = {
            let ready = store.ready().unwrap();
            store.applied_now(&ready)
        };
        store.engine.close();
        drop(store.ready().unwrap());
        assert!(matches!(store.make_durable(applied), Err(StateError::Store { .. })));
    }

    #[test]
    fn a_store_that_was_swapped_while_it_was_closed_is_refused() {
        let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        advance(&open(other.path()), "r", 0, "other").unwrap();
        let store = open(directory.path());
        advance(&store, "r", 0, "1").unwrap();
        store.engine.close();
        fs::remove_dir_all(directory.path().join("store")).unwrap();
        fs::rename(other.path().join("store"), directory.path().join("store")).unwrap();
        assert!(matches!(store.get(&[cursors::key("r")]), Err(StateError::Refused(_))));
    }

    #[test]
    fn the_witness_knows_what_was_committed_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        advance(&store, "r", 0, "1").unwrap();
        advance(&store, "r", 1, "2").unwrap();
        store.close().unwrap();
        let ReadWitness::Present(witness) = Witness::read(&store.paths.witness).unwrap() else {
            panic!("no witness")
        };
        assert_eq!((witness.commits, witness.routes["r"].generation), (2, 2));
        assert_eq!(witness.routes["r"].cursor.link, "2");
    }
}
