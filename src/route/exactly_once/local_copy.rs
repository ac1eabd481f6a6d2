//! The copy of the checkpoint in the local state: for an operator, and for the way in and out of exactly once. The bus is the
//! truth: nothing waits for the copy. It decides only where the bus has no checkpoint, or none later than the one from which
//! the route went on here without the bus.

use std::sync::Arc;

use super::record::CheckpointRecord;
use crate::{
    route::status::RouteStatus,
    state::{BusCheckpoint, Cursor, State, StateError, StoredCursor},
    telemetry::{chain, metrics},
};

/// The copy of one route's checkpoint.
#[derive(Debug)]
pub(super) struct LocalCopy {
    state: State,
    status: Arc<RouteStatus>,
    /// Generation of the local record.
    generation: u64,
    cursor: Option<Cursor>,
    /// The last attempt failed.
    is_behind: bool,
}

impl LocalCopy {
    /// The copy as it was `found`.
    pub(super) fn new(state: State, status: Arc<RouteStatus>, found: Option<StoredCursor>) -> Self {
        let (generation, cursor) = match found {
            Some(StoredCursor { generation, cursor }) => (generation, Some(cursor)),
            None => (0, None),
        };
        Self { state, status, generation, cursor, is_behind: false }
    }

    /// Where the route stood when it was last written here, be it by a route that delivered at least once.
    pub(super) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// The checkpoint of the bus that it follows. None: the route has never been in a bus.
    pub(super) fn of_bus(&self) -> Option<&BusCheckpoint> {
        self.cursor.as_ref()?.of_bus.as_ref()
    }

    /// Whether it follows `record`, and no other.
    pub(super) fn follows(&self, record: &CheckpointRecord) -> bool {
        self.of_bus().is_some_and(|checkpoint| record.is(checkpoint))
    }

    /// Writes what the bus has again, if that failed: a quiet route would have no next copy for hours.
    pub(super) async fn catch_up(&mut self, record: &CheckpointRecord) {
        if self.is_behind {
            self.write(record).await;
        }
    }

    /// Writes what the bus has. A failure is told, and made good by the next copy, or by [`LocalCopy::catch_up`].
    pub(super) async fn write(&mut self, record: &CheckpointRecord) {
        let cursor = Cursor { of_bus: Some(record.number()), ..record.cursor.clone() };
        let written = self.state.advance(self.status.name(), self.generation, Arc::new(cursor.clone())).await;
        self.is_behind = written.is_err();
        match written {
            Ok(generation) => {
                (self.generation, self.cursor) = (generation, Some(cursor));
                if self.status.state_recovered() {
                    tracing::info!(
                        route = self.status.name(),
                        "the local copy of the checkpoint is written again"
                    );
                }
            }
            Err(err) => {
                if let StateError::Regressed { found, .. } = &err {
                    // An attempt that was not acknowledged was applied.
                    self.generation = *found;
                }
                metrics::state_failure(self.status.name());
                if self.status.state_failed(&chain(&err)) {
                    tracing::warn!(
                        route = self.status.name(),
                        error = chain(&err),
                        "the local copy of the checkpoint is not written; the bus has it, so delivery continues"
                    );
                }
            }
        }
    }
}
