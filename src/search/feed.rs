//! Messages of a run as a feed: the run's progress moves behind them.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{outgoing::RunPart, plan::Progress};
use crate::{
    invariant::Invariant,
    message::{Batch, BatchId},
    route::{Committed, Durable, Feed, RouteError, RouteStatus},
    sink::Delivered,
    state::{SinkMark, State, StateError},
};

/// What the names of the notes of searches' routes begin with; the route's name follows.
pub(crate) const NOTES: &str = "search/";

/// What is durable of a search's route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) progress: Progress,
    /// Where the sink stood.
    pub(super) mark: Option<SinkMark>,
    /// How the messages of the run are made; another way makes other numbers.
    pub(super) form: Option<Form>,
    /// Messages delivered since the route began.
    pub(crate) messages: u64,
}

/// What the numbers of a run's messages depend on, beside its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    /// A digest of all settings that decide what is emitted.
    pub(super) emit: String,
    /// What a message may have.
    pub(super) bytes_max: Option<usize>,
}

/// The note of a route.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) state: State,
    pub(super) durable: Durable,
    pub(super) generation: u64,
    pub(super) kept: Kept,
}

impl Note {
    /// The name of the note of `route`.
    pub(super) fn name_of(route: &str) -> String {
        format!("{NOTES}{route}")
    }

    /// Makes `kept` durable.
    pub(super) async fn keep(&mut self, kept: Kept) -> Result<Committed, StateError> {
        // Times and numbers can always be written.
        let content = serde_json::to_string(&kept).unwrap_or_default();
        let name = Self::name_of(self.durable.status.name());
        let attempt = || self.state.keep_note(&name, self.generation, content.clone());
        let Some(generation) = self.durable.keep(attempt).await? else { return Ok(Committed::GivenUp) };
        self.generation = generation;
        self.kept = kept;
        Ok(Committed::Yes)
    }
}

/// A run on its way to one sink.
#[derive(Debug)]
pub(super) struct RunFeed<'a> {
    note: &'a mut Note,
    expected: VecDeque<BatchId>,
}

impl<'a> RunFeed<'a> {
    pub(super) fn new(note: &'a mut Note) -> Self {
        Self { note, expected: VecDeque::new() }
    }
}

impl Feed for RunFeed<'_> {
    type Item = RunPart;

    fn batch(&mut self, part: &RunPart, _bytes_max: Option<usize>) -> Result<Option<Arc<Batch>>, RouteError> {
        self.expected.push_back(part.batch.id);
        Ok(Some(Arc::clone(&part.batch)))
    }

    async fn advance(&mut self, proofs: Vec<Delivered>) -> Result<Committed, RouteError> {
        let mut kept = self.note.kept.clone();
        for proof in proofs {
            let is_next = self.expected.front() == Some(&proof.batch());
            if !Invariant::CursorNeedsProof.check(is_next) {
                break;
            }
            self.expected.pop_front();
            kept.progress = kept.progress.delivered(proof.batch().0);
            kept.messages += proof.messages() as u64;
            kept.mark = proof.into_mark().or(kept.mark);
        }
        Ok(self.note.keep(kept).await?)
    }

    fn tell(&self, status: &RouteStatus, rejected: u64) {
        status.run_moved(self.note.generation, self.note.kept.messages, rejected);
    }
}
