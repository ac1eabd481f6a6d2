//! Parts of slices as a feed: each is rendered, and the replay's note moves behind it.

use std::{collections::VecDeque, sync::Arc};

use super::{
    progress::{Place, Progress},
    reading::PartInFlight,
    tally::Tally,
};
use crate::{
    invariant::Invariant,
    message::{Batch, BatchId},
    route::{Committed, Durable, Feed, Rendering, RouteError, RouteStatus},
    sink::Delivered,
    state::{SinkMark, State, StateError},
};

/// The note of one replay.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) state: State,
    pub(super) durable: Durable,
    /// Its whole name.
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) progress: Progress,
}

impl Note {
    /// Keeps where the sink stands, and with it that the replay has begun, before anything is delivered.
    pub(super) async fn begin(&mut self, mark: Option<SinkMark>) -> Result<Committed, StateError> {
        let mut next = self.progress.clone();
        next.mark = mark.or(next.mark);
        self.keep(next).await
    }

    /// Makes `progress` durable.
    async fn keep(&mut self, progress: Progress) -> Result<Committed, StateError> {
        // Times, numbers and text can always be written.
        let content = serde_json::to_string(&progress).unwrap_or_default();
        let attempt = || self.state.keep_note(&self.name, self.generation, content.clone());
        let Some(generation) = self.durable.keep(attempt).await? else { return Ok(Committed::GivenUp) };
        Invariant::GenerationIncreases.check(generation > self.generation);
        self.generation = generation;
        self.progress = progress;
        Ok(Committed::Yes)
    }
}

/// Parts of slices, rendered as the route renders.
#[derive(Debug)]
pub(super) struct Slices {
    rendering: Rendering,
    note: Note,
    tally: Arc<Tally>,
    next_batch: BatchId,
    expected: VecDeque<Expected>,
}

/// Where a batch leads once it is proved.
#[derive(Debug)]
struct Expected {
    batch: BatchId,
    slice: u16,
    /// None: the slice is done.
    place: Option<Place>,
}

impl Slices {
    pub(super) fn new(rendering: Rendering, note: Note, tally: Arc<Tally>) -> Self {
        Self { rendering, note, tally, next_batch: BatchId(1), expected: VecDeque::new() }
    }
}

impl Feed for Slices {
    type Item = PartInFlight;

    fn batch(
        &mut self,
        part: &PartInFlight,
        bytes_max: Option<usize>,
    ) -> Result<Option<Arc<Batch>>, RouteError> {
        let id = self.next_batch;
        self.next_batch = BatchId(id.0 + 1);
        let batch = self.rendering.batch(id, &part.events, &part.left_out, bytes_max)?;
        self.expected.push_back(Expected { batch: id, slice: part.slice, place: part.place.clone() });
        Ok(Some(Arc::new(batch)))
    }

    async fn advance(&mut self, proofs: Vec<Delivered>) -> Result<Committed, RouteError> {
        let mut next = self.note.progress.clone();
        let mut is_moved = false;
        for proof in proofs {
            let is_next = self.expected.front().is_some_and(|front| front.batch == proof.batch());
            if !Invariant::CursorNeedsProof.check(is_next) {
                break;
            }
            let Some(Expected { slice, place, .. }) = self.expected.pop_front() else { break };
            next.proved(slice, place);
            next.delivered += proof.messages() as u64;
            next.mark = proof.into_mark().or(next.mark);
            is_moved = true;
        }
        if !is_moved {
            return Ok(Committed::Yes);
        }
        Ok(self.note.keep(next).await?)
    }

    fn tell(&self, _: &RouteStatus, rejected: u64) {
        self.tally.rejected(rejected);
        self.tally.advanced(&self.note.progress);
    }
}
