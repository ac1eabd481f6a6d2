//! What is durable of a search's route, and the checkpoint that each batch of a run carries.

use serde::{Deserialize, Serialize};

use super::plan::Progress;
use crate::{
    halt::Halt,
    route::{CheckpointStore, RouteError, StateRetry},
    sink::Delivered,
    state::{SinkMark, State},
};

/// What the names of the notes of searches' routes begin with; the route's name follows.
pub(crate) const NOTES: &str = "search/";

/// What is durable of a search's route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedProgress {
    pub(crate) progress: Progress,
    /// Where the sink stood.
    pub(super) mark: Option<SinkMark>,
    /// How the messages of the run are made; another way makes other numbers.
    pub(super) form: Option<EmitForm>,
    /// Messages delivered since the route began.
    pub(crate) messages: u64,
}

/// What the numbers of a run's messages depend on, beside its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmitForm {
    /// A digest of all settings that decide what is emitted.
    pub(super) emit: String,
    /// What a message may have.
    pub(super) bytes_max: Option<usize>,
}

/// What keeps a search's route from reading the note `name`; none if it can, or if the note is not one of a search.
pub(crate) fn problem_of_note(name: &str, content: &str) -> Option<serde_json::Error> {
    name.strip_prefix(NOTES)?;
    serde_json::from_str::<SavedProgress>(content).err()
}

/// The note of a route.
#[derive(Debug)]
pub(super) struct RouteNote {
    pub(super) state: State,
    pub(super) state_retry: StateRetry,
    pub(super) generation: u64,
    pub(super) kept: SavedProgress,
}

impl RouteNote {
    /// The name of the note of `route`.
    pub(super) fn name_of(route: &str) -> String {
        format!("{NOTES}{route}")
    }

    /// Makes `kept` durable.
    pub(super) async fn keep(&mut self, kept: SavedProgress) -> Result<(), Halt<RouteError>> {
        // Times and numbers can always be written.
        let content = serde_json::to_string(&kept).unwrap_or_default();
        let name = Self::name_of(self.state_retry.status.name());
        let attempt = || self.state.keep_note(&name, self.generation, content.clone());
        self.generation = self.state_retry.run(attempt).await?;
        self.kept = kept;
        Ok(())
    }
}

/// How far a run is after a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunCheckpoint {
    /// Batches of the run that are delivered.
    pub(super) delivered: u64,
}

impl CheckpointStore for RouteNote {
    type Checkpoint = RunCheckpoint;

    async fn commit(&mut self, delivered: Vec<Delivered<RunCheckpoint>>) -> Result<(), Halt<RouteError>> {
        let mut kept = self.kept.clone();
        let mut rejected = 0;
        for batch in delivered {
            kept.messages += batch.messages() as u64;
            rejected += batch.rejected() as u64;
            let (RunCheckpoint { delivered }, mark) = batch.into_checkpoint();
            kept.progress = kept.progress.delivered(delivered);
            kept.mark = mark.or(kept.mark);
        }
        self.keep(kept).await?;
        self.state_retry.status.run_moved(self.generation, self.kept.messages, rejected);
        Ok(())
    }
}
