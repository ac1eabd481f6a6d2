//! The one place where a cursor moves.
//!
//! What a batch leads to is noted when the batch is made; the cursor goes there when the batch is proved, in order. Who
//! has no [`Delivered`] cannot move it.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use url::Url;

use crate::{
    event::{BatchId, Events},
    invariant::Invariant,
    sink::Delivered,
    state::{Cursor, RecentIds, SinkMark, State, StateError},
    stream::Position,
};

/// The cursor of one route.
#[derive(Debug)]
pub(super) struct RouteCursor {
    state: State,
    route: String,
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
    /// Loads the cursor of `route`, or makes one that stands at `first` and is durable at once.
    pub(super) async fn open(
        state: &State,
        route: &str,
        question: &str,
        first: &Url,
    ) -> Result<Self, StateError> {
        let stored = state.load(route).await?;
        let (generation, cursor) = match stored {
            Some(stored) => (stored.generation, stored.cursor),
            None => (0, beginning(question, first)),
        };
        let (state, route, question) = (state.clone(), route.to_owned(), question.to_owned());
        let cursor = Arc::new(cursor);
        let mut opened = Self { state, route, question, generation, cursor, expected: VecDeque::new() };
        if generation == 0 {
            opened.commit(Cursor::clone(&opened.cursor)).await?;
        }
        Ok(opened)
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
    pub(super) async fn note_mark(&mut self, mark: Option<SinkMark>) -> Result<(), StateError> {
        if mark.is_none() || mark == self.cursor.mark {
            return Ok(());
        }
        self.commit(Cursor { mark, ..Cursor::clone(&self.cursor) }).await
    }

    /// Notes where `batch` leads. Batches are noted in the order in which they are published.
    pub(super) fn expect(&mut self, batch: BatchId, position: Position, events: Arc<Events>) {
        self.expected.push_back(Expected { batch, position, events });
    }

    /// Moves to where the proved batches lead, and returns when that is durable. Proofs come in the order of batches;
    /// many at once cost one commit.
    pub(super) async fn advance(&mut self, proofs: Vec<Delivered>) -> Result<(), StateError> {
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
            return Ok(());
        }
        next.question.clone_from(&self.question);
        self.commit(next).await
    }

    async fn commit(&mut self, mut cursor: Cursor) -> Result<(), StateError> {
        cursor.advanced_at = Timestamp::now();
        let cursor = Arc::new(cursor);
        let generation = self.state.advance(&self.route, self.generation, Arc::clone(&cursor)).await?;
        Invariant::GenerationIncreases.check(generation > self.generation);
        self.generation = generation;
        let mut cursor = Arc::unwrap_or_clone(cursor);
        cursor.recent.mark_written();
        self.cursor = Arc::new(cursor);
        Ok(())
    }
}

fn beginning(question: &str, first: &Url) -> Cursor {
    Cursor {
        link: first.to_string(),
        question: question.to_owned(),
        published_max: None,
        advanced_at: Timestamp::now(),
        delivered: 0,
        mark: None,
        recent: RecentIds::default(),
    }
}
