//! The letters of one transaction of which it is not known that its bus has committed it: on the disk, but in no file of letters,
//! so that nobody finds or delivers them. Blocking.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::files::FILE_MODE;
use crate::state::BusCheckpoint;

/// What the file's name has after that of the newest letters.
const EXTENSION: &str = ".uncommitted";
/// What the name has in addition while it is written.
const DRAFT: &str = ".new";

/// Letters that count once a checkpoint is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UncommittedLetters {
    /// The checkpoint of their transaction.
    pub(crate) checkpoint: BusCheckpoint,
    /// Each with its line break.
    pub(super) lines: Vec<u8>,
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
        serde_json::to_writer(&mut file, &letters.checkpoint)?;
        file.write_all(b"\n")?;
        file.write_all(&letters.lines)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        File::open(directory)?.sync_all()
    }

    /// What is there, if anything is.
    pub(super) fn read(&self) -> io::Result<Option<UncommittedLetters>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (checkpoint, lines) = bytes.split_at(end);
        let checkpoint = serde_json::from_slice(checkpoint)?;
        Ok(Some(UncommittedLetters { checkpoint, lines: lines.get(1..).unwrap_or_default().to_vec() }))
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
            let checkpoint = BusCheckpoint { owner: Some("me".to_owned()), epoch: 2, generation };
            let uncommitted = UncommittedLetters { checkpoint, lines: lines.into() };
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
