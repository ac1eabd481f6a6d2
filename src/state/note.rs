//! Notes: what rooms other than routes and commands keep, such as how far a search or a replay is.
//!
//! What a note says is its owner's business; here it is text with a name and a generation.

use super::{
    StateError,
    engine::{Batch, CHUNK, Engine},
    journal::require_length,
    record::{self, RecordError},
    store::{Change, Store, record_error},
};

/// The most bytes of a note's content. sled puts values of far more into files of their own.
pub const NOTE_MAX_BYTES: usize = 16 << 10;
/// The most bytes of a name.
const NAME_MAX_BYTES: usize = 512;

const NOTE: &[u8] = b"note\0";

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

/// A note that a state is recovered with, whatever there was of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshNote {
    /// Its name.
    pub name: String,
    /// What it says.
    pub content: String,
}

impl Store {
    /// Writes the note `name`, which is at generation `expected`, and gives its next generation.
    pub(super) fn keep_note(&self, name: &str, expected: u64, content: &str) -> Result<u64, StateError> {
        self.change(&note_change(name, expected, content)?, |_| {})
    }

    /// What the note `name` says.
    pub(super) fn note(&self, name: &str) -> Result<Option<StoredNote>, StateError> {
        let _ready = self.ready()?;
        let stored = self.engine.get(&note_key(name))?;
        stored.map(|bytes| decode(name, &bytes)).transpose()
    }

    /// All notes whose names begin with `prefix`, by name.
    pub(super) fn notes(&self, prefix: &str) -> Result<Vec<StoredNote>, StateError> {
        let _ready = self.ready()?;
        let mut notes = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let found = self.engine.scan(&note_key(prefix), after.as_deref(), CHUNK)?;
            for note in &found {
                notes.push(read_note(note)?);
            }
            match found.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => return Ok(notes),
            }
        }
    }

    /// Removes the notes of these names, those that are there.
    pub(super) fn drop_notes(&self, names: &[String]) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for name in names {
            batch.remove(note_key(name));
        }
        self.write(batch)
    }
}

/// The change that gives the note `name`, which is at generation `expected`, this content.
pub(super) fn note_change<'a>(
    name: &'a str,
    expected: u64,
    content: &'a str,
) -> Result<Change<'a>, StateError> {
    require_length("the name of a note", name.len(), NAME_MAX_BYTES)?;
    require_length(name, content.len(), NOTE_MAX_BYTES)?;
    Ok(Change { what: name, key: note_key(name), expected, payload: content.as_bytes() })
}

/// All notes that can still be read in a store that is otherwise not trusted.
pub(super) fn salvage(engine: &Engine) -> Vec<StoredNote> {
    engine.salvage(NOTE, read_note)
}

/// Adds a note to a store that is being built.
pub(super) fn add_note(batch: &mut Batch, stored: &StoredNote) {
    let StoredNote { name, generation, content } = stored;
    batch.insert(note_key(name), record::encode(*generation, content.as_bytes()));
}

/// Writes notes to a store that is not taken over yet.
pub(super) fn write_fresh(engine: &Engine, notes: &[FreshNote]) -> Result<(), StateError> {
    let mut batch = Batch::default();
    for FreshNote { name, content } in notes {
        let stored = engine.get(&note_key(name))?;
        let earlier = stored.and_then(|bytes| decode(name, &bytes).ok()).map_or(0, |note| note.generation);
        add_note(
            &mut batch,
            &StoredNote { name: name.clone(), generation: earlier + 1, content: content.clone() },
        );
    }
    engine.apply(batch)?;
    engine.flush()
}

fn read_note((key, bytes): &(Vec<u8>, Vec<u8>)) -> Result<StoredNote, StateError> {
    decode(&String::from_utf8_lossy(&key[NOTE.len()..]), bytes)
}

fn decode(name: &str, bytes: &[u8]) -> Result<StoredNote, StateError> {
    let (generation, content) = record::decode(bytes).map_err(record_error(name))?;
    let content = String::from_utf8(content.to_vec());
    let content = content.map_err(|err| record_error(name)(RecordError::Content(err.to_string())))?;
    Ok(StoredNote { name: name.to_owned(), generation, content })
}

fn note_key(name: &str) -> Vec<u8> {
    [NOTE, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{StateClass, open};

    #[test]
    fn a_note_is_kept_compared_and_dropped() {
        let directory = tempfile::tempdir().unwrap();
        {
            let store = open::for_tests(directory.path());
            assert_eq!(store.keep_note("search/a", 0, "1").unwrap(), 1);
            assert_eq!(store.keep_note("search/a", 1, "2").unwrap(), 2);
            // The same once more, as after an acknowledgement that was lost.
            assert_eq!(store.keep_note("search/a", 1, "2").unwrap(), 2);
            let stale = store.keep_note("search/a", 1, "3").unwrap_err();
            assert_ne!(stale.class(), StateClass::Transient);
            store.keep_note("search/b", 0, "b").unwrap();
            store.keep_note("searching", 0, "c").unwrap();
            store.close().unwrap();
        }
        let store = open::for_tests(directory.path());
        let note = store.note("search/a").unwrap().unwrap();
        assert_eq!((note.generation, note.content.as_str()), (2, "2"));
        let names: Vec<_> = store.notes("search/").unwrap().into_iter().map(|note| note.name).collect();
        assert_eq!(names, ["search/a", "search/b"]);
        store.drop_notes(&names).unwrap();
        assert_eq!(store.notes("").unwrap().len(), 1);
        assert!(store.keep_note("x", 0, &"x".repeat(NOTE_MAX_BYTES + 1)).is_err());
    }
}
