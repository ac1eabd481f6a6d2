//! sled, wrapped so that a commit is on the disk when it returns.
//!
//! sled 0.34 ends a flush with `sync_file_range`, which does not survive a loss of power. So each commit also calls
//! `fdatasync` on sled's data file, and creation syncs the files and the directories that hold them. sled's own
//! background flush is off: nothing here may count on it.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    Cursor, RecentIds, Stored,
    record::{self, RecordError},
};

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error("the state directory {0} is in use by another process: two daemons must not share one")]
    Locked(PathBuf),
    /// Nothing was ever kept there.
    #[error(
        "there is no state in {0}: no daemon has run with this configuration yet, or the path is another"
    )]
    Missing(PathBuf),
    /// The directory or a file in it cannot be read or written.
    #[error("cannot {action} {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store cannot be read.
    #[error("the store under {path} cannot be used")]
    Store {
        /// The state directory.
        path: PathBuf,
        /// What sled said.
        source: sled::Error,
    },
    /// A record is damaged or of another version.
    #[error("the record of route {route} cannot be trusted")]
    Record {
        /// The route.
        route: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// Somebody else moved the cursor.
    #[error(
        "the cursor of route {route} is at generation {found}, not at {expected}: is another daemon using this state?"
    )]
    Regressed {
        /// The route.
        route: String,
        /// The generation that was expected.
        expected: u64,
        /// The generation that was found.
        found: u64,
    },
    /// The work was given up half way, because the process ends or because of a bug.
    #[error("access to the state was interrupted")]
    Interrupted,
}

#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    db: sled::Db,
    data_file: fs::File,
    /// Makes comparing and setting one step. sled's own compare-and-swap covers one key, and a cursor has several.
    advancing: Mutex<()>,
}

/// Where sled keeps its files, under the state directory.
pub(super) const FOLDER: &str = "store";

const CURSOR: &[u8] = b"cursor\0";
const RECENT: &[u8] = b"recent\0";

impl Store {
    pub(super) fn open(directory: &Path) -> Result<Self, StateError> {
        create_directory(directory)?;
        let path = directory.join(FOLDER);
        let open_error = |source| match source {
            sled::Error::Io(err) if is_locked(&err) => StateError::Locked(directory.to_owned()),
            source => StateError::Store { path: directory.to_owned(), source },
        };
        let db = sled::Config::new()
            .path(&path)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(4 << 20)
            .flush_every_ms(None)
            .open()
            .map_err(open_error)?;
        for file in ["db", "conf"].map(|name| path.join(name)) {
            sync_all(&file)?;
        }
        for folder in [&path, directory] {
            sync_all(folder)?;
        }
        let data_path = path.join("db");
        let data_file = fs::File::open(&data_path).map_err(io_error("open", &data_path))?;
        Ok(Self { directory: directory.to_owned(), db, data_file, advancing: Mutex::new(()) })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn load(&self, route: &str) -> Result<Option<Stored>, StateError> {
        let Some(bytes) = self.db.get(cursor_key(route)).map_err(|err| self.store_error(err))? else {
            return Ok(None);
        };
        self.decode(route, &bytes).map(Some)
    }

    pub(super) fn list(&self) -> Result<Vec<(String, Stored)>, StateError> {
        let mut routes = Vec::new();
        for entry in self.db.scan_prefix(CURSOR) {
            let (key, bytes) = entry.map_err(|err| self.store_error(err))?;
            let route = String::from_utf8_lossy(&key[CURSOR.len()..]).into_owned();
            let stored = self.decode(&route, &bytes)?;
            routes.push((route, stored));
        }
        Ok(routes)
    }

    pub(super) fn advance(&self, route: &str, expected: u64, cursor: &Cursor) -> Result<u64, StateError> {
        let generation = expected + 1;
        {
            let _advancing = self.advancing.lock().unwrap_or_else(PoisonError::into_inner);
            let found = self.generation(route)?;
            if found != expected {
                return Err(StateError::Regressed { route: route.to_owned(), expected, found });
            }
            let batch = encode(route, generation, cursor)?;
            self.db.apply_batch(batch).map_err(|err| self.store_error(err))?;
        }
        self.commit()?;
        Ok(generation)
    }

    /// Brings all that was written to the disk.
    fn commit(&self) -> Result<(), StateError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that knows that flushing is not enough"
        )]
        self.db.flush().map_err(|err| self.store_error(err))?;
        self.data_file.sync_data().map_err(io_error("sync", &self.directory.join(FOLDER).join("db")))
    }

    fn generation(&self, route: &str) -> Result<u64, StateError> {
        match self.db.get(cursor_key(route)).map_err(|err| self.store_error(err))? {
            Some(bytes) => Ok(record::decode(&bytes).map_err(record_error(route))?.0),
            None => Ok(0),
        }
    }

    fn decode(&self, route: &str, bytes: &[u8]) -> Result<Stored, StateError> {
        let (generation, payload) = record::decode(bytes).map_err(record_error(route))?;
        let content = |what: String| record_error(route)(RecordError::Content(what));
        let (count, json) =
            payload.split_first_chunk().ok_or_else(|| content("it is cut short".to_owned()))?;
        let mut cursor: Cursor = serde_json::from_slice(json).map_err(|err| content(err.to_string()))?;
        cursor.recent = self.load_recent(route, u64::from_be_bytes(*count))?;
        Ok(Stored { generation, cursor })
    }

    fn load_recent(&self, route: &str, count: u64) -> Result<RecentIds, StateError> {
        let mut chunks = Vec::new();
        for entry in self.db.scan_prefix(recent_prefix(route)) {
            let (_, bytes) = entry.map_err(|err| self.store_error(err))?;
            chunks.push(record::decode(&bytes).map_err(record_error(route))?.1.to_vec());
        }
        let recent = RecentIds::from_chunks(count, chunks.iter().map(Vec::as_slice));
        recent.ok_or_else(|| {
            record_error(route)(RecordError::Content("the recent events do not fit the cursor".to_owned()))
        })
    }

    fn store_error(&self, source: sled::Error) -> StateError {
        StateError::Store { path: self.directory.clone(), source }
    }
}

fn encode(route: &str, generation: u64, cursor: &Cursor) -> Result<sled::Batch, StateError> {
    let mut payload = cursor.recent.count().to_be_bytes().to_vec();
    serde_json::to_writer(&mut payload, cursor)
        .map_err(|err| record_error(route)(RecordError::Content(err.to_string())))?;
    let mut batch = sled::Batch::default();
    batch.insert(cursor_key(route), record::encode(generation, &payload));
    for (number, chunk) in cursor.recent.changed_chunks() {
        let mut key = recent_prefix(route);
        key.push(number);
        batch.insert(key, record::encode(generation, &chunk));
    }
    Ok(batch)
}

fn cursor_key(route: &str) -> Vec<u8> {
    [CURSOR, route.as_bytes()].concat()
}

fn recent_prefix(route: &str) -> Vec<u8> {
    [RECENT, route.as_bytes(), b"\0"].concat()
}

fn record_error(route: &str) -> impl FnOnce(RecordError) -> StateError {
    let route = route.to_owned();
    move |source| StateError::Record { route, source }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { action, path, source }
}

fn create_directory(directory: &Path) -> Result<(), StateError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(io_error("create the state directory", directory))?;
    match directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_all(parent),
        None => Ok(()),
    }
}

fn sync_all(path: &Path) -> Result<(), StateError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

/// sled reports a lock that another process holds as an error without a kind of its own.
fn is_locked(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::WouldBlock || err.to_string().contains("could not acquire lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SinkMark;

    fn cursor(link: &str) -> Cursor {
        Cursor {
            link: link.to_owned(),
            question: "https://acme.okta.com".to_owned(),
            published_max: Some(jiff::Timestamp::from_second(1_700_000_000).unwrap()),
            advanced_at: jiff::Timestamp::from_second(1_700_000_001).unwrap(),
            delivered: 3,
            mark: Some(SinkMark::File { name: "a.jsonl".to_owned(), length_bytes: 12 }),
            recent: RecentIds::default(),
        }
    }

    #[test]
    fn a_cursor_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let mut written = cursor("https://acme.okta.com/api/v1/logs?after=1");
        {
            let store = Store::open(directory.path()).unwrap();
            assert_eq!(store.load("a/b").unwrap(), None);
            for number in 0..100 {
                written.recent.remember(&format!("uuid-{number}"));
            }
            assert_eq!(store.advance("a/b", 0, &written).unwrap(), 1);
        }
        written.recent.mark_written();
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.load("a/b").unwrap(), Some(Stored { generation: 1, cursor: written }));
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn an_older_writer_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.advance("r", 0, &cursor("1")).unwrap();
        store.advance("r", 1, &cursor("2")).unwrap();
        let refused = store.advance("r", 1, &cursor("old"));
        assert!(matches!(refused, Err(StateError::Regressed { expected: 1, found: 2, .. })));
        assert_eq!(store.load("r").unwrap().unwrap().cursor.link, "2");
    }

    #[test]
    fn routes_whose_names_begin_alike_are_apart() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut one = cursor("1");
        one.recent.remember("u");
        store.advance("a", 0, &one).unwrap();
        store.advance("ab", 0, &cursor("2")).unwrap();
        assert_eq!(store.load("a").unwrap().unwrap().cursor.link, "1");
        assert!(!store.load("ab").unwrap().unwrap().cursor.recent.to_set().contains("u"));
    }

    #[test]
    fn a_second_daemon_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Store::open(directory.path()).unwrap();
        assert!(matches!(Store::open(directory.path()), Err(StateError::Locked(_))));
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        fs::write(&path, "").unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains("state"), "{error}");
    }
}
