//! How a cursor is kept: one record with its link and facts, and one for each chunk of the events delivered last.
//!
//! Knows the keys and the coding, and nothing of commits.

use super::{
    Cursor, RecentIds, StateError, Stored,
    engine::{Batch, Engine},
    record::{self, RecordError},
    store::record_error,
};

const CURSOR: &[u8] = b"cursor\0";
const RECENT: &[u8] = b"recent\0";
/// More routes than any configuration has.
const ROUTES_MAX: usize = 100_000;

/// All routes, by name.
pub(super) fn routes(engine: &Engine) -> Result<Vec<(String, Stored)>, StateError> {
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

pub(super) fn read_cursor(engine: &Engine, route: &str, bytes: &[u8]) -> Result<Stored, StateError> {
    let (generation, payload) = record::decode(bytes).map_err(record_error(route))?;
    let content = |what: String| record_error(route)(RecordError::Content(what));
    let (count, json) = payload.split_first_chunk().ok_or_else(|| content("it is cut short".to_owned()))?;
    let mut cursor: Cursor = serde_json::from_slice(json).map_err(|err| content(err.to_string()))?;
    cursor.recent = read_recent(engine, route, u64::from_be_bytes(*count))?;
    Ok(Stored { generation, cursor })
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
