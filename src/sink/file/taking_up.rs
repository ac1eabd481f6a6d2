//! Where to go on: from a mark and what is on the disk to the file that is written next.
//!
//! What was proved is never touched. A file that does not have what was proved any more is left as it is and told, and
//! the next one is begun: nothing is gained by waiting for what somebody has taken away.

use std::{collections::VecDeque, io, os::unix::fs::FileExt as _, path::Path};

use super::{
    compression,
    current::Current,
    error::{WriterError, doing},
    name::FileName,
    own_files::{OwnFile, OwnFiles, open_existing},
};

/// The file and its bytes that were proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proved {
    pub(super) name: FileName,
    pub(super) length: u64,
}

/// What is at the place of the file that a mark names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    File {
        length: u64,
        /// Whether a line ends where the proved bytes end, if there are so many.
        ends_line: bool,
    },
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Loss {
    #[error("it is gone: was it moved, or is another disk mounted there?")]
    Gone,
    #[error("it has {found} bytes: somebody shortened or replaced it")]
    Shorter { found: u64 },
    #[error("its lines are others: somebody changed or replaced it")]
    Changed,
}

/// Opens the file to go on with: the one that `proved` names; failing that, the one after it or a new one.
pub(super) fn take_up(files: &OwnFiles, proved: Option<&Proved>) -> Result<Current, WriterError> {
    let Some(proved) = proved else { return Current::begin(files, 0) };
    let Some(loss) = judge(proved.length, look(files, proved)?) else {
        let later = later(files, proved.name.number)?;
        return Current::resume(files, proved.name.clone(), proved.length, later);
    };
    if proved.length > 0 {
        tracing::error!(
            sink = files.sink, file = %proved.name.path_in(&files.directory).display(),
            proved_bytes = proved.length,
            "the file that was being written does not have what was delivered into it: {loss}; it is left as it is, and \
             the route goes on in the next file"
        );
    }
    take_up_after(files, &proved.name)
}

/// Opens the file to go on with where `lost` is no longer ours: the one after it, or a new one.
pub(super) fn take_up_after(files: &OwnFiles, lost: &FileName) -> Result<Current, WriterError> {
    let mut later = later(files, lost.number)?;
    match later.pop_front() {
        Some(next) => Current::resume(files, next.name, 0, later),
        None => Current::begin(files, lost.number),
    }
}

/// Whether the file that was `proved` stays whole in the directory that the files were in `before` a reload has named another: nothing
/// of it is lost, and the next one is begun here. Says so.
pub(super) fn is_left_behind(files: &OwnFiles, before: Option<&Path>, proved: &Proved) -> bool {
    let Some(before) = before.filter(|before| *before != files.directory) else { return false };
    let path = proved.name.path_in(before);
    let is_whole = path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() >= proved.length);
    if proved.name.path_in(&files.directory).symlink_metadata().is_ok() || !is_whole {
        return false;
    }
    tracing::info!(
        sink = files.sink, file = %path.display(), directory = %files.directory.display(),
        "the sink has another directory: what was written stays where it is, and the route goes on in a file there"
    );
    true
}

/// The owner's files with numbers above `number`, one form of each.
fn later(files: &OwnFiles, number: u64) -> Result<VecDeque<OwnFile>, WriterError> {
    let mut later: VecDeque<OwnFile> = VecDeque::new();
    for file in files.list()?.into_iter().filter(|file| file.name.number > number && file.is_archive()) {
        if later.back().is_none_or(|last| last.name != file.name) {
            later.push_back(file);
        }
    }
    Ok(later)
}

fn look(files: &OwnFiles, proved: &Proved) -> Result<Found, WriterError> {
    let path = proved.name.path_in(&files.directory);
    compression::restore(files, &path)?;
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Ok(Found::Nothing);
    }
    let looked = (|| {
        let file = open_existing(&path)?;
        let length = file.metadata()?.len();
        let ends_line = proved.length <= length && ends_line_at(&file, proved.length)?;
        Ok(Found::File { length, ends_line })
    })();
    looked.map_err(doing("look at", &path))
}

/// What is wrong with what was found, if `proved` bytes were proved. Pure.
fn judge(proved: u64, found: Found) -> Option<Loss> {
    match found {
        Found::Nothing => Some(Loss::Gone),
        Found::File { length, .. } if length < proved => Some(Loss::Shorter { found: length }),
        Found::File { ends_line: false, .. } => Some(Loss::Changed),
        Found::File { .. } => None,
    }
}

/// Whether a line ends at `length`, or there is none before.
fn ends_line_at(file: &std::fs::File, length: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_has_what_was_proved_is_gone_on_with() {
        let file = |length, ends_line| Found::File { length, ends_line };
        assert_eq!(judge(10, file(10, true)), None);
        assert_eq!(judge(10, file(12, true)), None);
        assert_eq!(judge(0, file(0, true)), None);
        assert_eq!(judge(10, file(9, false)), Some(Loss::Shorter { found: 9 }));
        assert_eq!(judge(10, file(12, false)), Some(Loss::Changed));
        assert_eq!(judge(10, Found::Nothing), Some(Loss::Gone));
    }
}
