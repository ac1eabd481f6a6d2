//! Notes: what rooms other than routes and commands keep, such as how far a search or a replay is. A typed layer above the
//! store.
//!
//! What a note says is its owner's business; here it is text with a name and a generation.

use super::{
    StateError,
    error::content_error,
    store::{
        CONTENT_MAX_BYTES, Change, Key, NAME_MAX_BYTES, Scan, Space, Store, StoredRecord, require_length,
    },
};

/// A note as it was found on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNote {
    /// Its name. Owners keep to a first segment of their own, such as `search/`.
    pub name: String,
    /// How often the note was written.
    pub generation: u64,
    /// What it says.
    pub content: String,
}

/// A note that takes the place of the one at generation `expected` (0: there is none), as the next generation.
#[derive(Debug, Clone)]
pub struct NoteChange {
    /// The note's name.
    pub name: String,
    /// The generation that is replaced.
    pub expected: u64,
    /// What is written.
    pub content: String,
}

/// A note that a state is recovered with, whatever there was of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshNote {
    /// Its name.
    pub name: String,
    /// What it says.
    pub content: String,
}

/// Writes a note.
pub(super) async fn write(store: &dyn Store, note: &NoteChange) -> Result<(), StateError> {
    store.commit(vec![set(note)?]).await
}

/// What the note `name` says.
pub(super) async fn read(store: &dyn Store, name: &str) -> Result<Option<StoredNote>, StateError> {
    let key = key(name);
    let found = store.get(vec![key.clone()]).await?;
    found.into_iter().flatten().next().map(|record| decode(&key, &record)).transpose()
}

/// All notes whose names begin with `prefix`, by name.
pub(super) async fn list(store: &dyn Store, prefix: &str) -> Result<Vec<StoredNote>, StateError> {
    let (mut notes, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan(Scan::of(Space::Notes).with_prefix(prefix).after(after)).await?;
        for (key, record) in &page {
            notes.push(decode(key, record)?);
        }
        match page.into_iter().last() {
            Some((key, _)) => after = Some(key.name),
            None => return Ok(notes),
        }
    }
}

/// Removes the notes of these names, those that are there.
pub(super) async fn remove(store: &dyn Store, names: &[String]) -> Result<(), StateError> {
    store.commit(names.iter().map(|name| Change::Remove(key(name))).collect()).await
}

/// The change that writes a note.
pub(super) fn set(note: &NoteChange) -> Result<Change, StateError> {
    let NoteChange { name, expected, content } = note;
    require_length("the name of a note", name.len(), NAME_MAX_BYTES)?;
    require_length(name, content.len(), CONTENT_MAX_BYTES)?;
    let value = content.clone().into_bytes().into();
    Ok(Change::Set { key: key(name), expected: *expected, value })
}

/// What makes a note of this generation, for a store that is built anew.
pub(super) fn record(stored: &StoredNote) -> (Key, StoredRecord) {
    let StoredNote { name, generation, content } = stored;
    let value = content.clone().into_bytes().into();
    (key(name), StoredRecord { generation: *generation, value })
}

pub(super) fn key(name: &str) -> Key {
    Key::new(Space::Notes, name)
}

pub(super) fn decode(key: &Key, record: &StoredRecord) -> Result<StoredNote, StateError> {
    let name = key.text();
    let content = String::from_utf8(record.value.content.clone());
    let content = content.map_err(|err| content_error(&name, err.to_string()))?;
    Ok(StoredNote { name, generation: record.generation, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{State, StateClass};

    #[tokio::test]
    async fn a_note_is_kept_compared_and_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        let keep =
            async |name, expected, content: &str| state.keep_note(name, expected, content.to_owned()).await;
        assert_eq!(keep("search/a", 0, "1").await.unwrap(), 1);
        assert_eq!(keep("search/a", 1, "2").await.unwrap(), 2);
        // The same once more, as after an acknowledgement that was lost.
        assert_eq!(keep("search/a", 1, "2").await.unwrap(), 2);
        let stale = keep("search/a", 1, "3").await.unwrap_err();
        assert_ne!(stale.class(), StateClass::Transient);
        keep("search/b", 0, "b").await.unwrap();
        keep("searching", 0, "c").await.unwrap();
        state.close().await.unwrap();
        drop(state);
        let state = State::for_tests(directory.path()).await;
        let note = state.note("search/a").await.unwrap().unwrap();
        assert_eq!((note.generation, note.content.as_str()), (2, "2"));
        let names: Vec<_> = state.notes("search/").await.unwrap().into_iter().map(|note| note.name).collect();
        assert_eq!(names, ["search/a", "search/b"]);
        state.drop_notes(names).await.unwrap();
        assert_eq!(state.notes("").await.unwrap().len(), 1);
        assert!(state.keep_note("x", 0, "x".repeat(CONTENT_MAX_BYTES + 1)).await.is_err());
    }
}
