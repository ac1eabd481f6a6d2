//! The last step of a batch: its checkpoint is committed.

use std::future::Future;

use super::RouteError;
use crate::{halt::Halt, sink::Delivered};

/// Keeps how far something is. One for a stream's route, whose cursor moves, and one for what has an end: a search's run, a
/// replay.
pub(crate) trait CheckpointStore: Send {
    /// What a batch carries: how far its route is once it is delivered.
    type Checkpoint: Clone + Send + Sync;

    /// Commits the checkpoints of delivered batches, which come in the order in which they were read, and returns when that
    /// is durable. Many at once are one commit. The status is updated.
    fn commit(
        &mut self,
        delivered: Vec<Delivered<Self::Checkpoint>>,
    ) -> impl Future<Output = Result<(), Halt<RouteError>>> + Send;
}

impl<S: CheckpointStore> CheckpointStore for &mut S {
    type Checkpoint = S::Checkpoint;

    async fn commit(&mut self, delivered: Vec<Delivered<Self::Checkpoint>>) -> Result<(), Halt<RouteError>> {
        S::commit(self, delivered).await
    }
}
