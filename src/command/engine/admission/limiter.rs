//! The limits as they are on the disk: a change is counted in the same commit as the journal's entry, so it is counted once,
//! whatever happens.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::super::{
    EngineError,
    journal::{Journal, Kept},
    status::EngineStatus,
};
use crate::{
    clock::Clock,
    command::{
        Action,
        policy::{Limits, Tripped},
        record::Record,
    },
    config::LimitConfig,
    state::NoteChange,
};

/// The limits of the commands of one name.
#[derive(Debug)]
pub(in super::super) struct Limiter {
    journal: Journal,
    status: Arc<EngineStatus>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<KeptLimits>>,
}

#[derive(Debug, Clone, Default)]
struct KeptLimits {
    generation: u64,
    limits: Limits,
}

impl Limiter {
    pub(super) fn new(journal: Journal, status: Arc<EngineStatus>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, status, clock, kept: Mutex::default() }
    }

    /// Counts so many changes by an action, if no limit is exceeded by it, and writes `record`, which comes after `kept`.
    pub(in super::super) async fn count(
        &self,
        (limits, action, changes): (&[LimitConfig], Action, usize),
        (id, kept, record): (&str, &Kept, Record),
    ) -> Result<Result<Kept, Tripped>, EngineError> {
        if !limits.iter().any(|limit| limit.is_about(action)) {
            return self.journal.keep(id, kept, record).await.map(Ok);
        }
        let mut known = self.kept.lock().await;
        let mut next = self.known(&mut known).await?;
        let taken = next.limits.take(limits, action, changes, self.clock.now());
        if let Err(tripped) = taken {
            tracing::warn!(
                commands = self.status.name(),
                "{tripped}: nothing it is about is done until it is released"
            );
            self.keep(&mut known, next, limits).await?;
            return Ok(Err(tripped));
        }
        next.limits.keep_only(limits);
        let note = self.note(&next)?;
        // Whether the write gets through is not known if this is dropped: then the disk is asked again.
        *known = None;
        let kept = self.journal.keep_with_note(id, kept, record, note).await?;
        *known = Some(KeptLimits { generation: next.generation + 1, ..next });
        Ok(Ok(kept))
    }

    /// Lets changes through the limit `pattern` again; says whether it had tripped.
    pub(in super::super) async fn release(
        &self,
        pattern: &str,
        limits: &[LimitConfig],
    ) -> Result<bool, EngineError> {
        let mut kept = self.kept.lock().await;
        let mut next = self.known(&mut kept).await?;
        let had_tripped = next.limits.release(pattern);
        self.keep(&mut kept, next, limits).await?;
        Ok(had_tripped)
    }

    /// Whether one of `limits` that is about `action` has tripped.
    pub(in super::super) async fn is_tripped(
        &self,
        limits: &[LimitConfig],
        action: Action,
    ) -> Result<bool, EngineError> {
        let mut kept = self.kept.lock().await;
        Ok(self.known(&mut kept).await?.limits.is_tripped(limits, action))
    }

    /// What is kept of the limits, told to the status.
    pub(in super::super) async fn load(&self, limits: &[LimitConfig]) -> Result<Limits, EngineError> {
        let mut kept = self.kept.lock().await;
        let mut known = self.known(&mut kept).await?.limits;
        known.keep_only(limits);
        Ok(known)
    }

    async fn known(&self, kept: &mut Option<KeptLimits>) -> Result<KeptLimits, EngineError> {
        if let Some(known) = kept {
            return Ok(known.clone());
        }
        let found = match self.journal.note(&self.note_name()).await? {
            None => KeptLimits::default(),
            Some(note) => {
                let limits = serde_json::from_str(&note.content).map_err(|source| self.not_ours(source))?;
                KeptLimits { generation: note.generation, limits }
            }
        };
        self.status.tripped(tripped(&found.limits));
        Ok(kept.insert(found).clone())
    }

    async fn keep(
        &self,
        kept: &mut Option<KeptLimits>,
        mut next: KeptLimits,
        limits: &[LimitConfig],
    ) -> Result<(), EngineError> {
        next.limits.keep_only(limits);
        let note = self.note(&next)?;
        *kept = None;
        self.journal.keep_note(&note).await?;
        next.generation += 1;
        self.status.tripped(tripped(&next.limits));
        *kept = Some(next);
        Ok(())
    }

    fn note(&self, next: &KeptLimits) -> Result<NoteChange, EngineError> {
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
