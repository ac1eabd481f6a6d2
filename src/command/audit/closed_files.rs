//! The closed files of an audit, beside the open one: when the open one is closed, which were closed, and which go because
//! of their age or size. Only what the record names is ever removed. Blocking.

use std::{
    fs,
    io::{self, BufRead as _},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ChainHead, file::MODE};
use crate::{
    config::{Retention, Rotate},
    sink::retention::{ClosedFile, FileRecord, due},
};

/// A closed file, as the record names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedAudit {
    /// Its name, beside the open file.
    name: String,
    /// When it was closed.
    closed: Timestamp,
    /// The last record in it.
    pub last: ChainHead,
}

/// The files of one audit.
#[derive(Debug)]
pub(super) struct ClosedFiles {
    /// The open one.
    open: PathBuf,
    rotate: Rotate,
    retention: Option<Retention>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemovedAudits {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The closed files of the audit at `open` that are there, the oldest first.
pub fn closed_audits(open: &Path) -> io::Result<Vec<PathBuf>> {
    let named = record(open).read::<ClosedAudit>()?;
    Ok(named.iter().map(|file| beside(open, &file.name)).filter(|path| is_file(path)).collect())
}

impl ClosedFiles {
    pub(super) fn new(open: &Path, rotate: Rotate, retention: Option<Retention>) -> Self {
        Self { open: open.to_owned(), rotate, retention }
    }

    /// Closes the open file if it is `now` too large or too old. `last` is the last record in it. Whether it was closed.
    pub(super) fn close_if_due(&self, now: Timestamp, last: &ChainHead) -> io::Result<bool> {
        let length = match fs::symlink_metadata(&self.open) {
            Ok(found) if found.is_file() => found.len(),
            _ => return Ok(false),
        };
        if length == 0 || last.sequence == 0 {
            return Ok(false);
        }
        let age_max = SignedDuration::try_from(self.rotate.age).unwrap_or(SignedDuration::MAX);
        let is_old = || first_at(&self.open).is_some_and(|first| now.duration_since(first) >= age_max);
        if length < self.rotate.size_bytes && !is_old() {
            return Ok(false);
        }
        let (name, closed) = self.free_name(last.sequence);
        // First the record: a file that it does not name is nobody's.
        record(&self.open).add(&ClosedAudit { name, closed: now, last: last.clone() })?;
        fs::rename(&self.open, closed)?;
        fs::File::open(directory(&self.open))?.sync_all()?;
        Ok(true)
    }

    /// A name that no file has. Older states come back to numbers of records that there were before.
    fn free_name(&self, sequence: u64) -> (String, PathBuf) {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (stem, extension) = (part(self.open.file_stem()), part(self.open.extension()));
        let extension = if extension.is_empty() { extension } else { format!(".{extension}") };
        let again = (2_u32..).map(|count| format!("-{count}"));
        let mut names = [String::new()].into_iter().chain(again).map(|again| {
            let name = format!("{stem}-{sequence:012}{again}{extension}");
            let path = beside(&self.open, &name);
            (name, path)
        });
        let free = names.find(|(_, path)| path.symlink_metadata().is_err());
        free.unwrap_or_else(|| (part(self.open.file_name()), self.open.clone()))
    }

    /// The closed files that have to go `now`, the oldest first.
    pub(super) fn due(&self, now: Timestamp) -> io::Result<Vec<ClosedAudit>> {
        let Some(retention) = &self.retention else { return Ok(Vec::new()) };
        let named = record(&self.open).read::<ClosedAudit>()?;
        let there: Vec<_> =
            named.into_iter().filter(|file| is_file(&beside(&self.open, &file.name))).collect();
        let bytes_of =
            |name: &str| fs::symlink_metadata(beside(&self.open, name)).map_or(0, |found| found.len());
        let closed: Vec<_> = there
            .iter()
            .map(|file| ClosedFile { bytes: bytes_of(&file.name), closed: file.closed })
            .collect();
        let open_bytes = fs::symlink_metadata(&self.open).map_or(0, |found| found.len());
        let count = due(retention, &closed, open_bytes, now);
        Ok(there.into_iter().take(count).collect())
    }

    /// Removes `files`, and takes them off the record with those that are not there. What cannot be removed stays on it, with what
    /// stands in its place.
    pub(super) fn remove(&self, files: &[ClosedAudit]) -> io::Result<RemovedAudits> {
        let mut removed = RemovedAudits::default();
        for file in files {
            let path = beside(&self.open, &file.name);
            let bytes = fs::symlink_metadata(&path)?.len();
            fs::remove_file(&path)?;
            removed.files += 1;
            removed.bytes += bytes;
        }
        fs::File::open(directory(&self.open))?.sync_all()?;
        let record = record(&self.open);
        let named = record.read::<ClosedAudit>()?.into_iter();
        record
            .replace(&named.filter(|file| !is_gone(&beside(&self.open, &file.name))).collect::<Vec<_>>())?;
        Ok(removed)
    }

    /// Says so if a part of the record cannot be read.
    pub(super) fn tell_damage(&self) {
        let record = record(&self.open);
        match record.damaged::<ClosedAudit>() {
            Ok(0) => {}
            Ok(lines) => tracing::error!(
                record = %record.path().display(), lines,
                "the record of an audit's closed files is damaged: `retention` never removes the files that those lines named, and \
                 `command audit --verify` wants them named"
            ),
            Err(err) => tracing::error!(
                record = %record.path().display(), error = %err,
                "the record of an audit's closed files cannot be read"
            ),
        }
    }
}

fn record(open: &Path) -> FileRecord {
    let name = open.file_name().unwrap_or_default().to_string_lossy();
    FileRecord::new(beside(open, &format!(".{name}.files")), MODE)
}

/// The file of this name beside the open one. A record with a path in it leads nowhere else.
fn beside(open: &Path, name: &str) -> PathBuf {
    directory(open).join(Path::new(name).file_name().unwrap_or_default())
}

fn directory(open: &Path) -> &Path {
    open.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether nothing is there: what cannot be looked at may be.
fn is_gone(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(err) if err.kind() == io::ErrorKind::NotFound)
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

/// The time of the first record in the file.
fn first_at(path: &Path) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct First {
        at: Timestamp,
    }

    let mut lines = io::BufReader::new(fs::File::open(path).ok()?).lines();
    let first =
        lines.by_ref().map_while(Result::ok).find_map(|line| serde_json::from_str::<First>(&line).ok());
    first.map(|First { at }| at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    fn head(sequence: u64) -> ChainHead {
        ChainHead { sequence, hash: format!("{sequence:064}") }
    }

    fn closed_files(open: &Path, retention: Retention) -> ClosedFiles {
        ClosedFiles::new(open, Rotate { size_bytes: 1_000, age: DAY, compress: None }, Some(retention))
    }

    /// Writes a record of this day.
    fn write(open: &Path, day: i64) {
        fs::write(open, format!("{{\"at\":\"{}\"}}\n", at(day))).unwrap();
    }

    #[test]
    fn files_are_closed_by_age_and_size_and_only_those_that_the_record_names_go() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("hr.jsonl");
        let files = closed_files(&open, Retention { age: Some(DAY * 10), size_bytes: None });
        // Others' files, one with the name of one of ours.
        for other in ["hr-000000000001.jsonl", "hr.jsonl.1", "it.jsonl"] {
            fs::write(directory.path().join(other), "others'\n").unwrap();
        }
        assert!(!files.close_if_due(at(0), &head(1)).unwrap(), "there is none");
        for day in [0, 1, 2] {
            write(&open, day);
            assert!(!files.close_if_due(at(day), &head(1)).unwrap(), "it is young and small");
            assert!(files.close_if_due(at(day + 1), &head(day.unsigned_abs() + 1)).unwrap());
        }
        fs::write(&open, "x".repeat(1_000)).unwrap();
        assert!(files.close_if_due(at(3), &head(9)).unwrap(), "it is large");
        write(&open, 4);
        let names = |files: &[ClosedAudit]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert!(files.due(at(10)).unwrap().is_empty());
        let due = files.due(at(12)).unwrap();
        assert_eq!(names(&due), ["hr-000000000001-2.jsonl", "hr-000000000002.jsonl"]);
        assert_eq!(due[1].last, head(2));
        assert_eq!(files.remove(&due).unwrap().files, 2);
        assert_eq!(names(&files.due(at(1_000)).unwrap()), ["hr-000000000003.jsonl", "hr-000000000009.jsonl"]);
        let left: Vec<_> = closed_audits(&open).unwrap();
        assert_eq!(left.len(), 2);
        for other in ["hr-000000000001.jsonl", "hr.jsonl.1", "it.jsonl", "hr.jsonl"] {
            assert!(directory.path().join(other).exists(), "{other}");
        }
    }

    #[test]
    fn what_could_not_be_removed_stays_on_the_record() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("hr.jsonl");
        let files = closed_files(&open, Retention { age: Some(DAY), size_bytes: None });
        for day in [0, 1] {
            write(&open, day);
            assert!(files.close_if_due(at(day + 1), &head(day.unsigned_abs() + 1)).unwrap());
        }
        // Something that cannot be removed as a file stands in the place of the first.
        let first = directory.path().join("hr-000000000001.jsonl");
        fs::remove_file(&first).unwrap();
        fs::create_dir(&first).unwrap();
        let due = files.due(at(100)).unwrap();
        assert_eq!(files.remove(&due).unwrap().files, 1);
        let named = || record(&open).read::<ClosedAudit>().unwrap();
        assert_eq!(named().len(), 1, "{:?}", named());
        // It is back, and goes.
        fs::remove_dir(&first).unwrap();
        fs::write(&first, "x").unwrap();
        let due = files.due(at(100)).unwrap();
        assert_eq!(files.remove(&due).unwrap().files, 1);
        assert_eq!(named().len(), 0);
    }

    #[test]
    fn a_record_with_a_path_in_it_leads_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let precious = directory.path().join("precious.jsonl");
        fs::write(&precious, "x").unwrap();
        fs::create_dir(directory.path().join("audit")).unwrap();
        let open = directory.path().join("audit/hr.jsonl");
        write(&open, 0);
        let forged = ClosedAudit { name: "../precious.jsonl".to_owned(), closed: at(0), last: head(1) };
        record(&open).add(&forged).unwrap();
        let files = closed_files(&open, Retention { age: Some(DAY), size_bytes: Some(1) });
        assert_eq!(files.due(at(100)).unwrap(), []);
        assert!(precious.exists());
    }
}
