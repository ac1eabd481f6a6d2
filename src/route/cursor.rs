//! The one place where a cursor moves.
//!
//! What a batch leads to is noted when the batch is made; the cursor goes there when the batch is proved, in order. Who
//! has no [`Delivered`] cannot move it.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use okta_system_log::event::Events;

use super::durable::{Committed, Durable};
use crate::{
    invariant::Invariant,
    message::BatchId,
    sink::Delivered,
    source::Position,
    state::{Cursor, SinkMark, State, StateError, Stored},
};

/// The cursor of one route.
#[derive(Debug)]
pub(super) struct RouteCursor {
    state: State,
    durable: Durable,
    question: String,
    generation: u64,
    cursor: Arc<Cursor>,
    expected: VecDeque<Expected>,
}

/// Where a batch leads once it is proved.
#[derive(Debug)]
struct Expected {
    batch: BatchId,
    position: Position,
    events: Arc<Events>,
}

impl RouteCursor {
    /// Loads the cursor of the route, or takes `beginning`, which is to be committed before anything else happens. None:
    /// told to stop while the state could not be read.
    pub(super) async fn open(
        state: &State,
        durable: Durable,
        beginning: Cursor,
    ) -> Result<Option<Self>, StateError> {
        let question = beginning.question.clone();
        let Some(stored) = durable.keep(|| state.load(durable.status.name())).await? else { return Ok(None) };
        let Stored { generation, cursor } = stored.unwrap_or(Stored { generation: 0, cursor: beginning });
        let (state, cursor) = (state.clone(), Arc::new(cursor));
        Ok(Some(Self { state, durable, question, generation, cursor, expected: VecDeque::new() }))
    }

    /// Makes a cursor that has just begun durable.
    pub(super) async fn begin(&mut self) -> Result<Committed, StateError> {
        if self.generation > 0 {
            return Ok(Committed::Yes);
        }
        self.commit(Cursor::clone(&self.cursor)).await
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Whether the link was given for something else than what the stream asks today.
    pub(super) fn answers_another_question(&self) -> bool {
        self.cursor.question != self.question
    }

    /// Keeps where the sink stands before anything is delivered to it.
    pub(super) async fn note_mark(&mut self, mark: Option<SinkMark>) -> Result<Committed, StateError> {
        if mark.is_none() || mark == self.cursor.mark {
            return Ok(Committed::Yes);
        }
        self.commit(Cursor { mark, ..Cursor::clone(&self.cursor) }).await
    }

    /// Notes where `batch` leads. Batches are noted in the order in which they are published.
    pub(super) fn expect(&mut self, batch: BatchId, position: Position, events: Arc<Events>) {
        self.expected.push_back(Expected { batch, position, events });
    }

    /// Moves to where the proved batches lead, and returns when that is durable. Proofs come in the order of batches;
    /// many at once cost one commit.
    pub(super) async fn advance(&mut self, proofs: Vec<Delivered>) -> Result<Committed, StateError> {
        let mut next = Cursor::clone(&self.cursor);
        let mut is_moved = false;
        for proof in proofs {
            let is_next = self.expected.front().is_some_and(|front| front.batch == proof.batch());
            if !Invariant::CursorNeedsProof.check(is_next) {
                break;
            }
            let Some(expected) = self.expected.pop_front() else { break };
            for event in expected.events.iter() {
                next.recent.remember(&event.identity());
            }
            next.link = expected.position.link.into();
            next.published_max = expected.position.published_max;
            next.delivered += proof.messages() as u64;
            next.mark = proof.into_mark().or(next.mark);
            is_moved = true;
        }
        if !is_moved {
            return Ok(Committed::Yes);
        }
        next.question.clone_from(&self.question);
        self.commit(next).await
    }

    async fn commit(&mut self, mut cursor: Cursor) -> Result<Committed, StateError> {
        cursor.advanced_at = Timestamp::now();
        let cursor = Arc::new(cursor);
        let route = self.durable.status.name();
        let attempt = || self.state.advance(route, self.generation, Arc::clone(&cursor));
        let Some(generation) = self.durable.keep(attempt).await? else { return Ok(Committed::GivenUp) };
        Invariant::GenerationIncreases.check(generation > self.generation);
        self.generation = generation;
        let mut cursor = Arc::unwrap_or_clone(cursor);
        cursor.recent.mark_written();
        self.cursor = Arc::new(cursor);
        Ok(Committed::Yes)
    }
}
