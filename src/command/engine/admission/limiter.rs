//! The counts of limits in the state: a change is counted in the same commit as its record in the journal, so it is
//! counted exactly once.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::super::{
    EngineError,
    journal::{Journal, SavedRecord},
    status::EngineStatus,
};
use crate::{
    clock::Clock,
    command::{
        Action,
        policy::{Limits, TrippedLimit},
        record::Record,
    },
    config::LimitConfig,
    state::NoteChange,
};

/// The limits of a section.
#[derive(Debug)]
pub(in super::super) struct Limiter {
    journal: Journal,
    status: Arc<EngineStatus>,
    clock: Arc<dyn Clock>,
    saved: Mutex<Option<SavedLimits>>,
}

#[derive(Debug, Clone, Default)]
struct SavedLimits {
    generation: u64,
    limits: Limits,
}

impl Limiter {
    pub(super) fn new(journal: Journal, status: Arc<EngineStatus>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, status, clock, saved: Mutex::default() }
    }

    /// Counts the changes of an action unless a limit is exceeded, and writes `record` in place of `saved`.
    pub(in super::super) async fn count(
        &self,
        (limits, action, changes): (&[LimitConfig], Action, usize),
        (id, saved, record): (&str, &SavedRecord, Record),
    ) -> Result<Result<SavedRecord, TrippedLimit>, EngineError> {
        if !limits.iter().any(|limit| limit.is_about(action)) {
            return self.journal.save(id, saved, record).await.map(Ok);
        }
        let mut known = self.saved.lock().await;
        let mut next = self.known(&mut known).await?;
        let now = self.clock.now();
        let taken = next.limits.take(limits, action, changes, now);
        if let Err(tripped) = taken {
            tracing::warn!(
                commands = self.status.name(),
                "{tripped}: nothing it is about is done until it is released"
            );
            self.keep(&mut known, next, limits).await?;
            return Ok(Err(tripped));
        }
        next.limits.forget_unused(limits, now);
        let note = self.note(&next)?;
        // If this is dropped, the result of the write is unknown: the next call reads the state again.
        *known = None;
        let saved = self.journal.save_with_note(id, saved, record, note).await?;
        *known = Some(SavedLimits { generation: next.generation + 1, ..next });
        Ok(Ok(saved))
    }

    /// Releases the limit `pattern`; returns whether it had tripped.
    pub(in super::super) async fn release(
        &self,
        pattern: &str,
        limits: &[LimitConfig],
    ) -> Result<bool, EngineError> {
        let mut saved = self.saved.lock().await;
        let mut next = self.known(&mut saved).await?;
        let had_tripped = next.limits.release(pattern);
        self.keep(&mut saved, next, limits).await?;
        Ok(had_tripped)
    }

    /// Whether one of the `limits` on `action` has tripped.
    pub(in super::super) async fn is_tripped(
        &self,
        limits: &[LimitConfig],
        action: Action,
    ) -> Result<bool, EngineError> {
        let mut saved = self.saved.lock().await;
        Ok(self.known(&mut saved).await?.limits.is_tripped(limits, action))
    }

    /// The saved counts. Also updates the status.
    pub(in super::super) async fn load(&self, limits: &[LimitConfig]) -> Result<Limits, EngineError> {
        let mut saved = self.saved.lock().await;
        Ok(self.known(&mut saved).await?.limits.among(limits))
    }

    async fn known(&self, saved: &mut Option<SavedLimits>) -> Result<SavedLimits, EngineError> {
        if let Some(known) = saved {
            return Ok(known.clone());
        }
        let found = match self.journal.note(&self.note_name()).await? {
            None => SavedLimits::default(),
            Some(note) => {
                let limits = serde_json::from_str(&note.content).map_err(|source| self.not_ours(source))?;
                SavedLimits { generation: note.generation, limits }
            }
        };
        self.status.tripped(tripped(&found.limits));
        Ok(saved.insert(found).clone())
    }

    async fn keep(
        &self,
        saved: &mut Option<SavedLimits>,
        mut next: SavedLimits,
        limits: &[LimitConfig],
    ) -> Result<(), EngineError> {
        next.limits.forget_unused(limits, self.clock.now());
        let note = self.note(&next)?;
        *saved = None;
        self.journal.save_note(&note).await?;
        next.generation += 1;
        self.status.tripped(tripped(&next.limits.clone().among(limits)));
        *saved = Some(next);
        Ok(())
    }

    fn note(&self, next: &SavedLimits) -> Result<NoteChange, EngineError> {
        let content = serde_json::to_string(&next.limits).map_err(|source| self.not_ours(source))?;
        Ok(NoteChange { name: self.note_name(), expected: next.generation, content })
    }

    fn not_ours(&self, source: serde_json::Error) -> EngineError {
        EngineError::of_note(&self.note_name(), self.status.name(), source)
    }

    fn note_name(&self) -> String {
        format!("limits/{}", self.status.name())
    }
}

fn tripped(limits: &Limits) -> Vec<String> {
    limits.tripped().map(|(pattern, _)| pattern.to_owned()).collect()
}
