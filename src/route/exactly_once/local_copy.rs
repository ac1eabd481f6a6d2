//! The copy of the checkpoint in the local state: for an operator, and for the way in and out of exactly once. The bus is the
//! truth, and nothing waits for the copy: it is written beside delivery, the latest alone. It decides only where the bus has
//! no checkpoint, or none later than the one from which the route went on here without the bus.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::record::CheckpointRecord;
use crate::{
    retry::RetryPolicy,
    route::status::RouteStatus,
    state::{BusCheckpoint, Cursor, State, StateError, StoredCursor},
    telemetry::{chain, metrics},
};

/// How long the state may take for a copy before the copy is said to be behind.
const BEHIND_AFTER: Duration = Duration::from_secs(5);
/// How long the end of a run waits for the last copy, which is where a route goes on that delivers at least once from then on.
const LAST_COPY_MAX: Duration = Duration::from_secs(5);

/// Where a route stands by what the bus has shown this run last, or, before it has shown anything, by the local state.
#[derive(Debug)]
pub(super) struct LocalCopy {
    latest: watch::Sender<Option<Arc<Cursor>>>,
}

/// Writes the copies of a route. What comes while it writes is written next, the latest alone.
#[derive(Debug)]
pub(super) struct CopyWriter {
    state: State,
    status: Arc<RouteStatus>,
    /// Generation of the local record.
    generation: u64,
    latest: watch::Receiver<Option<Arc<Cursor>>>,
}

impl LocalCopy {
    /// The copy as it was `found`, and what keeps it up to date.
    pub(super) fn new(
        state: State,
        status: Arc<RouteStatus>,
        found: Option<StoredCursor>,
    ) -> (Self, CopyWriter) {
        let (generation, cursor) = match found {
            Some(StoredCursor { generation, cursor }) => (generation, Some(Arc::new(cursor))),
            None => (0, None),
        };
        let (sender, latest) = watch::channel(cursor);
        (Self { latest: sender }, CopyWriter { state, status, generation, latest })
    }

    /// Where the route stands: by the bus, or by a route that delivered at least once.
    pub(super) fn cursor(&self) -> Option<Arc<Cursor>> {
        self.latest.borrow().clone()
    }

    /// The checkpoint of the bus that it follows. None: the route has never been in a bus.
    pub(super) fn of_bus(&self) -> Option<BusCheckpoint> {
        self.latest.borrow().as_ref()?.of_bus.clone()
    }

    /// Whether it follows `record`, and no other.
    pub(super) fn follows(&self, record: &CheckpointRecord) -> bool {
        self.of_bus().is_some_and(|checkpoint| record.is(&checkpoint))
    }

    /// The bus has `record`, and the copy will be of that.
    pub(super) fn follow(&self, record: &CheckpointRecord) {
        let cursor = Cursor { of_bus: Some(record.number()), ..record.cursor.clone() };
        self.latest.send_replace(Some(Arc::new(cursor)));
    }
}

impl CopyWriter {
    /// Writes copies until the [`LocalCopy`] is gone, and what is not written then, for a bounded time.
    pub(super) async fn run(self) {
        let (status, mut latest) = (Arc::clone(&self.status), self.latest.clone());
        let is_overdue = async move {
            while latest.changed().await.is_ok() {}
            sleep(LAST_COPY_MAX).await;
        };
        tokio::select! {
            biased;
            () = self.write_all() => {}
            () = is_overdue => tracing::warn!(
                route = status.name(),
                "the route ends, and the last local copy of its checkpoint is not written: the state does not take it; the bus has the \
                 checkpoint"
            ),
        }
    }

    async fn write_all(mut self) {
        while self.latest.changed().await.is_ok() {
            self.write().await;
        }
    }

    /// Writes the latest there is, as often as it takes.
    async fn write(&mut self) {
        let mut backoff = RetryPolicy::STATE.backoff();
        loop {
            let Some(cursor) = self.latest.borrow_and_update().clone() else { return };
            match self.attempt(cursor).await {
                Ok(generation) => {
                    self.generation = generation;
                    if self.status.copy_written() {
                        tracing::info!(
                            route = self.status.name(),
                            "the local copy of the checkpoint is written again"
                        );
                    }
                    return;
                }
                Err(err) => {
                    if let StateError::Regressed { found, .. } = &err {
                        // An attempt that was not acknowledged was applied.
                        self.generation = *found;
                    }
                    self.report(&chain(&err));
                }
            }
            sleep(backoff.next_wait()).await;
        }
    }

    /// Writes `cursor`, and says so if the state takes long.
    async fn attempt(&self, cursor: Arc<Cursor>) -> Result<u64, StateError> {
        let mut writing = pin!(self.state.advance(self.status.name(), self.generation, cursor));
        match timeout(BEHIND_AFTER, &mut writing).await {
            Ok(written) => written,
            Err(_) => {
                self.report("the state does not answer");
                writing.await
            }
        }
    }

    fn report(&self, error: &str) {
        metrics::state_failure(self.status.name());
        if self.status.copy_failed(&format!("the local copy of the checkpoint is behind: {error}")) {
            tracing::warn!(
                route = self.status.name(),
                error,
                "the local copy of the checkpoint is not written; the bus has it, so delivery continues"
            );
        }
    }
}
