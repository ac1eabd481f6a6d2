//! The one place where a cursor moves.
//!
//! A batch carries where the cursor is to go, through the sink and out again in its [`Delivered`]. Who has none cannot move
//! the cursor.

use std::sync::Arc;

use jiff::Timestamp;

use super::{CheckpointStore, RouteError, pages::PageCheckpoint, state_retry::StateRetry};
use crate::{
    halt::Halt,
    invariant::Invariant,
    sink::Delivered,
    state::{Cursor, SinkMark, State, StoredCursor},
};

/// The cursor of one route.
#[derive(Debug)]
pub(super) struct RouteCursor {
    state: State,
    state_retry: StateRetry,
    question: String,
    generation: u64,
    cursor: Arc<Cursor>,
}

impl RouteCursor {
    /// Loads the cursor of the route, or takes `beginning`, which is to be committed before anything else happens.
    pub(super) async fn open(
        state: &State,
        state_retry: StateRetry,
        beginning: Cursor,
    ) -> Result<Self, Halt<RouteError>> {
        let question = beginning.question.clone();
        let stored = state_retry.run(|| state.load(state_retry.status.name())).await?;
        let StoredCursor { generation, cursor } =
            stored.unwrap_or(StoredCursor { generation: 0, cursor: beginning });
        let (state, cursor) = (state.clone(), Arc::new(cursor));
        Ok(Self { state, state_retry, question, generation, cursor })
    }

    /// Makes a cursor that has just begun durable.
    pub(super) async fn begin(&mut self) -> Result<(), Halt<RouteError>> {
        if self.generation > 0 {
            return Ok(());
        }
        self.write(Cursor::clone(&self.cursor)).await
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
    pub(super) async fn note_mark(&mut self, mark: Option<SinkMark>) -> Result<(), Halt<RouteError>> {
        if mark.is_none() || mark == self.cursor.mark {
            return Ok(());
        }
        self.write(Cursor { mark, ..Cursor::clone(&self.cursor) }).await
    }

    async fn write(&mut self, mut cursor: Cursor) -> Result<(), Halt<RouteError>> {
        cursor.advanced_at = Timestamp::now();
        let cursor = Arc::new(cursor);
        let route = self.state_retry.status.name();
        let attempt = || self.state.advance(route, self.generation, Arc::clone(&cursor));
        let generation = self.state_retry.run(attempt).await?;
        Invariant::GenerationIncreases.check(generation > self.generation);
        self.generation = generation;
        self.cursor = cursor;
        Ok(())
    }
}

impl CheckpointStore for RouteCursor {
    type Checkpoint = PageCheckpoint;

    async fn commit(&mut self, delivered: Vec<Delivered<PageCheckpoint>>) -> Result<(), Halt<RouteError>> {
        let mut next = Cursor::clone(&self.cursor);
        let mut rejected = 0;
        for batch in delivered {
            next.delivered += batch.messages() as u64;
            rejected += batch.rejected() as u64;
            let (PageCheckpoint { position, events }, mark) = batch.into_checkpoint();
            for event in events.iter() {
                next.recent.remember(&event.identity());
            }
            next.link = position.link.into();
            next.published_max = position.published_max;
            next.mark = mark.or(next.mark);
        }
        next.question.clone_from(&self.question);
        self.write(next).await?;
        self.state_retry.status.cursor_moved(self.generation, &self.cursor, rejected);
        Ok(())
    }
}
