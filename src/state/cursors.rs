//! The positions of routes: a typed layer above the store, with the form of a cursor and its key.
//!
//! The content of a record is the number of events ever remembered (8 bytes, big-endian) and the cursor as JSON; the tail
//! has the fingerprints of the events delivered last.

use super::{
    Cursor, RecentIds, StateError, StoredCursor,
    error::content_error,
    store::{Change, Key, Scan, Space, Store, StoredRecord, Value},
};

/// Where `route` stands, if it ever moved.
pub(super) async fn load(store: &dyn Store, route: &str) -> Result<Option<StoredCursor>, StateError> {
    let key = key(route);
    let found = store.get(vec![key.clone()]).await?;
    found.into_iter().flatten().next().map(|record| decode(&key, &record)).transpose()
}

/// All routes, by name.
pub(super) async fn list(store: &dyn Store) -> Result<Vec<(String, StoredCursor)>, StateError> {
    let (mut routes, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan(Scan::of(Space::Cursors).after(after)).await?;
        for (key, record) in &page {
            routes.push((key.text(), decode(key, record)?));
        }
        match page.into_iter().last() {
            Some((key, _)) => after = Some(key.name),
            None => return Ok(routes),
        }
    }
}

/// Moves the cursor of `route` from generation `expected` to the next, and gives that.
pub(super) async fn advance(
    store: &dyn Store,
    route: &str,
    expected: u64,
    cursor: &Cursor,
) -> Result<u64, StateError> {
    let value = encode(route, cursor)?;
    store.commit(vec![Change::Set { key: key(route), expected, value }]).await?;
    Ok(expected + 1)
}

pub(super) fn key(route: &str) -> Key {
    Key::new(Space::Cursors, route)
}

pub(super) fn encode(route: &str, cursor: &Cursor) -> Result<Value, StateError> {
    let mut content = cursor.recent.count().to_be_bytes().to_vec();
    serde_json::to_writer(&mut content, cursor).map_err(|err| content_error(route, err.to_string()))?;
    Ok(Value { content, tail: cursor.recent.to_bytes() })
}

pub(super) fn decode(key: &Key, record: &StoredRecord) -> Result<StoredCursor, StateError> {
    let content = |what: &str| content_error(&key.text(), what.to_owned());
    let (count, json) = record.value.content.split_first_chunk().ok_or_else(|| content("it is cut short"))?;
    let mut cursor: Cursor = serde_json::from_slice(json).map_err(|err| content(&err.to_string()))?;
    cursor.recent = RecentIds::from_bytes(u64::from_be_bytes(*count), &record.value.tail)
        .ok_or_else(|| content("the recent events do not fit the cursor"))?;
    Ok(StoredCursor { generation: record.generation, cursor })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn cursor(link: &str) -> Cursor {
        Cursor::for_tests(link)
    }

    async fn advance(state: &State, route: &str, expected: u64, cursor: Cursor) -> Result<u64, StateError> {
        state.advance(route, expected, cursor.into()).await
    }

    #[tokio::test]
    async fn a_cursor_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let mut written = cursor("https://acme.okta.com/api/v1/logs?after=1");
        let state = State::for_tests(directory.path()).await;
        assert_eq!(state.load("a/b").await.unwrap(), None);
        for number in 0..100 {
            written.recent.remember(&format!("uuid-{number}"));
        }
        assert_eq!(advance(&state, "a/b", 0, written.clone()).await.unwrap(), 1);
        drop(state);
        let state = State::for_tests(directory.path()).await;
        assert_eq!(state.load("a/b").await.unwrap(), Some(StoredCursor { generation: 1, cursor: written }));
        assert_eq!(state.list().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_older_writer_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        advance(&state, "r", 0, cursor("1")).await.unwrap();
        advance(&state, "r", 1, cursor("2")).await.unwrap();
        let refused = advance(&state, "r", 1, cursor("old")).await;
        assert!(matches!(refused, Err(StateError::Regressed { expected: 1, found: 2, .. })));
        assert_eq!(state.load("r").await.unwrap().unwrap().cursor.link, "2");
    }

    #[tokio::test]
    async fn routes_whose_names_begin_alike_are_apart() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        let mut one = cursor("1");
        one.recent.remember("u");
        advance(&state, "a", 0, one).await.unwrap();
        advance(&state, "ab", 0, cursor("2")).await.unwrap();
        assert_eq!(state.load("a").await.unwrap().unwrap().cursor.link, "1");
        assert!(!state.load("ab").await.unwrap().unwrap().cursor.recent.to_set().contains("u"));
    }

    #[test]
    fn a_cursor_whose_recent_events_do_not_fit_is_refused() {
        let mut written = cursor("1");
        written.recent.remember("u");
        let value = encode("r", &written).unwrap();
        let mut record = StoredRecord { generation: 1, value };
        assert_eq!(decode(&key("r"), &record).unwrap().cursor, written);
        record.value.tail.clear();
        let told = crate::telemetry::chain(&decode(&key("r"), &record).unwrap_err());
        assert!(told.contains("do not fit the cursor"), "{told}");
    }
}
