//! The one place where a cursor moves.
//!
//! What a batch leads to is noted when the batch is made; the cursor goes there when the batch is proved, in order. Who
//! has no [`Delivered`] cannot move it. A disk that is full or read-only holds the route up until it works again.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::status::RouteStatus;
use crate::{
    event::{BatchId, Events},
    invariant::Invariant,
    sink::Delivered,
    state::{Cursor, SinkMark, State, StateClass, StateError, Stored},
    stream::{Backoff, Position},
    telemetry::{chain, metrics},
};

/// The first and the longest wait between attempts to commit.
const RETRY_FIRST: std::time::Duration = std::time::Duration::from_secs(1);
const RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Whether a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what was not committed must not be taken for done"]
pub(super) enum Committed {
    Yes,
    /// It was told to stop while the disk did not work.
    GivenUp,
}

/// The cursor of one route.
#[derive(Debug)]
pub(super) struct RouteCursor {
    state: State,
    status: Arc<RouteStatus>,
    question: String,
    generation: u64,
    cursor: Arc<Cursor>,
    expected: VecDeque<Expected>,
    stop: CancellationToken,
}

/// Where a batch leads once it is proved.
#[derive(Debug)]
struct Expected {
    batch: BatchId,
    position: Position,
    events: Arc<Events>,
}

impl RouteCursor {
    /// Loads the cursor of the route, or takes `beginning`, which is to be committed before anything else happens.
    pub(super) async fn open(
        state: &State,
        status: Arc<RouteStatus>,
        beginning: Cursor,
        stop: CancellationToken,
    ) -> Result<Self, StateError> {
        let question = beginning.question.clone();
        let stored = state.load(status.name()).await?;
        let Stored { generation, cursor } = stored.unwrap_or(Stored { generation: 0, cursor: beginning });
        let (state, cursor) = (state.clone(), Arc::new(cursor));
        Ok(Self { state, status, question, generation, cursor, expected: VecDeque::new(), stop })
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

    /// Commits `cursor`, as often as it takes: the same bytes each time, so that an attempt that got through although it
    /// was not acknowledged is recognised.
    async fn commit(&mut self, mut cursor: Cursor) -> Result<Committed, StateError> {
        cursor.advanced_at = Timestamp::now();
        let cursor = Arc::new(cursor);
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        let generation = loop {
            let route = self.status.name();
            match self.state.advance(route, self.generation, Arc::clone(&cursor)).await {
                Ok(generation) => break generation,
                Err(err) if err.class() == StateClass::Transient => self.report(&err),
                Err(err) => return Err(err),
            }
            let wait = tokio::time::sleep(backoff.next_wait());
            if self.stop.run_until_cancelled(wait).await.is_none() {
                return Ok(Committed::GivenUp);
            }
        };
        if self.status.state_recovered() {
            tracing::info!(route = self.status.name(), "the state can be written again");
        }
        Invariant::GenerationIncreases.check(generation > self.generation);
        self.generation = generation;
        let mut cursor = Arc::unwrap_or_clone(cursor);
        cursor.recent.mark_written();
        self.cursor = Arc::new(cursor);
        Ok(Committed::Yes)
    }

    fn report(&self, err: &StateError) {
        metrics::state_failure(self.status.name());
        if self.status.state_failed(&chain(err)) {
            tracing::error!(
                route = self.status.name(),
                err = chain(err),
                "the cursor cannot be kept, so the route does not move; trying again"
            );
        }
    }
}
