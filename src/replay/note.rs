//! The note of a replay, where the checkpoints of its batches are committed.

use std::sync::Arc;

use super::{
    progress::{Progress, SliceProgress},
    tally::Tally,
};
use crate::{
    halt::Halt,
    invariant::Invariant,
    route::{CheckpointStore, RouteError, StateRetry},
    sink::Delivered,
    state::{SinkMark, State},
};

/// The note of one replay.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) state: State,
    pub(super) state_retry: StateRetry,
    /// Its whole name.
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) progress: Progress,
    /// For reports of the progress.
    pub(super) tally: Arc<Tally>,
}

/// How far a slice is after a batch.
#[derive(Debug, Clone)]
pub(super) struct SliceCheckpoint {
    pub(super) slice: u16,
    /// Where it goes on; none at its end.
    pub(super) position: Option<SliceProgress>,
}

impl Note {
    /// Records the mark of the sink, and that the replay has begun, before anything is delivered.
    pub(super) async fn begin(&mut self, mark: Option<SinkMark>) -> Result<(), Halt<RouteError>> {
        let mut next = self.progress.clone();
        next.mark = mark.or(next.mark);
        self.keep(next).await
    }

    /// Makes `progress` durable.
    async fn keep(&mut self, progress: Progress) -> Result<(), Halt<RouteError>> {
        // Times, numbers and text can always be written.
        let content = serde_json::to_string(&progress).unwrap_or_default();
        let attempt = || self.state.keep_note(&self.name, self.generation, content.clone());
        let generation = self.state_retry.run(attempt).await?;
        Invariant::GenerationIncreases.check(generation > self.generation);
        self.generation = generation;
        self.progress = progress;
        Ok(())
    }
}

impl CheckpointStore for Note {
    type Checkpoint = SliceCheckpoint;

    async fn commit(&mut self, delivered: Vec<Delivered<SliceCheckpoint>>) -> Result<(), Halt<RouteError>> {
        let mut next = self.progress.clone();
        let mut rejected = 0;
        for batch in delivered {
            next.delivered += batch.messages() as u64;
            rejected += batch.rejected() as u64;
            let (SliceCheckpoint { slice, position }, mark) = batch.into_checkpoint();
            next.proved(slice, position);
            next.mark = mark.or(next.mark);
        }
        self.keep(next).await?;
        self.tally.rejected(rejected);
        self.tally.advanced(&self.progress);
        Ok(())
    }
}
