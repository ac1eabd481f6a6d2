//! The journal: what is durable of each command, by its id, until it is old enough to be forgotten. A typed layer above the
//! store.
//!
//! What an entry says is the command room's business; here it is JSON with a generation. A second index by the time of
//! receipt finds what is old: its names are the milliseconds (8 bytes, big-endian) and the id.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    StateError,
    error::content_error,
    notes::{self, NoteChange},
    store::{
        CONTENT_MAX_BYTES, Change, Key, NAME_MAX_BYTES, PAGE, Scan, Space, Store, StoredRecord, Value,
        require_length,
    },
};

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

/// An entry that takes the place of the one at generation `expected` (0: there is none), as the next generation.
#[derive(Debug, Clone)]
pub struct EntryChange {
    /// The command's id.
    pub id: String,
    /// The generation that is replaced.
    pub expected: u64,
    /// What is written.
    pub entry: Entry,
}

/// Where looking through the journal goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPosition(Vec<u8>);

/// Writes an entry, and a note with it in one commit if there is one.
pub(super) async fn write(
    store: &dyn Store,
    change: &EntryChange,
    note: Option<&NoteChange>,
) -> Result<(), StateError> {
    let EntryChange { id, expected, entry } = change;
    require_length("the id of a command", id.len(), NAME_MAX_BYTES)?;
    require_length(id, entry.content.len(), CONTENT_MAX_BYTES)?;
    let mut changes = vec![
        Change::Set { key: key(id), expected: *expected, value: encode(id, entry)? },
        Change::Mark(received_key(entry.received_at, id)),
    ];
    if *expected > 0 {
        changes.extend(outdated_mark(store, id, entry).await?.map(Change::Remove));
    }
    if let Some(note) = note {
        changes.push(notes::set(note)?);
    }
    store.commit(changes).await
}

/// The mark in the index by time of the entry that `next` replaces, if it is another one. If the entry changes meanwhile, the
/// replacement is refused by its generation.
async fn outdated_mark(store: &dyn Store, id: &str, next: &Entry) -> Result<Option<Key>, StateError> {
    let Some(stored) = read(store, id).await? else { return Ok(None) };
    let is_moved = stored.entry.received_at.as_millisecond() != next.received_at.as_millisecond();
    Ok(is_moved.then(|| received_key(stored.entry.received_at, id)))
}

/// What is durable of command `id`.
pub(super) async fn read(store: &dyn Store, id: &str) -> Result<Option<StoredEntry>, StateError> {
    let key = key(id);
    let found = store.get(vec![key.clone()]).await?;
    found.into_iter().flatten().next().map(|record| decode(&key, &record)).transpose()
}

/// Of the next [`PAGE`] entries behind `after`, forgets those that were received before `before` and are over. Gives where to
/// go on; none if there are no more.
pub(super) async fn forget(
    store: &dyn Store,
    before: Timestamp,
    after: Option<JournalPosition>,
    is_over: impl Fn(&StoredEntry) -> bool,
) -> Result<Option<JournalPosition>, StateError> {
    let marks = marks(store, Scan::of(Space::Received).after(after.map(|after| after.0))).await?;
    let old = marks.iter().take_while(|mark| mark.received_ms() < before.as_millisecond()).count();
    let next = if old < marks.len() { None } else { marks.last().map(Mark::position) };
    let entries = entries_of(store, &marks[..old]).await?;
    let mut changes = Vec::new();
    for (mark, entry) in marks.iter().zip(entries) {
        match entry {
            Some(entry) if is_over(&entry) => {
                changes.extend([Change::Remove(mark.entry_key()), Change::Remove(mark.key.clone())]);
            }
            Some(_) => {}
            // The mark of an entry that was replaced by one with another time, as earlier versions left it.
            None => changes.push(Change::Remove(mark.key.clone())),
        }
    }
    if !changes.is_empty() {
        store.commit(changes).await?;
    }
    Ok(next)
}

/// How many commands there are whose ids begin with `prefix`.
pub(super) async fn count(store: &dyn Store, prefix: &str) -> Result<u64, StateError> {
    let (mut count, mut after) = (0, None);
    loop {
        let marks = marks(store, Scan::of(Space::Received).after(after)).await?;
        count += marks.iter().filter(|mark| mark.id().starts_with(prefix.as_bytes())).count() as u64;
        match marks.into_iter().last() {
            Some(mark) => after = Some(mark.key.name),
            None => return Ok(count),
        }
    }
}

/// The entries that `is_wanted` wants, the one received last first, `limit` at most.
pub(super) async fn latest(
    store: &dyn Store,
    limit: usize,
    is_wanted: impl Fn(&StoredEntry) -> bool,
) -> Result<Vec<StoredEntry>, StateError> {
    let (mut latest, mut after) = (Vec::new(), None);
    loop {
        let scan = Scan { limit: limit.clamp(1, PAGE), ..Scan::of(Space::Received).descending() };
        let marks = marks(store, scan.after(after)).await?;
        let entries = entries_of(store, &marks).await?;
        latest.extend(entries.into_iter().flatten().filter(&is_wanted));
        match marks.into_iter().last() {
            Some(mark) if latest.len() < limit => after = Some(mark.key.name),
            _ => {
                latest.truncate(limit);
                return Ok(latest);
            }
        }
    }
}

/// The next entries behind `after` in the order of their ids, `limit` at most, and where to go on; none if there are no more.
pub(super) async fn entries_after(
    store: &dyn Store,
    after: Option<JournalPosition>,
    limit: usize,
) -> Result<(Vec<StoredEntry>, Option<JournalPosition>), StateError> {
    let scan = Scan { limit, ..Scan::of(Space::Journal).after(after.map(|after| after.0)) };
    let found = store.scan(scan).await?;
    let entries = found.iter().map(|(key, record)| decode(key, record)).collect::<Result<_, _>>()?;
    Ok((entries, found.into_iter().last().map(|(key, _)| JournalPosition(key.name))))
}

/// What makes an entry of this generation, for a store that is built anew.
pub(super) fn records(stored: &StoredEntry) -> Result<(Key, StoredRecord, Key), StateError> {
    let StoredEntry { id, generation, entry } = stored;
    let record = StoredRecord { generation: *generation, value: encode(id, entry)? };
    Ok((key(id), record, received_key(entry.received_at, id)))
}

pub(super) fn key(id: &str) -> Key {
    Key::new(Space::Journal, id)
}

fn encode(id: &str, entry: &Entry) -> Result<Value, StateError> {
    let json = serde_json::to_vec(entry).map_err(|err| content_error(id, err.to_string()))?;
    Ok(json.into())
}

pub(super) fn decode(key: &Key, record: &StoredRecord) -> Result<StoredEntry, StateError> {
    let id = key.text();
    let entry = serde_json::from_slice(&record.value.content);
    let entry = entry.map_err(|err| content_error(&id, err.to_string()))?;
    Ok(StoredEntry { id, generation: record.generation, entry })
}

/// A mark in the index by the time of receipt.
#[derive(Debug)]
struct Mark {
    key: Key,
}

impl Mark {
    fn received_ms(&self) -> i64 {
        self.key.name.first_chunk().map_or(i64::MIN, |received| i64::from_be_bytes(*received))
    }

    fn id(&self) -> &[u8] {
        self.key.name.get(8..).unwrap_or_default()
    }

    fn entry_key(&self) -> Key {
        Key::new(Space::Journal, self.id())
    }

    fn position(&self) -> JournalPosition {
        JournalPosition(self.key.name.clone())
    }
}

async fn marks(store: &dyn Store, scan: Scan) -> Result<Vec<Mark>, StateError> {
    let found = store.scan(scan).await?;
    Ok(found.into_iter().map(|(key, _)| Mark { key }).collect())
}

/// The entries of `marks`, in their order; none where there is none, or where it was received at another time.
async fn entries_of(store: &dyn Store, marks: &[Mark]) -> Result<Vec<Option<StoredEntry>>, StateError> {
    let found = store.get(marks.iter().map(Mark::entry_key).collect()).await?;
    let entry = |(mark, record): (&Mark, Option<StoredRecord>)| {
        let stored = record.map(|record| decode(&mark.entry_key(), &record)).transpose()?;
        let is_same = |stored: &StoredEntry| stored.entry.received_at.as_millisecond() == mark.received_ms();
        Ok(stored.filter(is_same))
    };
    marks.iter().zip(found).map(entry).collect()
}

fn received_key(received_at: Timestamp, id: &str) -> Key {
    let name = [&received_at.as_millisecond().to_be_bytes(), id.as_bytes()].concat();
    Key::new(Space::Received, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn entry(second: i64, content: &str) -> Entry {
        Entry { received_at: Timestamp::from_second(second).unwrap(), content: content.to_owned() }
    }

    #[tokio::test]
    async fn an_entry_moves_from_generation_to_generation_and_survives_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        assert_eq!(state.record("c-1", 0, entry(1, "\"received\"")).await.unwrap(), 1);
        assert_eq!(state.record("c-1", 1, entry(1, "\"done\"")).await.unwrap(), 2);
        let refused = state.record("c-1", 1, entry(1, "\"late\"")).await;
        assert!(matches!(refused, Err(StateError::Regressed { expected: 1, found: 2, .. })));
        state.close().await.unwrap();
        drop(state);
        let state = State::for_tests(directory.path()).await;
        let stored = state.entry("c-1").await.unwrap().unwrap();
        assert_eq!((stored.generation, stored.entry.content.as_str()), (2, "\"done\""));
        assert_eq!(state.entry("c-2").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_old_and_over_is_forgotten_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        for second in 0..1_200 {
            // More of them wait than are looked at in one go.
            let content = if second < 600 { "\"waits\"" } else { "\"over\"" };
            state.record(&format!("c-{second}"), 0, entry(second, content)).await.unwrap();
        }
        let before = Timestamp::from_second(700).unwrap();
        let mut after = None;
        loop {
            let is_over = |stored: &StoredEntry| stored.entry.content == "\"over\"";
            after = state.forget(before, after, is_over).await.unwrap();
            if after.is_none() {
                break;
            }
        }
        assert!(state.entry("c-599").await.unwrap().is_some(), "it is not over");
        assert_eq!(state.entry("c-600").await.unwrap(), None);
        assert_eq!(state.entry("c-699").await.unwrap(), None);
        assert!(state.entry("c-700").await.unwrap().is_some());
        let (mut ids, mut position) = (std::collections::BTreeSet::new(), None);
        loop {
            let (entries, next) = entries_after(&*state.store, position, 100).await.unwrap();
            ids.extend(entries.into_iter().map(|stored| stored.id));
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(ids.len(), 1_100);
    }

    #[tokio::test]
    async fn the_latest_come_first_and_only_those_that_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        for second in 0..700 {
            let content = if second % 7 == 0 { "7" } else { "1" };
            state.record(&format!("c-{second}"), 0, entry(second, content)).await.unwrap();
        }
        let ids = async |limit, content: &'static str| {
            let wanted = move |stored: &StoredEntry| stored.entry.content == content;
            let latest = state.latest_entries(limit, wanted).await.unwrap();
            latest.into_iter().map(|stored| stored.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(2, "1").await, ["c-699", "c-698"]);
        assert_eq!(ids(2, "7").await, ["c-693", "c-686"]);
        assert_eq!(ids(1_000, "7").await.len(), 100);
        assert_eq!(state.latest_entries(1_000, |_| true).await.unwrap().len(), 700);
    }

    #[tokio::test]
    async fn an_entry_that_replaces_one_of_another_time_is_listed_once_and_forgotten_by_its_own_time() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        let note = NoteChange { name: "n".to_owned(), expected: 0, content: "1".to_owned() };
        state.record("c-1", 0, entry(100, "spoiled")).await.unwrap();
        state.record("c-1", 1, entry(900, "failed")).await.unwrap();
        state.record("c-2", 0, entry(200, "spoiled")).await.unwrap();
        let change = EntryChange { id: "c-2".to_owned(), expected: 1, entry: entry(900, "failed") };
        state.write_entry(change, Some(note)).await.unwrap();
        // As an earlier version has left it.
        let left = Change::Mark(received_key(Timestamp::from_second(300).unwrap(), "c-1"));
        state.store.commit(vec![left]).await.unwrap();
        let latest = state.latest_entries(10, |_| true).await.unwrap();
        assert_eq!(latest.iter().map(|stored| stored.id.as_str()).collect::<Vec<_>>(), ["c-2", "c-1"]);
        state.forget(Timestamp::from_second(500).unwrap(), None, |_| true).await.unwrap();
        assert!(state.entry("c-1").await.unwrap().is_some(), "it was received at 900");
        assert_eq!(state.count_entries("").await.unwrap(), 2);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_with_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        let large = "x".repeat(CONTENT_MAX_BYTES + 1);
        let told = state.record("c-1", 0, entry(1, &large)).await.unwrap_err().to_string();
        assert!(told.contains("16385") && told.contains("16384"), "{told}");
        assert!(state.record(&large, 0, entry(1, "1")).await.is_err());
    }
}
