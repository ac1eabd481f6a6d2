//! sled, wrapped so that what was flushed is on the disk, and so that no state in memory outlives a failure. Knows no records.
//!
//! sled 0.34 ends a flush with `sync_file_range`, which does not survive a loss of power. So each flush here also calls
//! `fdatasync` on sled's data file, and creation syncs the files and the directories that hold them. sled's own
//! background flush is off, because it gives no guarantee.
//!
//! After an error sled refuses everything, and its memory may differ from the disk. So the first error closes it, and the
//! next use reopens it from the disk. A panic of sled counts as an error.

use std::{
    fs, io,
    ops::Bound,
    os::unix::fs::MetadataExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use crate::state::{
    StateError,
    disk::{io_error, sync_all},
};

/// How long sled may take to release its files.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What is written together or not at all.
pub(super) type Batch = sled::Batch;

/// Keys and values of one prefix.
pub(super) type Entries = Vec<Entry>;

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
pub(super) struct SledEngine {
    folder: PathBuf,
    /// None after a failure.
    opened: RwLock<Option<Opened>>,
}

#[derive(Debug)]
struct Opened {
    db: sled::Db,
    data_file: fs::File,
}

impl SledEngine {
    /// Opens the store in `folder`, or makes one where there is none.
    pub(super) fn open(folder: &Path) -> Result<Self, StateError> {
        let opened = Opened::open(folder)?;
        Ok(Self { folder: folder.to_owned(), opened: RwLock::new(Some(opened)) })
    }

    /// Whether it has failed and must be reopened.
    pub(super) fn is_broken(&self) -> bool {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Reopens it from the disk, after a failure.
    pub(super) fn reopen(&self) -> Result<(), StateError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.is_some() {
            return Ok(());
        }
        // There was one a moment ago, and opening would make another.
        if !self.data_path().exists() {
            return Err(StateError::Displaced(self.folder.clone()));
        }
        *opened = Some(Opened::open(&self.folder).map_err(|err| match err {
            // The lock was ours a moment ago, so the failure is transient.
            StateError::Locked(_) => {
                does_not_work(&self.folder, "another process has it just now".to_owned())
            }
            err => err,
        })?);
        Ok(())
    }

    /// Fails if the files that are open are not those at their path any more: whoever comes later would not find what is
    /// written to them. Nothing is known after a failure, until it is reopened.
    pub(super) fn require_in_place(&self) -> Result<(), StateError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = &*opened else { return Ok(()) };
        let at_path = match fs::metadata(self.data_path()) {
            Ok(at_path) => Some(at_path),
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(err) => return Err(io_error("look at", &self.data_path())(err)),
        };
        let ours = opened.data_file.metadata().map_err(io_error("look at", &self.folder))?;
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == (ours.dev(), ours.ino());
        if at_path.is_some_and(is_ours) {
            return Ok(());
        }
        Err(StateError::Displaced(self.folder.clone()))
    }

    fn data_path(&self) -> PathBuf {
        self.folder.join("db")
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.run(|opened| Ok(opened.db.get(key)?.map(|value| value.to_vec())))
    }

    /// Entries whose keys begin with `prefix` and come after `after`, in the order of their keys, `limit` at most.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Entries, StateError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        self.run(|opened| {
            let mut entries = Entries::new();
            for entry in opened.db.range::<&[u8], _>((start, Bound::Unbounded)).take(limit) {
                let (key, value) = entry?;
                if !key.starts_with(prefix) {
                    break;
                }
                entries.push((key.to_vec(), value.to_vec()));
            }
            Ok(entries)
        })
    }

    /// Entries whose keys begin with `prefix` and come before `before`, the last one first, `limit` at most.
    pub(super) fn scan_back(
        &self,
        prefix: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Entries, StateError> {
        // No key goes on with 0xff: they are times and text.
        let beyond = [prefix, &[0xff; 9]].concat();
        let end = before.unwrap_or(&beyond);
        self.run(|opened| {
            let mut entries = Entries::new();
            for entry in
                opened.db.range::<&[u8], _>((Bound::Included(prefix), Bound::Excluded(end))).rev().take(limit)
            {
                let (key, value) = entry?;
                entries.push((key.to_vec(), value.to_vec()));
            }
            Ok(entries)
        })
    }

    /// Writes the batch as a whole; to be flushed.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), StateError> {
        #[expect(clippy::disallowed_methods, reason = "this is what the store changes records through")]
        self.run(|opened| opened.db.apply_batch(batch))
    }

    /// Returns when all that was applied is on the disk.
    pub(super) fn flush(&self) -> Result<(), StateError> {
        self.run(|opened| {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that knows that flushing is not enough"
            )]
            opened.db.flush()?;
            Ok(opened.data_file.sync_data()?)
        })
    }

    /// Closes the files, and returns when others can open them.
    pub(super) fn close(&self) {
        let Some(opened) = self.opened.write().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // A panic while sled closes does no harm: everything acknowledged was flushed.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
        self.await_release();
    }

    /// sled's threads hold the file, and with it the lock, for a moment longer.
    fn await_release(&self) {
        let start = Instant::now();
        while start.elapsed() < RELEASE_PATIENCE {
            // The lock is tried in sled's own way, and given back at once.
            let file = fs::File::open(self.folder.join("db"));
            match file.map(|file| file.try_lock()) {
                Ok(Err(fs::TryLockError::WouldBlock)) => thread::sleep(LOOK_AGAIN_AFTER),
                _ => return,
            }
        }
    }

    fn run<T>(&self, work: impl FnOnce(&Opened) -> sled::Result<T>) -> Result<T, StateError> {
        let failed = {
            let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
            let Some(opened) = &*opened else {
                return Err(does_not_work(
                    &self.folder,
                    "it failed before and was not opened anew".to_owned(),
                ));
            };
            match catch_unwind(AssertUnwindSafe(|| work(opened))) {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(err)) => err.to_string(),
                Err(_) => PANICKED.to_owned(),
            }
        };
        self.close();
        Err(does_not_work(&self.folder, failed))
    }
}

impl Drop for SledEngine {
    fn drop(&mut self) {
        self.close();
    }
}

impl Opened {
    fn open(folder: &Path) -> Result<Self, StateError> {
        let config = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(4 << 20)
            .flush_every_ms(None);
        #[expect(clippy::disallowed_methods, reason = "this is the one place that opens a store")]
        let db = match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => db,
            Ok(Err(sled::Error::Io(err))) if is_locked(&err) => {
                let directory = folder.parent().unwrap_or(folder);
                return Err(StateError::Locked(directory.to_owned()));
            }
            Ok(Err(sled::Error::Io(err))) if is_about_the_disk(&err) => {
                return Err(io_error("open", folder)(err));
            }
            Ok(Err(err)) => return Err(does_not_work(folder, err.to_string())),
            Err(_) => return Err(does_not_work(folder, PANICKED.to_owned())),
        };
        for file in ["db", "conf"] {
            sync_all(&folder.join(file))?;
        }
        sync_all(folder)?;
        if let Some(parent) = folder.parent() {
            sync_all(parent)?;
        }
        let data_path = folder.join("db");
        let data_file = fs::File::open(&data_path).map_err(io_error("open", &data_path))?;
        Ok(Self { db, data_file })
    }
}

const PANICKED: &str = "sled panicked, as it does on files that it cannot make sense of";

fn does_not_work(folder: &Path, reason: String) -> StateError {
    StateError::Store { path: folder.to_owned(), reason }
}

/// sled reports a lock that another process holds as an error without a kind of its own.
fn is_locked(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::WouldBlock || err.to_string().contains("could not acquire lock")
}

/// Whether the error is about the disk, and not about the contents of the files.
fn is_about_the_disk(err: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    matches!(err.kind(), PermissionDenied | ReadOnlyFilesystem | StorageFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_in_the_same_folder_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("store");
        let first = SledEngine::open(&folder).unwrap();
        assert!(
            matches!(SledEngine::open(&folder), Err(StateError::Locked(named)) if named == directory.path())
        );
        first.close();
        SledEngine::open(&folder).unwrap();
    }

    #[test]
    fn after_a_failure_it_refuses_until_it_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(&directory.path().join("store")).unwrap();
        let mut batch = Batch::default();
        batch.insert(b"key", b"value");
        engine.apply(batch).unwrap();
        engine.flush().unwrap();
        let failed = engine.run(|_| Err::<(), _>(sled::Error::Unsupported("a test".to_owned())));
        assert!(failed.unwrap_err().to_string().contains("a test"));
        assert!(engine.is_broken() && engine.get(b"key").is_err());
        engine.reopen().unwrap();
        assert_eq!(engine.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    }

    #[test]
    fn a_panic_of_sled_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(&directory.path().join("store")).unwrap();
        let failed = engine.run(|_| -> sled::Result<()> { panic!("as sled does") });
        assert!(matches!(failed, Err(StateError::Store { .. })) && engine.is_broken());
    }
}
