//! What a search keeps on the disk of each window, and under which names: the events that were read (a spool), and what was
//! found in the part of it that the next window reads again.
//!
//! A spool goes by its window, so that no route is given another's. What was found goes by the reading as well: the same
//! window read again later may hold events that came late, and only the routes that were given them have them.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{plan::Run, spool::SpoolError};
use crate::{config::SearchQuery, state::RecentSet};

/// Bytes of the digest in a window's name.
const DIGEST_BYTES: usize = 12;

/// One reading of a window, told from every other reading of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadingId(u64);

/// What a run reads. Runs with the same one are given the same events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WindowName(String);

/// The files of one search.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    search: String,
    /// What is asked, of whom, as a digest.
    question: [u8; 32],
}

/// What routes still need.
#[derive(Debug, Default)]
pub(super) struct Needed {
    pub(super) windows: BTreeSet<WindowName>,
    pub(super) readings: BTreeSet<ReadingId>,
}

impl ReadingId {
    /// One that no other reading has.
    pub(super) fn new() -> Self {
        Self(fastrand::u64(..))
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for ReadingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl Files {
    /// What the search `search` keeps in `directory` of what it asks the org at `org`.
    pub(super) fn new(directory: PathBuf, search: &str, org: &str, query: &SearchQuery) -> Self {
        // The page size changes nothing that is found.
        let SearchQuery { filter, q, order, limit, page_size: _ } = query;
        let question = Sha256::digest(format!("{:?}", (org, filter, q, order, limit))).into();
        Self { directory, search: search.to_owned(), question }
    }

    /// What `run` reads: the window, the question, and what is left out because it was found before.
    pub(super) fn window(&self, run: &Run) -> WindowName {
        let found_before = run.found_before.map(|reading| reading.to_string()).unwrap_or_default();
        let digest = Sha256::new()
            .chain_update(self.question)
            .chain_update(format!("{} {} {found_before}", run.since, run.until))
            .finalize();
        let digest: String = digest[..DIGEST_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        WindowName(format!("{}-{digest}", stamp(run.until)))
    }

    /// Where the events of a window are.
    pub(super) fn spool(&self, window: &WindowName) -> PathBuf {
        self.directory.join(format!("{}.{}.spool", self.search, window.0))
    }

    /// Keeps what the reading `reading` of `window` found in the part that the next window reads again.
    pub(super) fn write_found(
        &self,
        window: &WindowName,
        reading: ReadingId,
        found: &RecentSet,
    ) -> Result<(), SpoolError> {
        let path = self.directory.join(format!("{}.{}.{reading}.found", self.search, window.0));
        let io = |action, source| SpoolError::Io { action, path: path.clone(), source };
        let draft = path.with_extension("found-draft");
        fs::write(&draft, found.to_bytes()).map_err(|err| io("write the ids beside", err))?;
        let synced = fs::File::open(&draft).and_then(|file| file.sync_all());
        synced.map_err(|err| io("sync the ids beside", err))?;
        fs::rename(&draft, &path).map_err(|err| io("put into place the ids beside", err))
    }

    /// What the reading `reading` found, if that is still there and whole.
    pub(super) fn found(&self, reading: ReadingId) -> Option<RecentSet> {
        let path = self.files().ok()?.into_iter().find_map(|(path, kind)| match kind {
            FileKind::Found { reading: known, .. } if known == reading.to_string() => Some(path),
            _ => None,
        })?;
        RecentSet::from_bytes(&fs::read(path).ok()?)
    }

    /// Removes what nobody needs any more.
    pub(super) fn remove_unneeded(&self, needed: &Needed) -> io::Result<()> {
        let windows: BTreeSet<_> = needed.windows.iter().map(|window| window.0.as_str()).collect();
        let readings: BTreeSet<_> = needed.readings.iter().map(ReadingId::to_string).collect();
        for (path, kind) in self.files()? {
            let is_needed = match &kind {
                FileKind::OfWindow(window) => windows.contains(window.as_str()),
                // Until the run says which reading it delivers, its window speaks for it.
                FileKind::Found { window, reading } => {
                    windows.contains(window.as_str()) || readings.contains(reading)
                }
            };
            if !is_needed {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// All files of this search.
    fn files(&self) -> io::Result<Vec<(PathBuf, FileKind)>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if let Some(kind) = self.kind_of(&path) {
                files.push((path, kind));
            }
        }
        Ok(files)
    }

    /// What the file at `path` is; none if it is not of this search.
    fn kind_of(&self, path: &Path) -> Option<FileKind> {
        // Names of searches have no dot.
        let name = path.file_name()?.to_str()?.strip_prefix(&self.search)?.strip_prefix('.')?;
        let parts: Vec<_> = name.split('.').collect();
        match parts.as_slice() {
            [window, "spool" | "draft" | "known" | "known-draft"] => {
                Some(FileKind::OfWindow((*window).to_owned()))
            }
            [window, reading, "found" | "found-draft"] => {
                Some(FileKind::Found { window: (*window).to_owned(), reading: (*reading).to_owned() })
            }
            _ => None,
        }
    }
}

/// A file of a search.
#[derive(Debug)]
enum FileKind {
    /// A spool or the draft of one, or what an earlier version left.
    OfWindow(String),
    /// What one reading found.
    Found { window: String, reading: String },
}

/// A time as a part of a file's name: sorts as times do.
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &Path) -> Files {
        Files::new(directory.to_owned(), "s", "https://acme.okta.com", &SearchQuery::default())
    }

    fn run(since: &str, until: &str) -> Run {
        let at = |time: &str| time.parse().unwrap();
        Run {
            slot: at("2026-01-01T12:00:00Z"),
            since: at(since),
            until: at(until),
            known_until: at(since),
            found_before: None,
            reading: None,
            delivered: 0,
        }
    }

    #[test]
    fn a_window_is_another_if_anything_differs_that_decides_what_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let hour = run("2026-01-01T10:58:00Z", "2026-01-01T11:58:00Z");
        let name = files(directory.path()).window(&hour);
        let delivered = Run { delivered: 5, reading: Some(ReadingId(1)), ..hour };
        assert_eq!(files(directory.path()).window(&delivered), name);
        for other in [
            run("2026-01-01T09:58:00Z", "2026-01-01T11:58:00Z"),
            run("2026-01-01T10:58:00Z", "2026-01-01T11:57:00Z"),
            run("2026-01-01T10:58:00.0001Z", "2026-01-01T11:58:00Z"),
            Run { found_before: Some(ReadingId(1)), ..hour },
        ] {
            assert_ne!(files(directory.path()).window(&other), name, "{other:?}");
        }
        let query = SearchQuery { filter: Some("severity pr".to_owned()), ..SearchQuery::default() };
        let question = |org, query: &SearchQuery| Files::new(directory.path().to_owned(), "s", org, query);
        assert_ne!(question("https://acme.okta.com", &query).window(&hour), name);
        assert_ne!(question("https://other.okta.com", &SearchQuery::default()).window(&hour), name);
    }

    #[test]
    fn only_what_nobody_needs_is_removed_and_other_searches_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        let [old, new] = [
            files.window(&run("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z")),
            files.window(&run("2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z")),
        ];
        let mut found = RecentSet::default();
        found.insert("u-1");
        for window in [&old, &new] {
            fs::write(files.spool(window), "").unwrap();
            fs::write(files.spool(window).with_extension("draft"), "").unwrap();
        }
        for (window, reading) in [(&old, 1), (&old, 2), (&new, 3)] {
            files.write_found(window, ReadingId(reading), &found).unwrap();
        }
        fs::write(directory.path().join("s-2.20260101T110000000Z.spool"), "").unwrap();
        fs::write(directory.path().join("s.20260101T110000000Z.known"), "").unwrap();
        let needed = Needed { windows: [new.clone()].into(), readings: [ReadingId(2)].into() };
        files.remove_unneeded(&needed).unwrap();
        assert!(files.found(ReadingId(1)).is_none());
        assert!(files.found(ReadingId(2)).unwrap().contains("u-1") && files.found(ReadingId(3)).is_some());
        let mut left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let expected = [
            "s-2.20260101T110000000Z.spool".to_owned(),
            format!("s.{}.{}.found", old.0, ReadingId(2)),
            format!("s.{}.{}.found", new.0, ReadingId(3)),
            format!("s.{}.draft", new.0),
            format!("s.{}.spool", new.0),
        ];
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(left, expected);
    }
}
