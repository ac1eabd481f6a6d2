//! Reads and writes the journal's records of commands. Waits while the disk accepts no write; returns only when the
//! record is durable.

use std::sync::Arc;

use super::{EngineError, status::EngineStatus, trouble::Trouble};
use crate::{
    command::{QueuePlace, record::Record},
    retry::{RetryPolicy, retry},
    state::{Entry, EntryChange, NoteChange, State, StateClass, StateError, StoredNote},
    telemetry::chain,
};

/// The journal and the notes of one section.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    state: State,
    status: Arc<EngineStatus>,
}

/// A record as it is on the disk.
#[derive(Debug, Clone)]
pub(super) struct SavedRecord {
    pub(super) record: Record,
    generation: u64,
}

/// What the journal has for a command id.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are records")]
pub(super) enum JournalEntry {
    /// No entry.
    Missing,
    /// A record.
    Record(SavedRecord),
    /// An entry that is not a record, with the problem.
    Unreadable(Unreadable),
}

/// An entry that is not a record.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) content: String,
    pub(super) problem: String,
    generation: u64,
}

impl Journal {
    pub(super) fn new(state: State, status: Arc<EngineStatus>) -> Self {
        Self { state, status }
    }

    /// The entry of the command `id`.
    pub(super) async fn find(&self, id: &str) -> Result<JournalEntry, EngineError> {
        let key = key(self.status.name(), id);
        let Some(stored) = self.with_retries(|| self.state.entry(&key)).await? else {
            return Ok(JournalEntry::Missing);
        };
        let generation = stored.generation;
        Ok(match Record::decode(&stored.entry.content) {
            Ok(record) => JournalEntry::Record(SavedRecord { record, generation }),
            Err(err) => JournalEntry::Unreadable(Unreadable {
                content: stored.entry.content,
                problem: err.to_string(),
                generation,
            }),
        })
    }

    /// Writes the first record of the command `id`, or returns the record that another copy has written in the
    /// meantime.
    pub(super) async fn receive(&self, id: &str, record: Record) -> Result<JournalEntry, EngineError> {
        match self.write(id, 0, record, None).await {
            Ok(saved) => Ok(JournalEntry::Record(saved)),
            Err(EngineError::State(StateError::Regressed { .. })) => self.find(id).await,
            Err(err) => Err(err),
        }
    }

    /// Replaces `saved` by the next record.
    pub(super) async fn save(
        &self,
        id: &str,
        saved: &SavedRecord,
        record: Record,
    ) -> Result<SavedRecord, EngineError> {
        self.write(id, saved.generation, record, None).await
    }

    /// Like [`Self::save`], together with a note: both are durable or neither.
    pub(super) async fn save_with_note(
        &self,
        id: &str,
        saved: &SavedRecord,
        record: Record,
        note: NoteChange,
    ) -> Result<SavedRecord, EngineError> {
        self.write(id, saved.generation, record, Some(note)).await
    }

    /// Replaces an unreadable entry by a record.
    pub(super) async fn replace(
        &self,
        id: &str,
        unreadable: &Unreadable,
        record: Record,
    ) -> Result<SavedRecord, EngineError> {
        self.write(id, unreadable.generation, record, None).await
    }

    /// Records that one more answer was published, to the message at `place` if it came from a queue. Does not recreate
    /// an entry that was removed in the meantime.
    pub(super) async fn answered(
        &self,
        id: &str,
        saved: SavedRecord,
        place: Option<&QueuePlace>,
    ) -> Result<SavedRecord, EngineError> {
        let Some(answered) = saved.record.answered(place) else { return Ok(saved) };
        match self.save(id, &saved, answered).await {
            Err(EngineError::State(StateError::Regressed { found: 0, .. })) => Ok(saved),
            written => written,
        }
    }

    /// The note `name`.
    pub(super) async fn note(&self, name: &str) -> Result<Option<StoredNote>, EngineError> {
        self.with_retries(|| self.state.note(name)).await
    }

    /// All notes whose names begin with `prefix`.
    pub(super) async fn notes(&self, prefix: &str) -> Result<Vec<StoredNote>, EngineError> {
        self.with_retries(|| self.state.notes(prefix)).await
    }

    /// Writes a note.
    pub(super) async fn save_note(&self, note: &NoteChange) -> Result<(), EngineError> {
        let NoteChange { name, expected, content } = note;
        self.with_retries(|| self.state.keep_note(name, *expected, content.clone())).await.map(drop)
    }

    /// Removes a note.
    pub(super) async fn remove_note(&self, name: &str) -> Result<(), EngineError> {
        self.with_retries(|| self.state.drop_notes(vec![name.to_owned()])).await
    }

    async fn write(
        &self,
        id: &str,
        expected: u64,
        record: Record,
        note: Option<NoteChange>,
    ) -> Result<SavedRecord, EngineError> {
        let content = record.encode().map_err(|source| EngineError::Record { id: id.to_owned(), source })?;
        let entry = Entry { received_at: record.received_at, content };
        let change = EntryChange { id: key(self.status.name(), id), expected, entry };
        self.with_retries(|| self.state.write_entry(change.clone(), note.clone())).await?;
        Ok(SavedRecord { record, generation: expected + 1 })
    }

    /// Repeats `work` while the disk fails in a way that may pass.
    async fn with_retries<T, F: Future<Output = Result<T, StateError>>>(
        &self,
        work: impl Fn() -> F,
    ) -> Result<T, EngineError> {
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Journal);
        let attempt = async || match work().await {
            Err(err) if err.class() == StateClass::Transient => Err(err),
            finished => Ok(finished),
        };
        Ok(retry(&mut backoff, attempt, |err| reporter.report(&chain(err))).await?)
    }
}

/// The key of a command in the journal: ids are unique within a section.
pub(super) fn key(commands: &str, id: &str) -> String {
    format!("{commands}/{id}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{command::record::tests::outcome, state::MemoryStore};

    #[tokio::test]
    async fn a_command_that_is_forgotten_while_it_is_answered_once_more_stays_forgotten() {
        let state = State::over(Arc::new(MemoryStore::default()));
        let journal = Journal::new(state.clone(), Arc::new(EngineStatus::new("hr")));
        let record = Record::new("user.suspend", "f", None, Timestamp::UNIX_EPOCH);
        let JournalEntry::Record(received) = journal.receive("c-1", record).await.unwrap() else {
            panic!("it is there")
        };
        let ended = received.record.ended(&outcome(json!({}))).unwrap();
        let ended = journal.save("c-1", &received, ended).await.unwrap();
        state.forget(Timestamp::now(), None, |_| true).await.unwrap();
        assert!(matches!(journal.find("c-1").await.unwrap(), JournalEntry::Missing));
        let answered = journal.answered("c-1", ended, None).await.unwrap();
        assert!(answered.record.durable().is_some());
        assert!(matches!(journal.find("c-1").await.unwrap(), JournalEntry::Missing));
    }
}
