//! Reads and removes dead letters that are kept, in the files of all owners in a directory. Blocking.
//!
//! Removes the lines that it is told and no others: a file is written anew without them, and takes the place of the old one
//! once it is on the disk.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    ops::ControlFlow,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    files::{FILE_MODE, lock, lock_shared},
    uncommitted,
};

/// Bytes of the digest in an id.
const ID_BYTES: usize = 8;
/// What the name of an owner's files has after the stem.
const EXTENSION: &str = ".jsonl";
/// What the name of a file has that is being written.
const DRAFT: &str = ".new";

/// Which dead letter: a digest of its line, which is the same wherever the line stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterId(String);

impl LetterId {
    /// The id of `line`, which has no line break at its end.
    fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl From<String> for LetterId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The dead letters of all owners.
#[derive(Debug, Clone)]
pub(crate) struct KeptLetters {
    directory: PathBuf,
}

/// One file of an owner: the newest letters are in the one without a number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KeptFile {
    stem: String,
    number: u64,
    path: PathBuf,
}

impl KeptLetters {
    /// Those in `directory`, which need not exist.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Shows `look` each letter, with the stem of its owner's files: of each owner the oldest first.
    pub(crate) fn each(
        &self,
        mut look: impl FnMut(&str, LetterId, &[u8]) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let Some(directory) = self.open()? else { return Ok(()) };
        lock_shared(&directory)?;
        for file in self.files()? {
            let mut lines = BufReader::new(File::open(&file.path)?);
            let mut line = Vec::new();
            // What has no end is what a crash has left: it is nobody's letter.
            while lines.read_until(b'\n', &mut line)? > 0 && line.pop() == Some(b'\n') {
                if look(&file.stem, LetterId::of(&line), &line).is_break() {
                    return Ok(());
                }
                line.clear();
            }
        }
        Ok(())
    }

    /// Removes the letters with these ids. Says which of them were there. When it returns they are gone from the disk.
    pub(crate) fn remove(&self, which: &BTreeSet<LetterId>) -> io::Result<BTreeSet<LetterId>> {
        self.remove_where(|_, id, _| which.contains(id))
    }

    /// Removes the letters of which `goes` says so, which is asked once for each, with the stem of its owner's files. Which
    /// they were. When it returns they are gone from the disk.
    pub(crate) fn remove_where(
        &self,
        mut goes: impl FnMut(&str, &LetterId, &[u8]) -> bool,
    ) -> io::Result<BTreeSet<LetterId>> {
        let mut removed = BTreeSet::new();
        let Some(directory) = self.open()? else { return Ok(removed) };
        // Whoever keeps new ones writes to the same files.
        lock(&directory)?;
        for file in self.files()? {
            let (found, rest) = self.without(&file, &mut goes)?;
            if found.is_empty() {
                continue;
            }
            match rest {
                Some(draft) => fs::rename(draft, &file.path)?,
                None => fs::remove_file(&file.path)?,
            }
            removed.extend(found);
        }
        directory.sync_all()?;
        Ok(removed)
    }

    /// Which letters of `file` go, and the draft of the file without them, if anything is left of it.
    fn without(
        &self,
        file: &KeptFile,
        goes: impl FnMut(&str, &LetterId, &[u8]) -> bool,
    ) -> io::Result<(BTreeSet<LetterId>, Option<PathBuf>)> {
        let found = Self::among(file, goes)?;
        if found.is_empty() {
            return Ok((found, None));
        }
        let path = self.directory.join(format!("{}{DRAFT}", file.stem));
        let draft = File::options().create(true).write(true).truncate(true).mode(FILE_MODE).open(&path)?;
        let written = Self::copy_others(file, &found, BufWriter::new(draft));
        match written {
            Ok(0) => fs::remove_file(&path).map(|()| (found, None)),
            Ok(_) => Ok((found, Some(path))),
            Err(err) => {
                // It is ours, and half a copy: a full disk needs the room.
                let _ = fs::remove_file(&path);
                Err(err)
            }
        }
    }

    fn among(
        file: &KeptFile,
        mut goes: impl FnMut(&str, &LetterId, &[u8]) -> bool,
    ) -> io::Result<BTreeSet<LetterId>> {
        let mut found = BTreeSet::new();
        let mut lines = BufReader::new(File::open(&file.path)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 && line.pop() == Some(b'\n') {
            let letter = LetterId::of(&line);
            if goes(&file.stem, &letter, &line) {
                found.insert(letter);
            }
            line.clear();
        }
        Ok(found)
    }

    /// Copies everything else, byte for byte. How many bytes there are.
    fn copy_others(
        file: &KeptFile,
        found: &BTreeSet<LetterId>,
        mut draft: BufWriter<File>,
    ) -> io::Result<u64> {
        let mut lines = BufReader::new(File::open(&file.path)?);
        let (mut line, mut bytes) = (Vec::new(), 0);
        while lines.read_until(b'\n', &mut line)? > 0 {
            let letter = line.strip_suffix(b"\n").map(LetterId::of);
            if letter.is_none_or(|letter| !found.contains(&letter)) {
                draft.write_all(&line)?;
                bytes += line.len() as u64;
            }
            line.clear();
        }
        draft.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(bytes)
    }

    /// How many messages may become letters yet, when it is known what became of their transactions.
    pub(crate) fn uncommitted(&self) -> io::Result<u64> {
        if self.open()?.is_none() {
            return Ok(0);
        }
        let mut messages = 0;
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.as_os_str().as_encoded_bytes().ends_with(uncommitted::EXTENSION.as_bytes()) {
                let lines = BufReader::new(File::open(&path)?).split(b'\n');
                // The first one says of which transaction.
                messages += lines.map_while(Result::ok).skip(1).count() as u64;
            }
        }
        Ok(messages)
    }

    fn open(&self) -> io::Result<Option<File>> {
        match File::open(&self.directory) {
            Ok(directory) => Ok(Some(directory)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// All files with letters, by owner, the oldest letters first.
    fn files(&self) -> io::Result<Vec<KeptFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((stem, rest)) = name.to_str().and_then(|name| name.rsplit_once(EXTENSION)) else {
                continue;
            };
            let number = match rest.strip_prefix('.') {
                Some(number) => number.parse().ok(),
                None => rest.is_empty().then_some(u64::MAX),
            };
            if let (Some(number), true) = (number, entry.file_type()?.is_file()) {
                files.push(KeptFile { stem: stem.to_owned(), number, path: entry.path() });
            }
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn all(letters: &KeptLetters) -> Vec<(String, LetterId, String)> {
        let mut found = Vec::new();
        let look = |stem: &str, id, line: &[u8]| {
            found.push((stem.to_owned(), id, String::from_utf8(line.to_vec()).unwrap()));
            ControlFlow::Continue(())
        };
        letters.each(look).unwrap();
        found
    }

    fn lines(letters: &KeptLetters) -> Vec<String> {
        all(letters).into_iter().map(|(_, _, line)| line).collect()
    }

    fn id_of(letters: &KeptLetters, line: &str) -> LetterId {
        all(letters).into_iter().find(|(_, _, other)| other == line).unwrap().1
    }

    #[test]
    fn what_is_named_goes_and_everything_else_stays_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a.b.jsonl"), "five\nsix\nhalf a li").unwrap();
        fs::write(path("a.b.jsonl.9"), "one\ntwo\n").unwrap();
        fs::write(path("a.b.jsonl.10"), "three\nfour\n").unwrap();
        fs::write(path("c.jsonl"), "two\n").unwrap();
        fs::write(path("c.jsonl.other"), "two\n").unwrap();
        assert_eq!(KeptLetters::new(directory.path()).uncommitted().unwrap(), 0);
        let letters = KeptLetters::new(directory.path());
        assert_eq!(lines(&letters), ["one", "two", "three", "four", "five", "six", "two"]);

        let unknown = LetterId::from("0123456789abcdef".to_owned());
        let which = BTreeSet::from([id_of(&letters, "five"), id_of(&letters, "one"), unknown.clone()]);
        let removed = letters.remove(&which).unwrap();
        assert!(removed.len() == 2 && !removed.contains(&unknown), "{removed:?}");
        assert_eq!(fs::read_to_string(path("a.b.jsonl")).unwrap(), "six\nhalf a li");
        assert_eq!(fs::read_to_string(path("a.b.jsonl.9")).unwrap(), "two\n");
        assert_eq!(fs::metadata(path("a.b.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);

        // The same line of two owners is one letter to whoever names it.
        letters.remove(&BTreeSet::from([id_of(&letters, "two")])).unwrap();
        assert_eq!(lines(&letters), ["three", "four", "six"]);
        assert!(!path("c.jsonl").exists() && !path("a.b.jsonl.9").exists() && path("c.jsonl.other").exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }

    #[test]
    fn where_there_never_was_a_letter_there_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let letters = KeptLetters::new(&directory.path().join("none"));
        assert!(all(&letters).is_empty() && letters.uncommitted().unwrap() == 0);
        assert!(letters.remove(&BTreeSet::from([LetterId::of(b"x")])).unwrap().is_empty());
    }
}
