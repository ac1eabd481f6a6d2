//! The record of the files that an owner has made, beside them: one JSON value a line. What a crash cut short is passed over.
//! Blocking.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Serialize, de::DeserializeOwned};

/// What the name of a record has while it is written anew.
const DRAFT: &str = ".new";

/// Where the record is.
#[derive(Debug, Clone)]
pub(crate) struct FileRecord {
    path: PathBuf,
    /// Who may read it: those who may read the files.
    mode: u32,
}

impl FileRecord {
    pub(crate) fn new(path: PathBuf, mode: u32) -> Self {
        Self { path, mode }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All that it names, in the order in which that was added. None is there before the first.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> io::Result<Vec<T>> {
        Ok(whole_lines(&self.bytes()?).filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// How many lines of it name nothing: whatever they named will never be removed. The end of a line that a crash cut short is one.
    pub(crate) fn damaged<T: DeserializeOwned>(&self) -> io::Result<usize> {
        let is_damaged = |line: &&[u8]| serde_json::from_slice::<T>(line).is_err();
        Ok(whole_lines(&self.bytes()?).filter(is_damaged).count())
    }

    /// Adds `named`, and returns when that is on the disk.
    pub(crate) fn add(&self, named: &impl Serialize) -> io::Result<()> {
        let before = self.bytes()?;
        let mut line = if before.is_empty() || before.ends_with(b"\n") { Vec::new() } else { vec![b'\n'] };
        serde_json::to_writer(&mut line, named)?;
        line.push(b'\n');
        let mut options = self.options();
        let mut file = options.create(true).append(true).open(&self.path)?;
        file.write_all(&line)?;
        file.sync_all()?;
        if before.is_empty() { self.sync_directory() } else { Ok(()) }
    }

    /// Names `named` and nothing else from now on.
    pub(crate) fn replace<T: Serialize>(&self, named: &[T]) -> io::Result<()> {
        if named.is_empty() {
            fs::remove_file(&self.path)?;
            return self.sync_directory();
        }
        let mut draft = self.path.clone().into_os_string();
        draft.push(DRAFT);
        let mut text = Vec::new();
        for one in named {
            serde_json::to_writer(&mut text, one)?;
            text.push(b'\n');
        }
        let written = (|| {
            let mut file = self.options().create(true).write(true).truncate(true).open(&draft)?;
            file.write_all(&text)?;
            file.sync_all()
        })();
        if let Err(err) = written {
            // It is ours, and half a copy.
            let _ = fs::remove_file(&draft);
            return Err(err);
        }
        fs::rename(&draft, &self.path)?;
        self.sync_directory()
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        match fs::read(&self.path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    fn options(&self) -> fs::OpenOptions {
        let mut options = fs::File::options();
        options.mode(self.mode).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        options
    }

    fn sync_directory(&self) -> io::Result<()> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// The lines of `text` that a crash has not cut short.
fn whole_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_whatever_a_crash_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let record = FileRecord::new(directory.path().join(".r.files"), 0o600);
        assert_eq!(record.read::<String>().unwrap(), [""; 0]);
        record.add(&"one").unwrap();
        record.add(&"two").unwrap();
        let mut torn = fs::read(record.path()).unwrap();
        torn.extend_from_slice(b"\"thr");
        fs::write(record.path(), &torn).unwrap();
        assert_eq!(record.read::<String>().unwrap(), ["one", "two"]);
        record.add(&"four").unwrap();
        assert_eq!(record.read::<String>().unwrap(), ["one", "two", "four"]);
        record.replace(&["four"]).unwrap();
        assert_eq!(record.read::<String>().unwrap(), ["four"]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        record.replace::<&str>(&[]).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
