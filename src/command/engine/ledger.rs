//! Reading and writing what the journal says of commands. A disk that takes nothing is waited for; nothing goes on before
//! the entry is durable.

use std::sync::Arc;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    status::{EngineStatus, Trouble},
};
use crate::{
    command::journal::Record,
    state::{Entry, State, StateClass, StateError},
    stream::Backoff,
    telemetry::chain,
};

/// The journal of the commands of one name.
#[derive(Debug)]
pub(super) struct Ledger {
    state: State,
    status: Arc<EngineStatus>,
}

/// A record as it is on the disk.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) record: Record,
    generation: u64,
}

impl Ledger {
    pub(super) fn new(state: State, status: Arc<EngineStatus>) -> Self {
        Self { state, status }
    }

    /// What there is of the command `id`.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Kept>, EngineError> {
        let key = key(self.status.name(), id);
        let Some(stored) = lasting(&self.status, || self.state.entry(&key)).await? else { return Ok(None) };
        let record = Record::decode(&stored.entry.content);
        let record = record.map_err(|source| EngineError::Record { id: id.to_owned(), source })?;
        Ok(Some(Kept { record, generation: stored.generation }))
    }

    /// Writes the first record of the command `id`.
    pub(super) async fn receive(&self, id: &str, record: Record) -> Result<Kept, EngineError> {
        self.write(id, 0, record).await
    }

    /// Writes the record that comes after `kept`.
    pub(super) async fn keep(&self, id: &str, kept: &Kept, record: Record) -> Result<Kept, EngineError> {
        self.write(id, kept.generation, record).await
    }

    /// The same together with `note`, which is at generation `expected`: both are durable or neither. Gives the note's next
    /// generation too.
    pub(super) async fn keep_with_note(
        &self,
        id: &str,
        kept: &Kept,
        record: Record,
        (name, expected, content): (&str, u64, &str),
    ) -> Result<(Kept, u64), EngineError> {
        let (key, entry) = self.entry_of(id, &record)?;
        let write = || {
            let note = (name.to_owned(), expected, content.to_owned());
            self.state.record_with_note(&key, kept.generation, entry.clone(), note)
        };
        let (generation, note) = lasting(&self.status, write).await?;
        Ok((Kept { record, generation }, note))
    }

    /// Notes that one more answer was published. An entry that was forgotten in the meantime stays forgotten.
    pub(super) async fn answered(&self, id: &str, kept: Kept) -> Result<Kept, EngineError> {
        let Some(answered) = kept.record.answered() else { return Ok(kept) };
        match self.keep(id, &kept, answered).await {
            Err(EngineError::State(StateError::Regressed { found: 0, .. })) => Ok(kept),
            written => written,
        }
    }

    async fn write(&self, id: &str, expected: u64, record: Record) -> Result<Kept, EngineError> {
        let (key, entry) = self.entry_of(id, &record)?;
        let generation = lasting(&self.status, || self.state.record(&key, expected, entry.clone())).await?;
        Ok(Kept { record, generation })
    }

    fn entry_of(&self, id: &str, record: &Record) -> Result<(String, Entry), EngineError> {
        let content = record.encode().map_err(|source| EngineError::Record { id: id.to_owned(), source })?;
        Ok((key(self.status.name(), id), Entry { received_at: record.received_at, content }))
    }
}

/// Does `work` until the disk lets it.
pub(super) async fn lasting<T, F: Future<Output = Result<T, StateError>>>(
    status: &EngineStatus,
    work: impl Fn() -> F,
) -> Result<T, EngineError> {
    let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
    loop {
        match work().await {
            Ok(done) => {
                status.works(Trouble::Journal);
                return Ok(done);
            }
            Err(err) if err.class() == StateClass::Transient => {
                status.fails(Trouble::Journal, &chain(&err));
                tokio::time::sleep(waits.next_wait()).await;
            }
            Err(err) => return Err(err.into()),
        }
    }
}

/// The journal's key of a command: ids are unique among the commands of one name.
pub(super) fn key(commands: &str, id: &str) -> String {
    format!("{commands}/{id}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        command::journal::tests::outcome,
        state::{Opening, Places},
    };

    #[tokio::test]
    async fn a_command_that_is_forgotten_while_it_is_answered_once_more_stays_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::within(directory.path().to_owned());
        let state = State::open(places, Opening::Trusted).await.unwrap();
        let ledger = Ledger::new(state.clone(), Arc::new(EngineStatus::new("hr")));
        let record = Record::new("user.suspend", "f", None, Timestamp::UNIX_EPOCH);
        let received = ledger.receive("c-1", record).await.unwrap();
        let ended = received.record.ended(&outcome(json!({}))).unwrap();
        let ended = ledger.keep("c-1", &received, ended).await.unwrap();
        state.forget(Timestamp::now(), None, |_| true).await.unwrap();
        assert!(ledger.find("c-1").await.unwrap().is_none());
        let answered = ledger.answered("c-1", ended).await.unwrap();
        assert!(answered.record.durable().is_some());
        assert!(ledger.find("c-1").await.unwrap().is_none());
    }
}
