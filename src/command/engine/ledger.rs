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

    /// Notes that one more answer was published. An entry that was forgotten in the meantime stays forgotten.
    pub(super) async fn answered(&self, id: &str, kept: Kept) -> Result<Kept, EngineError> {
        let Some(answered) = kept.record.answered() else { return Ok(kept) };
        match self.keep(id, &kept, answered).await {
            Err(EngineError::State(StateError::Regressed { found: 0, .. })) => Ok(kept),
            written => written,
        }
    }

    async fn write(&self, id: &str, expected: u64, record: Record) -> Result<Kept, EngineError> {
        let content = record.encode().map_err(|source| EngineError::Record { id: id.to_owned(), source })?;
        let (key, entry) = (key(self.status.name(), id), Entry { received_at: record.received_at, content });
        let generation = lasting(&self.status, || self.state.record(&key, expected, entry.clone())).await?;
        Ok(Kept { record, generation })
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
