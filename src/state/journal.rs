//! The journal: what is durable of each command, by its id, until it is old enough to be forgotten.
//!
//! What an entry says is the command room's business; here it is JSON with a generation. A second index by the time of
//! receipt finds what is old.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    StateError,
    engine::{Batch, CHUNK, Engine},
    record::{self, RecordError},
    store::{Change, Store, record_error},
};

/// The most bytes of content that an entry may have. sled puts values of far more into files of their own.
pub const ENTRY_MAX_BYTES: usize = 16 << 10;
/// The most bytes of an id.
const ID_MAX_BYTES: usize = 512;

const ENTRY: &[u8] = b"journal\0";
const RECEIVED: &[u8] = b"received\0";

/// What is durable of one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When the command was received: an entry is forgotten by it.
    pub received_at: Timestamp,
    /// JSON.
    pub content: String,
}

/// An entry as it was found on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The command's id.
    pub id: String,
    /// How often the entry was written.
    pub generation: u64,
    /// The entry.
    pub entry: Entry,
}

/// Where looking through the journal goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPosition(Vec<u8>);

impl Store {
    /// Writes the entry of command `id`, which is at generation `expected`, and gives its next generation.
    pub(super) fn record(&self, id: &str, expected: u64, entry: &Entry) -> Result<u64, StateError> {
        require_length("the id of a command", id.len(), ID_MAX_BYTES)?;
        require_length(id, entry.content.len(), ENTRY_MAX_BYTES)?;
        let payload = encode(id, entry)?;
        let change = Change { what: id, key: entry_key(id), expected, payload: &payload };
        let outdated = self.outdated_key(id, entry)?;
        self.change(&change, |batch| index(batch, outdated, entry, id))
    }

    /// Writes an entry and a note in one commit.
    pub(super) fn record_with_note(
        &self,
        (id, expected, entry): (&str, u64, &Entry),
        note: &Change<'_>,
    ) -> Result<u64, StateError> {
        require_length("the id of a command", id.len(), ID_MAX_BYTES)?;
        require_length(id, entry.content.len(), ENTRY_MAX_BYTES)?;
        let payload = encode(id, entry)?;
        let change = Change { what: id, key: entry_key(id), expected, payload: &payload };
        let outdated = self.outdated_key(id, entry)?;
        self.change_both([&change, note], |batch| index(batch, outdated, entry, id))?;
        Ok(expected + 1)
    }

    /// The key in the index by time of the entry that `next` replaces, if it is another one. If the entry changes meanwhile,
    /// the replacement is refused by its generation.
    fn outdated_key(&self, id: &str, next: &Entry) -> Result<Option<Vec<u8>>, StateError> {
        let Some(stored) = self.entry(id)? else { return Ok(None) };
        let is_moved = stored.entry.received_at.as_millisecond() != next.received_at.as_millisecond();
        Ok(is_moved.then(|| received_key(stored.entry.received_at, id)))
    }

    /// What is durable of command `id`.
    pub(super) fn entry(&self, id: &str) -> Result<Option<StoredEntry>, StateError> {
        let _ready = self.ready()?;
        let stored = self.engine.get(&entry_key(id))?;
        stored.map(|bytes| decode(id, &bytes)).transpose()
    }

    /// Of the next [`CHUNK`] entries behind `after`, forgets those that were received before `before` and are over. Gives
    /// where to go on; none if there are no more.
    pub(super) fn forget(
        &self,
        before: Timestamp,
        after: Option<&JournalPosition>,
        is_over: impl Fn(&StoredEntry) -> bool,
    ) -> Result<Option<JournalPosition>, StateError> {
        let found = {
            let _ready = self.ready()?;
            self.engine.scan(RECEIVED, after.map(|after| &after.0[..]), CHUNK)?
        };
        let mut batch = Batch::default();
        let (mut forgotten, mut next) = (0, None);
        for (key, _) in found {
            let Some((received, id)) = key[RECEIVED.len()..].split_first_chunk::<8>() else { continue };
            if i64::from_be_bytes(*received) >= before.as_millisecond() {
                next = None;
                break;
            }
            let stored = self.entry(&String::from_utf8_lossy(id))?;
            if !stored.as_ref().is_some_and(|stored| is_received_at(stored, *received)) {
                batch.remove(key.as_slice());
                forgotten += 1;
            } else if stored.as_ref().is_some_and(&is_over) {
                batch.remove([ENTRY, id].concat());
                batch.remove(key.as_slice());
                forgotten += 1;
            }
            next = Some(JournalPosition(key));
        }
        if forgotten > 0 {
            self.write(batch)?;
        }
        Ok(next)
    }

    /// How many of the next [`CHUNK`] entries behind `after`, by the time of receipt, have ids that begin with `prefix`, and
    /// where to go on; none if there are no more.
    pub(super) fn count_entries(
        &self,
        prefix: &str,
        after: Option<&JournalPosition>,
    ) -> Result<(u64, Option<JournalPosition>), StateError> {
        let found = {
            let _ready = self.ready()?;
            self.engine.scan(RECEIVED, after.map(|after| &after.0[..]), CHUNK)?
        };
        let is_ours = |key: &[u8]| {
            key[RECEIVED.len()..]
                .split_first_chunk::<8>()
                .is_some_and(|(_, id)| id.starts_with(prefix.as_bytes()))
        };
        let count = found.iter().filter(|(key, _)| is_ours(key)).count() as u64;
        Ok((count, found.into_iter().last().map(|(key, _)| JournalPosition(key))))
    }

    /// The entries that `is_wanted` wants, the one received last first, `limit` at most.
    pub(super) fn latest(
        &self,
        limit: usize,
        is_wanted: impl Fn(&StoredEntry) -> bool,
    ) -> Result<Vec<StoredEntry>, StateError> {
        let mut latest = Vec::new();
        let mut before: Option<Vec<u8>> = None;
        loop {
            let found = {
                let _ready = self.ready()?;
                self.engine.scan_back(RECEIVED, before.as_deref(), CHUNK)?
            };
            for (key, _) in &found {
                let Some((received, id)) = key[RECEIVED.len()..].split_first_chunk::<8>() else { continue };
                let stored = self.entry(&String::from_utf8_lossy(id))?;
                let stored = stored.filter(|stored| is_received_at(stored, *received));
                latest.extend(stored.filter(&is_wanted));
                if latest.len() == limit {
                    return Ok(latest);
                }
            }
            match found.into_iter().last() {
                Some((key, _)) => before = Some(key),
                None => return Ok(latest),
            }
        }
    }

    /// Calls `visit` with each entry, in the order of their ids. Between [`CHUNK`] of them others may change the store.
    pub(super) fn visit_entries<E: From<StateError>>(
        &self,
        mut visit: impl FnMut(StoredEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let (entries, last) = self.entries_after(after.as_ref(), CHUNK)?;
            entries.into_iter().try_for_each(&mut visit)?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// The next entries behind `after` in the order of their ids, `limit` at most, and where to go on; none if there are
    /// no more.
    pub(super) fn entries_after(
        &self,
        after: Option<&JournalPosition>,
        limit: usize,
    ) -> Result<(Vec<StoredEntry>, Option<JournalPosition>), StateError> {
        let found = {
            let _ready = self.ready()?;
            self.engine.scan(ENTRY, after.map(|after| &after.0[..]), limit)?
        };
        let entries = found.iter().map(read_entry).collect::<Result<_, _>>()?;
        Ok((entries, found.into_iter().last().map(|(key, _)| JournalPosition(key))))
    }
}

/// All entries that can still be read in a store that is otherwise not trusted.
pub(super) fn salvage(engine: &Engine) -> Vec<StoredEntry> {
    engine.salvage(ENTRY, read_entry)
}

/// Adds an entry to a store that is being built.
pub(super) fn add_entry(batch: &mut Batch, stored: &StoredEntry) -> Result<(), StateError> {
    let StoredEntry { id, generation, entry } = stored;
    batch.insert(entry_key(id), record::encode(*generation, &encode(id, entry)?));
    batch.insert(received_key(entry.received_at, id), &[]);
    Ok(())
}

fn read_entry((key, bytes): &(Vec<u8>, Vec<u8>)) -> Result<StoredEntry, StateError> {
    decode(&String::from_utf8_lossy(&key[ENTRY.len()..]), bytes)
}

fn encode(id: &str, entry: &Entry) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(entry).map_err(|err| record_error(id)(RecordError::Content(err.to_string())))
}

fn decode(id: &str, bytes: &[u8]) -> Result<StoredEntry, StateError> {
    let (generation, json) = record::decode(bytes).map_err(record_error(id))?;
    let entry = serde_json::from_slice(json);
    let entry = entry.map_err(|err| record_error(id)(RecordError::Content(err.to_string())))?;
    Ok(StoredEntry { id: id.to_owned(), generation, entry })
}

pub(super) fn require_length(what: &str, size_bytes: usize, limit_bytes: usize) -> Result<(), StateError> {
    if size_bytes <= limit_bytes {
        return Ok(());
    }
    Err(StateError::TooLarge { what: what.to_owned(), size_bytes, limit_bytes })
}

/// Whether it was received then by the index. Earlier versions left the key of an entry that was replaced by one with
/// another time.
fn is_received_at(stored: &StoredEntry, indexed: [u8; 8]) -> bool {
    stored.entry.received_at.as_millisecond().to_be_bytes() == indexed
}

/// Puts an entry into the index by time, and takes the key of the one that it replaces out.
fn index(batch: &mut Batch, outdated: Option<Vec<u8>>, entry: &Entry, id: &str) {
    if let Some(outdated) = outdated {
        batch.remove(outdated);
    }
    batch.insert(received_key(entry.received_at, id), &[]);
}

fn entry_key(id: &str) -> Vec<u8> {
    [ENTRY, id.as_bytes()].concat()
}

fn received_key(received_at: Timestamp, id: &str) -> Vec<u8> {
    [RECEIVED, &received_at.as_millisecond().to_be_bytes(), id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::open;

    fn entry(second: i64, content: &str) -> Entry {
        Entry { received_at: Timestamp::from_second(second).unwrap(), content: content.to_owned() }
    }

    #[test]
    fn an_entry_moves_from_generation_to_generation_and_survives_reopening() {
        let directory = tempfile::tempdir().unwrap();
        {
            let store = open::for_tests(directory.path());
            assert_eq!(store.record("c-1", 0, &entry(1, "\"received\"")).unwrap(), 1);
            assert_eq!(store.record("c-1", 1, &entry(1, "\"done\"")).unwrap(), 2);
            let refused = store.record("c-1", 1, &entry(1, "\"late\""));
            assert!(matches!(refused, Err(StateError::Regressed { expected: 1, found: 2, .. })));
            store.close().unwrap();
        }
        let store = open::for_tests(directory.path());
        let stored = store.entry("c-1").unwrap().unwrap();
        assert_eq!((stored.generation, stored.entry.content.as_str()), (2, "\"done\""));
        assert_eq!(store.entry("c-2").unwrap(), None);
    }

    #[test]
    fn what_is_old_and_over_is_forgotten_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        for second in 0..1_200 {
            // More of them wait than are looked at in one go.
            let content = if second < 600 { "\"waits\"" } else { "\"over\"" };
            store.record(&format!("c-{second}"), 0, &entry(second, content)).unwrap();
        }
        let before = Timestamp::from_second(700).unwrap();
        let mut after = None;
        loop {
            after =
                store.forget(before, after.as_ref(), |stored| stored.entry.content == "\"over\"").unwrap();
            if after.is_none() {
                break;
            }
        }
        assert!(store.entry("c-599").unwrap().is_some(), "it is not over");
        assert_eq!(store.entry("c-600").unwrap(), None);
        assert_eq!(store.entry("c-699").unwrap(), None);
        assert!(store.entry("c-700").unwrap().is_some());
        let mut ids = std::collections::BTreeSet::new();
        let visited = store.visit_entries(|stored| {
            ids.insert(stored.id);
            Ok::<_, StateError>(())
        });
        visited.unwrap();
        assert_eq!(ids.len(), 1_100);
    }

    #[test]
    fn the_latest_come_first_and_only_those_that_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        for second in 0..700 {
            store
                .record(&format!("c-{second}"), 0, &entry(second, if second % 7 == 0 { "7" } else { "1" }))
                .unwrap();
        }
        let ids = |limit, content: &'static str| {
            let latest = store.latest(limit, move |stored| stored.entry.content == content).unwrap();
            latest.into_iter().map(|stored| stored.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(2, "1"), ["c-699", "c-698"]);
        assert_eq!(ids(2, "7"), ["c-693", "c-686"]);
        assert_eq!(ids(1_000, "7").len(), 100);
        assert_eq!(store.latest(1_000, |_| true).unwrap().len(), 700);
    }

    #[test]
    fn an_entry_that_replaces_one_of_another_time_is_listed_once_and_forgotten_by_its_own_time() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        let note = crate::state::note::note_change("n", 0, "1").unwrap();
        store.record("c-1", 0, &entry(100, "spoiled")).unwrap();
        store.record("c-1", 1, &entry(900, "failed")).unwrap();
        store.record("c-2", 0, &entry(200, "spoiled")).unwrap();
        store.record_with_note(("c-2", 1, &entry(900, "failed")), &note).unwrap();
        // As an earlier version has left it.
        let mut batch = Batch::default();
        batch.insert(received_key(Timestamp::from_second(300).unwrap(), "c-1"), &[]);
        store.write(batch).unwrap();
        let latest = store.latest(10, |_| true).unwrap();
        assert_eq!(latest.iter().map(|stored| stored.id.as_str()).collect::<Vec<_>>(), ["c-2", "c-1"]);
        store.forget(Timestamp::from_second(500).unwrap(), None, |_| true).unwrap();
        assert!(store.entry("c-1").unwrap().is_some(), "it was received at 900");
        assert_eq!(store.count_entries("", None).unwrap().0, 2);
    }

    #[test]
    fn what_is_too_large_is_refused_with_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let store = open::for_tests(directory.path());
        let large = "x".repeat(ENTRY_MAX_BYTES + 1);
        let told = store.record("c-1", 0, &entry(1, &large)).unwrap_err().to_string();
        assert!(told.contains("16385") && told.contains("16384"), "{told}");
        assert!(store.record(&large, 0, &entry(1, "1")).is_err());
    }
}
