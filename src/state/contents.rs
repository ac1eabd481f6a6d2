//! All that a state holds, in the types of the rooms above: what an import has, and what a recovery keeps.

use super::{
    Cursor, StateError, StoredCursor, cursors, journal,
    journal::StoredEntry,
    notes,
    notes::{FreshNote, StoredNote},
    store::{Key, Space, StoredRecord},
};

/// All that a store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Routes with generation and cursor.
    pub routes: Vec<(String, u64, Cursor)>,
    /// The journal.
    pub entries: Vec<StoredEntry>,
    /// The notes.
    pub notes: Vec<StoredNote>,
}

impl Contents {
    /// What can be understood of `records`; everything else is left out.
    pub(super) fn readable(records: impl IntoIterator<Item = (Key, StoredRecord)>) -> Self {
        let mut contents = Self::default();
        for (key, record) in records {
            match key.space {
                Space::Cursors => {
                    let stored = cursors::decode(&key, &record).ok();
                    let route = |StoredCursor { generation, cursor }| (key.text(), generation, cursor);
                    contents.routes.extend(stored.map(route));
                }
                Space::Journal => contents.entries.extend(journal::decode(&key, &record).ok()),
                Space::Notes => contents.notes.extend(notes::decode(&key, &record).ok()),
                // The index is made from the entries.
                Space::Received => {}
            }
        }
        contents
    }

    /// The same with these notes, in place of those of their names.
    #[must_use]
    pub fn with(mut self, fresh: &[FreshNote]) -> Self {
        for FreshNote { name, content } in fresh {
            let earlier = self.notes.iter().find(|note| note.name == *name).map_or(0, |note| note.generation);
            self.notes.retain(|note| note.name != *name);
            let (name, content) = (name.clone(), content.clone());
            self.notes.push(StoredNote { name, generation: earlier + 1, content });
        }
        self
    }

    /// The records of a store that holds this.
    pub(super) fn records(&self) -> Result<Vec<(Key, StoredRecord)>, StateError> {
        let mut records = Vec::new();
        for (route, generation, cursor) in &self.routes {
            let record = StoredRecord { generation: *generation, value: cursors::encode(route, cursor)? };
            records.push((cursors::key(route), record));
        }
        for stored in &self.entries {
            let (key, record, received) = journal::records(stored)?;
            records.extend([(key, record), (received, StoredRecord::default())]);
        }
        records.extend(self.notes.iter().map(notes::record));
        Ok(records)
    }
}
