//! Records in the store: read, compared and set, and on the disk when that returns.
//!
//! Every change is one batch that also counts the store's commits, so that the store as a whole has a number that only
//! grows; the tally and the witness hold that number against it. Commits that come together share a flush.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Cursor, RecentIds, StateError, StoredCursor, cursors, disk,
    engine::{Batch, Engine},
    identity::StoreId,
    integrity::{IntegrityError, StateRefusal},
    paths::StatePaths,
    record::{self, RecordError},
    tally::{Tally, TallyFile},
    trust::StoreFacts,
    witness::{Witness, WitnessedRoute},
};
use crate::telemetry::chain;

/// How often the witness is written at most.
const WITNESS_INTERVAL: Duration = Duration::from_secs(5);

/// The open store.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) paths: StatePaths,
    pub(super) engine: Engine,
    id: StoreId,
    /// Makes comparing and setting one step. sled's own compare-and-swap covers one key, and a cursor has several.
    writing: Mutex<()>,
    /// Commits in the store, on the disk or not.
    applied: AtomicU64,
    /// Commits that were acknowledged.
    acknowledged: AtomicU64,
    /// How often the store was opened anew after a failure, which may have lost what was applied and not flushed.
    reopened: AtomicU64,
    witness_files: Mutex<WitnessFiles>,
}

/// What is kept beside the store.
#[derive(Debug)]
struct WitnessFiles {
    tally: TallyFile,
    witnessed_at: Instant,
    /// The witness could not be written, and that was told.
    is_witness_late: bool,
}

/// One change of a record.
pub(super) struct Change<'a> {
    /// Whose record it is, for people.
    pub(super) what: &'a str,
    pub(super) key: Vec<u8>,
    /// The generation that the record has; 0 if it must not be there.
    pub(super) expected: u64,
    pub(super) payload: &'a [u8],
}

impl Store {
    /// Takes over a store that is trusted, or one that is new, and writes both witnesses.
    pub(super) fn take_over(
        paths: StatePaths,
        engine: Engine,
        identity: Option<(StoreId, u64)>,
    ) -> Result<Self, StateError> {
        let (id, commits) = match identity {
            Some(identity) => identity,
            None => (StoreId::create_in(&engine)?, 0),
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

    /// Sets a record to its next generation, together with what `more` adds to the batch, and returns when that is on
    /// the disk. May be repeated after a failure: if the first attempt got through after all, the second one says so.
    pub(super) fn change(
        &self,
        change: &Change<'_>,
        more: impl FnOnce(&mut Batch),
    ) -> Result<u64, StateError> {
        disk::require_room(&self.paths.directory)?;
        let next = change.expected + 1;
        let record = record::encode(next, change.payload);
        let applied = {
            let ready = self.ready()?;
            let stored = self.engine.get(&change.key)?;
            if stored.as_ref() == Some(&record) {
                self.applied_now(&ready)
            } else {
                change.require_expected(stored.as_deref())?;
                let mut batch = Batch::default();
                batch.insert(change.key.clone(), record);
                more(&mut batch);
                self.apply(batch, &ready)?
            }
        };
        self.make_durable(applied)?;
        Ok(next)
    }

    /// Sets two records to their next generations, both or neither, together with what `more` adds to the batch. May be
    /// repeated after a failure, as [`Self::change`].
    pub(super) fn change_both(
        &self,
        changes: [&Change<'_>; 2],
        more: impl FnOnce(&mut Batch),
    ) -> Result<(), StateError> {
        disk::require_room(&self.paths.directory)?;
        let applied = {
            let ready = self.ready()?;
            let mut batch = Batch::default();
            let mut is_there = true;
            for change in changes {
                let record = record::encode(change.expected + 1, change.payload);
                let stored = self.engine.get(&change.key)?;
                if stored.as_ref() != Some(&record) {
                    is_there = false;
                    change.require_expected(stored.as_deref())?;
                }
                batch.insert(change.key.clone(), record);
            }
            if is_there {
                self.applied_now(&ready)
            } else {
                more(&mut batch);
                self.apply(batch, &ready)?
            }
        };
        self.make_durable(applied)
    }

    /// Removes or adds what needs no comparing, and returns when that is on the disk.
    pub(super) fn write(&self, batch: Batch) -> Result<(), StateError> {
        disk::require_room(&self.paths.directory)?;
        let applied = {
            let ready = self.ready()?;
            self.apply(batch, &ready)?
        };
        self.make_durable(applied)
    }

    /// How many commits the store has acknowledged.
    pub(super) fn commits(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    pub(super) fn id(&self) -> StoreId {
        self.id
    }

    /// Writes the witness as of now.
    pub(super) fn write_witness(&self) -> Result<(), StateError> {
        // Nothing may be witnessed that is not on the disk, so nothing is applied meanwhile.
        let ready = self.ready()?;
        self.make_durable(self.applied_now(&ready))?;
        let witness = Witness {
            store: self.id,
            commits: self.commits(),
            written_at: Timestamp::now(),
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            routes: witnessed(cursors::routes(&self.engine)?),
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

    /// The right to read and change the store, which works.
    pub(super) fn ready(&self) -> Result<WriteGuard<'_>, StateError> {
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

    /// After a failure the disk must hold what was acknowledged, or nobody may go on.
    fn require_acknowledged(&self) -> Result<u64, StateError> {
        let known = self.commits();
        let error = match StoreId::read(&self.engine)? {
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
        self.id.add_to(&mut batch, commits);
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

    /// Returns when everything up to `applied` is on the disk. Who comes while another one flushes waits, and then often
    /// finds that the other's flush, or its own, has carried several commits.
    fn make_durable(&self, applied: Applied) -> Result<(), StateError> {
        let witness_files = lock(&self.witness_files);
        if self.commits() < applied.commits {
            let commits = self.applied.load(Ordering::Acquire);
            self.engine.flush()?;
            self.require_still_open(applied)?;
            witness_files.tally.write(Tally { store: self.id, commits })?;
            self.acknowledged.fetch_max(commits, Ordering::AcqRel);
        }
        self.require_still_open(applied)?;
        Ok(())
    }

    /// A store that was opened anew may have lost what was applied before; whoever applied it has to do it again.
    fn require_still_open(&self, applied: Applied) -> Result<(), StateError> {
        if self.reopened.load(Ordering::Acquire) == applied.reopened {
            return Ok(());
        }
        let reason = "it failed while a commit was on its way".to_owned();
        Err(StateError::Store { path: self.paths.store(), reason })
    }

    /// Writes the witness if it is time. A witness that cannot be written makes no commit undone.
    pub(super) fn write_witness_if_due(&self) {
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
pub(super) struct WriteGuard<'a>(#[expect(dead_code, reason = "held, not used")] MutexGuard<'a, ()>);

/// How far the store was after something was applied.
#[derive(Debug, Clone, Copy)]
struct Applied {
    commits: u64,
    reopened: u64,
}

impl Change<'_> {
    fn require_expected(&self, stored: Option<&[u8]>) -> Result<(), StateError> {
        let found = match stored {
            Some(bytes) => record::decode(bytes).map_err(record_error(self.what))?.0,
            None => 0,
        };
        if found == self.expected {
            return Ok(());
        }
        Err(StateError::Regressed { what: self.what.to_owned(), expected: self.expected, found })
    }
}

/// What the store in `engine` says of itself; every cursor in it is read.
pub(super) fn facts(engine: &Engine) -> Result<StoreFacts, StateError> {
    let routes =
        cursors::routes(engine)?.into_iter().map(|(name, stored)| (name, stored.generation)).collect();
    Ok(StoreFacts { identity: StoreId::read(engine)?, routes })
}

pub(super) fn record_error(what: &str) -> impl FnOnce(RecordError) -> StateError {
    let what = what.to_owned();
    move |source| match source {
        RecordError::Version(found) if found > record::VERSION => StateError::NewerFormat {
            what: format!("the record of {what}"),
            found: found.into(),
            known: record::VERSION.into(),
        },
        source => StateError::Record { what, source },
    }
}

fn witnessed(routes: Vec<(String, StoredCursor)>) -> std::collections::BTreeMap<String, WitnessedRoute> {
    let witnessed = |StoredCursor { generation, cursor }| {
        let cursor = Cursor { recent: RecentIds::default(), ..cursor };
        WitnessedRoute { generation, cursor }
    };
    routes.into_iter().map(|(name, stored)| (name, witnessed(stored))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What panics while a lock is held has changed nothing in memory that the disk does not decide.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::state::{open, witness::ReadWitness};

    fn cursor(link: &str) -> Cursor {
        Cursor::for_tests(link)
    }

    #[test]
    fn commits_of_many_routes_at_once_are_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(open::for_tests(directory.path()));
        std::thread::scope(|scope| {
            for route in 0..8 {
                let store = Arc::clone(&store);
                scope.spawn(move || {
                    for generation in 0..50 {
                        store.advance(&format!("r-{route}"), generation, &cursor("x")).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.commits(), 400);
        store.close().unwrap();
        drop(store);
        let store = open::for_tests(directory.path());
        assert!(store.list().unwrap().iter().all(|(_, stored)| stored.generation == 50));
    }

    #[test]
    fn a_commit_that_failed_is_repeated_whether_it_got_through_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        store.advance("r", 0, &cursor("1")).unwrap();
        store.engine.close();
        assert_eq!(store.advance("r", 1, &cursor("2")).unwrap(), 2);
        // The same once more, as after an acknowledgement that was lost.
        store.engine.close();
        assert_eq!(store.advance("r", 1, &cursor("2")).unwrap(), 2);
        assert!(store.advance("r", 1, &cursor("another")).is_err());
        assert_eq!(store.load("r").unwrap().unwrap().cursor.link, "2");
    }

    #[test]
    fn what_was_applied_before_a_failure_does_not_count_as_durable() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
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
        open::for_tests(other.path()).advance("r", 0, &cursor("other")).unwrap();
        let store = open::for_tests(directory.path());
        store.advance("r", 0, &cursor("1")).unwrap();
        store.engine.close();
        fs::remove_dir_all(directory.path().join("store")).unwrap();
        fs::rename(other.path().join("store"), directory.path().join("store")).unwrap();
        assert!(matches!(store.load("r"), Err(StateError::Refused(_))));
    }

    #[test]
    fn the_witness_knows_what_was_committed_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        store.advance("r", 0, &cursor("1")).unwrap();
        store.advance("r", 1, &cursor("2")).unwrap();
        store.close().unwrap();
        let ReadWitness::Present(witness) = Witness::read(&store.paths.witness).unwrap() else {
            panic!("no witness")
        };
        assert_eq!((witness.commits, witness.routes["r"].generation), (2, 2));
        assert_eq!(witness.routes["r"].cursor.link, "2");
    }
}
