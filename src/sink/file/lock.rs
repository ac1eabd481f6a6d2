//! One writer for the files of one owner: an exclusive lock on a small file beside them, held while they are written.
//!
//! The lock goes with the process that holds it, however that ends. The file is empty; it is removed with the lock and
//! may be left behind by a crash, which means nothing.

use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    error::{WriterError, doing},
    own_files::{FILE_MODE, no_follow},
};
use crate::config::FileStem;

/// How long a writer that is ending may take to let go: one whose route panicked still finishes what it was given.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The right to write the files of one owner in one directory.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: fs::File,
}

impl Lock {
    /// Waits a little for whoever writes these files now, and refuses if that does not end. Blocks.
    pub(super) fn acquire(directory: &Path, stem: &FileStem) -> Result<Self, WriterError> {
        let path = directory.join(format!(".{stem}.lock"));
        let started = Instant::now();
        loop {
            let file = open(&path).map_err(doing("open", &path))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Self { path, file }),
                // Whoever had it has just removed it.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                    thread::sleep(LOOK_AGAIN_AFTER);
                }
                Err(TryLockError::WouldBlock) => {
                    let source = io::Error::other(
                        "another oktabus writes these files: stop it, or give this one another `directory`",
                    );
                    return Err(doing("lock", &path)(source));
                }
                Err(TryLockError::Error(err)) if err.kind() == io::ErrorKind::Unsupported => {
                    tracing::warn!(
                        lock = %path.display(),
                        "the file system has no locks: nothing stops a second oktabus from writing the same files"
                    );
                    return Ok(Self { path, file });
                }
                Err(TryLockError::Error(err)) => return Err(doing("lock", &path)(err)),
            }
        }
    }

    /// Whether it still is where others look for it: its directory may have been removed or replaced.
    pub(super) fn is_in_place(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// Lets others write.
    pub(super) fn release(self) {
        if self.is_in_place()
            && let Err(err) = fs::remove_file(&self.path)
        {
            tracing::debug!(lock = %self.path.display(), error = %err, "the lock's file stays");
        }
    }
}

fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::File::options();
    options.create(true).truncate(false).write(true).mode(FILE_MODE).custom_flags(no_follow()).open(path)
}

/// Whether `file` is what is at `path`.
pub(super) fn is_at(file: &fs::File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_waits_for_the_first_and_is_refused_if_it_stays() {
        let directory = tempfile::tempdir().unwrap();
        let stem = FileStem::of_route("log/files");
        let first = Lock::acquire(directory.path(), &stem).unwrap();
        let refused = Lock::acquire(directory.path(), &stem).unwrap_err();
        assert!(refused.source.to_string().contains("another oktabus writes these files"), "{refused:?}");

        // Others are not concerned.
        Lock::acquire(directory.path(), &FileStem::of_route("log/files-2")).unwrap().release();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::acquire(directory.path(), &stem).unwrap());
            thread::sleep(LOOK_AGAIN_AFTER * 3);
            first.release();
            assert!(waiting.join().unwrap().is_in_place());
        });
    }

    #[test]
    fn a_lock_whose_directory_was_replaced_is_out_of_place() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("archive");
        fs::create_dir(&directory).unwrap();
        let lock = Lock::acquire(&directory, &FileStem::of_route("r")).unwrap();
        assert!(lock.is_in_place());
        fs::rename(&directory, parent.path().join("old")).unwrap();
        fs::create_dir(&directory).unwrap();
        assert!(!lock.is_in_place());
    }
}
