//! The file that is open for writing: whether it is still ours, and what it has beyond what was proved.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use super::{
    compression,
    error::{WriterError, doing},
    lock::is_at,
    name::FileName,
    own_files::{OwnFile, OwnFiles, open_existing},
};

/// The open file.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) name: FileName,
    pub(super) path: PathBuf,
    pub(super) file: fs::File,
    /// Bytes of it that are what was delivered, proved or not.
    pub(super) length: u64,
    pub(super) ahead: Option<Ahead>,
}

/// What the disk holds beyond that, from before: what a crash left unproved, what a restored state does not know of, or
/// what somebody else wrote. It is held against what is delivered next.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Where the open file ends.
    pub(super) end: u64,
    /// The owner's files after it.
    pub(super) later: VecDeque<OwnFile>,
}

/// Why the open file is not ours alone any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stray {
    /// Nobody finds what is written to it.
    #[error(
        "somebody moved or removed it: the {length} bytes that were delivered into it are where it is now, and what \
         is not proved goes into a new file"
    )]
    Gone { length: u64 },
    /// The same, with something else in its place.
    #[error(
        "somebody put another file in its place, which is left as it is: what is not proved goes into a new file"
    )]
    Replaced,
    /// What was delivered is missing in it.
    #[error(
        "somebody shortened it from {expected} to {found} bytes, as `copytruncate` does: the rest stays as it is, and \
         what is not proved goes into a new file; let rotation to `rotate`, or move the file"
    )]
    Shorter { expected: u64, found: u64 },
    /// Something was appended to it.
    #[error(
        "somebody else wrote {} bytes to it: they are set aside, and it goes on in a new file",
        .found.saturating_sub(*.expected)
    )]
    Longer { expected: u64, found: u64 },
}

impl Current {
    /// A new file with a number above `above`.
    pub(super) fn begin(files: &OwnFiles, above: u64) -> Result<Self, WriterError> {
        let (name, file) = files.create_next(above)?;
        let path = name.path_in(&files.directory);
        Ok(Self { name, path, file, length: 0, ahead: None })
    }

    /// The file `name`, of which `length` bytes are known, with those after it.
    pub(super) fn resume(
        files: &OwnFiles,
        name: FileName,
        length: u64,
        later: VecDeque<OwnFile>,
    ) -> Result<Self, WriterError> {
        let path = name.path_in(&files.directory);
        files.add_to_record(&name)?;
        compression::restore(files, &path)?;
        let file = open_existing(&path).map_err(doing("open", &path))?;
        let end = file.metadata().map_err(doing("look at", &path))?.len();
        let ahead = (end > length || !later.is_empty()).then_some(Ahead { end, later });
        Ok(Self { name, path, file, length, ahead })
    }

    /// Whether the path still leads to this file, and nobody else has written to it.
    pub(super) fn require_ours(&self) -> Result<(), Stray> {
        let gone = Stray::Gone { length: self.length };
        let Ok(open) = self.file.metadata() else { return Err(gone) };
        if self.path.symlink_metadata().is_err() {
            return Err(gone);
        }
        if !is_at(&self.file, &self.path) {
            return Err(Stray::Replaced);
        }
        let (expected, found) = (self.end(), open.len());
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(Stray::Shorter { expected, found }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Stray::Longer { expected, found }),
        }
    }

    /// Where it ends, if nobody else has written to it.
    fn end(&self) -> u64 {
        self.ahead.as_ref().map_or(self.length, |ahead| ahead.end)
    }

    /// How much of `lines` is there already: the bytes beyond the known ones are read, and compared.
    pub(super) fn matching(&self, lines: &[u8]) -> Result<Matching, WriterError> {
        let left = usize::try_from(self.end() - self.length).unwrap_or(usize::MAX);
        let mut there = vec![0; left.min(lines.len())];
        self.file.read_exact_at(&mut there, self.length).map_err(doing("read", &self.path))?;
        Ok(Matching::of(lines, &there))
    }

    /// Appends `lines`.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), WriterError> {
        self.file.write_all(lines).map_err(doing("write to", &self.path))?;
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Brings what it has to the disk.
    pub(super) fn sync(&self) -> Result<(), WriterError> {
        self.file.sync_data().map_err(doing("sync", &self.path))
    }

    /// Of a file that is elsewhere now: takes back what was written and not proved, since that goes into another file.
    pub(super) fn take_back(&self, proved_bytes: u64) -> io::Result<()> {
        let is_all_ours = self.ahead.is_none() && self.file.metadata()?.len() == self.length;
        if is_all_ours && self.length > proved_bytes { self.file.set_len(proved_bytes) } else { Ok(()) }
    }
}

/// How lines compare to the bytes that are where they would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    /// All of them are there.
    All,
    /// So many bytes are there, and then it ends, in the middle of a line or between two.
    Ends { bytes: usize, is_between_lines: bool },
    /// Whole lines of so many bytes are there, and then something else.
    Differs { bytes: usize },
}

impl Matching {
    /// Of `lines` to `there`, which is no longer than they are.
    fn of(lines: &[u8], there: &[u8]) -> Self {
        let same = match lines.starts_with(there) {
            true => there.len(),
            false => lines.iter().zip(there).take_while(|(one, other)| one == other).count(),
        };
        let whole = memchr::memrchr(b'\n', &lines[..same]).map_or(0, |at| at + 1);
        if same == lines.len() {
            Self::All
        } else if same == there.len() {
            Self::Ends { bytes: same, is_between_lines: whole == same }
        } else {
            Self::Differs { bytes: whole }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_held_against_what_is_there() {
        let lines = b"one\ntwo\nthree\n";
        for (there, matching) in [
            (&b""[..], Matching::Ends { bytes: 0, is_between_lines: true }),
            (b"on", Matching::Ends { bytes: 2, is_between_lines: false }),
            (b"one\n", Matching::Ends { bytes: 4, is_between_lines: true }),
            (b"one\ntwo\nthree\n", Matching::All),
            (b"one\ntwx", Matching::Differs { bytes: 4 }),
            (b"One\ntwo\nthree\n", Matching::Differs { bytes: 0 }),
            (b"one two", Matching::Differs { bytes: 0 }),
        ] {
            assert_eq!(Matching::of(lines, there), matching, "{there:?}");
        }
    }
}
