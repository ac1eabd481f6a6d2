//! The letters of one transaction of which it is not known that its bus has committed it: on the disk, but in no file of letters,
//! so that nobody finds or delivers them. Blocking.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::files::FILE_MODE;
use crate::state::BusCheckpoint;

/// What the file's name has after that of the newest letters.
pub(super) const EXTENSION: &str = ".uncommitted";
/// What the name has in addition while it is written.
const DRAFT: &str = ".new";

/// How many checkpoints are noted that were sent instead; of those before it is not known any more.
const INSTEAD_MAX: usize = 64;

/// The transaction that leaves the messages of some letters out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UncommittedTransaction {
    /// What it commits.
    pub(crate) checkpoint: BusCheckpoint,
    /// What the bus had when it was sent.
    pub(crate) before: BusCheckpoint,
    /// What was sent later although the bus had `before`, or one of these: it and the transaction are never both committed.
    pub(crate) instead: Vec<BusCheckpoint>,
}

/// Letters that count once a transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UncommittedLetters {
    pub(super) transaction: UncommittedTransaction,
    /// Each with its line break.
    pub(super) lines: Vec<u8>,
}

impl UncommittedTransaction {
    /// `checkpoint` is sent in its place.
    pub(crate) fn is_followed_instead_by(&mut self, checkpoint: BusCheckpoint) {
        self.instead.push(checkpoint);
        self.instead.drain(..self.instead.len().saturating_sub(INSTEAD_MAX));
    }
}

/// Where they are. There is one transaction at a time.
#[derive(Debug, Clone)]
pub(super) struct UncommittedFile {
    path: PathBuf,
}

impl UncommittedFile {
    /// Beside `letters`, the file with the newest ones.
    pub(super) fn beside(letters: &Path) -> Self {
        Self { path: with(letters, EXTENSION) }
    }

    /// Puts `letters` in the place of what is there. When it returns they are on the disk.
    pub(super) fn write(&self, letters: &UncommittedLetters) -> io::Result<()> {
        let directory = self.directory();
        fs::create_dir_all(directory)?;
        let draft = with(&self.path, DRAFT);
        let mut file =
            File::options().create(true).write(true).truncate(true).mode(FILE_MODE).open(&draft)?;
        serde_json::to_writer(&mut file, &letters.transaction)?;
        file.write_all(b"\n")?;
        file.write_all(&letters.lines)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        File::open(directory)?.sync_all()
    }

    /// What is there, if anything is. Where it cannot be read which transaction it is of, that is one that no bus has.
    pub(super) fn read(&self) -> io::Result<Option<UncommittedLetters>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let (head, lines) = bytes.split_at(end);
        Ok(Some(match serde_json::from_slice(head) {
            Ok(transaction) => UncommittedLetters { transaction, lines: lines.to_vec() },
            Err(_) => UncommittedLetters { transaction: UncommittedTransaction::default(), lines: bytes },
        }))
    }

    /// Removes what is there.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Ok(()) => File::open(self.directory())?.sync_all(),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(err) => Err(err),
        }
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

fn with(path: &Path, extension: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(extension);
    path.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_written_last_is_there_until_it_is_removed_and_is_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let letters = directory.path().join("dead-letters/a.b.jsonl");
        let file = UncommittedFile::beside(&letters);
        assert_eq!(file.read().unwrap(), None);
        file.remove().unwrap();
        for (generation, lines) in [(7, "one\ntwo\n"), (8, "three\n")] {
            let checkpoint = BusCheckpoint { generation, ..BusCheckpoint::default() };
            let transaction = UncommittedTransaction { checkpoint, ..UncommittedTransaction::default() };
            let uncommitted = UncommittedLetters { transaction, lines: lines.into() };
            file.write(&uncommitted).unwrap();
            assert_eq!(file.read().unwrap(), Some(uncommitted));
        }
        let path = directory.path().join("dead-letters/a.b.jsonl.uncommitted");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path().join("dead-letters")).unwrap().count(), 1);
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }
}
