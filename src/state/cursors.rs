//! How a cursor is kept: one record with its link and facts, and one for each chunk of the events delivered last.
//!
//! Knows the keys and the coding; how a commit becomes durable is the store's business.

use super::{
    Cursor, RecentIds, StateError, StoredCursor,
    engine::{Batch, Engine},
    record::{self, RecordError},
    store::{Change, Store, record_error},
};

const CURSOR: &[u8] = b"cursor\0";
const RECENT: &[u8] = b"recent\0";
/// More routes than any configuration has.
const ROUTES_MAX: usize = 100_000;

impl Store {
    /// Where `route` stands, if it ever moved.
    pub(super) fn load(&self, route: &str) -> Result<Option<StoredCursor>, StateError> {
        let _ready = self.ready()?;
        let stored = self.engine.get(&cursor_key(route))?;
        stored.map(|bytes| read_cursor(&self.engine, route, &bytes)).transpose()
    }

    /// All routes, by name.
    pub(super) fn list(&self) -> Result<Vec<(String, StoredCursor)>, StateError> {
        let _ready = self.ready()?;
        routes(&self.engine)
    }

    /// Moves the cursor of `route` from generation `expected` to the next.
    pub(super) fn advance(&self, route: &str, expected: u64, cursor: &Cursor) -> Result<u64, StateError> {
        let payload = encode_cursor(route, cursor)?;
        let change = Change { what: route, key: cursor_key(route), expected, payload: &payload };
        self.change(&change, |batch| add_recent(batch, route, expected + 1, cursor))
    }
}

/// All routes, by name.
pub(super) fn routes(engine: &Engine) -> Result<Vec<(String, StoredCursor)>, StateError> {
    let mut routes = Vec::new();
    for (key, bytes) in engine.scan(CURSOR, None, ROUTES_MAX)? {
        let route = String::from_utf8_lossy(&key[CURSOR.len()..]).into_owned();
        let stored = read_cursor(engine, &route, &bytes)?;
        routes.push((route, stored));
    }
    Ok(routes)
}

/// Adds a cursor to a store that is being built.
pub(super) fn add_cursor(
    batch: &mut Batch,
    route: &str,
    generation: u64,
    cursor: &Cursor,
) -> Result<(), StateError> {
    batch.insert(cursor_key(route), record::encode(generation, &encode_cursor(route, cursor)?));
    add_recent(batch, route, generation, cursor);
    Ok(())
}

pub(super) fn read_cursor(engine: &Engine, route: &str, bytes: &[u8]) -> Result<StoredCursor, StateError> {
    let (generation, payload) = record::decode(bytes).map_err(record_error(route))?;
    let content = |what: String| record_error(route)(RecordError::Content(what));
    let (count, json) = payload.split_first_chunk().ok_or_else(|| content("it is cut short".to_owned()))?;
    let mut cursor: Cursor = serde_json::from_slice(json).map_err(|err| content(err.to_string()))?;
    cursor.recent = read_recent(engine, route, u64::from_be_bytes(*count))?;
    Ok(StoredCursor { generation, cursor })
}

fn read_recent(engine: &Engine, route: &str, count: u64) -> Result<RecentIds, StateError> {
    let mut chunks = Vec::new();
    for (_, bytes) in engine.scan(&recent_prefix(route), None, usize::MAX)? {
        chunks.push(record::decode(&bytes).map_err(record_error(route))?.1.to_vec());
    }
    let recent = RecentIds::from_chunks(count, chunks.iter().map(Vec::as_slice));
    recent.ok_or_else(|| {
        record_error(route)(RecordError::Content("the recent events do not fit the cursor".to_owned()))
    })
}

pub(super) fn encode_cursor(route: &str, cursor: &Cursor) -> Result<Vec<u8>, StateError> {
    let mut payload = cursor.recent.count().to_be_bytes().to_vec();
    serde_json::to_writer(&mut payload, cursor)
        .map_err(|err| record_error(route)(RecordError::Content(err.to_string())))?;
    Ok(payload)
}

pub(super) fn add_recent(batch: &mut Batch, route: &str, generation: u64, cursor: &Cursor) {
    for (number, chunk) in cursor.recent.changed_chunks() {
        let mut key = recent_prefix(route);
        key.push(number);
        batch.insert(key, record::encode(generation, &chunk));
    }
}

pub(super) fn cursor_key(route: &str) -> Vec<u8> {
    [CURSOR, route.as_bytes()].concat()
}

fn recent_prefix(route: &str) -> Vec<u8> {
    [RECENT, route.as_bytes(), b"\0"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::open;

    fn cursor(link: &str) -> Cursor {
        Cursor::for_tests(link)
    }

    #[test]
    fn a_cursor_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let mut written = cursor("https://acme.okta.com/api/v1/logs?after=1");
        {
            let store = open::for_tests(directory.path());
            assert_eq!(store.load("a/b").unwrap(), None);
            for number in 0..100 {
                written.recent.remember(&format!("uuid-{number}"));
            }
            assert_eq!(store.advance("a/b", 0, &written).unwrap(), 1);
        }
        written.recent.mark_written();
        let store = open::for_tests(directory.path());
        assert_eq!(store.load("a/b").unwrap(), Some(StoredCursor { generation: 1, cursor: written }));
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn an_older_writer_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        store.advance("r", 0, &cursor("1")).unwrap();
        store.advance("r", 1, &cursor("2")).unwrap();
        let refused = store.advance("r", 1, &cursor("old"));
        assert!(matches!(refused, Err(StateError::Regressed { expected: 1, found: 2, .. })));
        assert_eq!(store.load("r").unwrap().unwrap().cursor.link, "2");
    }

    #[test]
    fn routes_whose_names_begin_alike_are_apart() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        let mut one = cursor("1");
        one.recent.remember("u");
        store.advance("a", 0, &one).unwrap();
        store.advance("ab", 0, &cursor("2")).unwrap();
        assert_eq!(store.load("a").unwrap().unwrap().cursor.link, "1");
        assert!(!store.load("ab").unwrap().unwrap().cursor.recent.to_set().contains("u"));
    }
}
