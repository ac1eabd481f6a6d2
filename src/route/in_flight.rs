//! What is in flight between reading and delivery: bounded in batches and bytes, and made into batches late.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{RouteError, status::Undelivered};
use crate::{message::Batch, telemetry::traces::PageTrace};

/// Bytes are counted in units of this size, because semaphores count in 32 bits.
const UNIT_BYTES: usize = 1_024;

/// What reading hands to delivery. It becomes a batch with its checkpoint in one step, and not before the sink can take it:
/// how large a payload may be is known only then.
pub(crate) trait IntoBatch: Send {
    /// How far the route is once the batch is delivered.
    type Checkpoint;

    /// The batch, and the permit to be kept until its checkpoint is committed. Payloads have no more than
    /// `payload_bytes_max` bytes as far as their format knows how to do with less.
    fn into_batch(
        self,
        payload_bytes_max: Option<usize>,
    ) -> Result<(Batch<Self::Checkpoint>, InFlightPermit), RouteError>;
}

/// How much may be in flight.
#[derive(Debug)]
pub(crate) struct InFlightLimit {
    batches: Arc<Semaphore>,
    units: Arc<Semaphore>,
    units_max: usize,
}

/// The permit of one batch, kept from when it is read until its checkpoint is committed.
#[derive(Debug)]
pub(crate) struct InFlightPermit {
    _batch: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    /// Where it is in the route's lag, if it has events that count.
    _undelivered: Option<Undelivered>,
    trace: Option<Box<PageTrace>>,
}

impl InFlightLimit {
    /// At most so many batches and bytes, or a single batch with more bytes.
    pub(crate) fn new(batches_max: usize, bytes_max: usize) -> Self {
        let units_max = (bytes_max / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS >> 1);
        let (batches, units) =
            (Arc::new(Semaphore::new(batches_max.max(1))), Arc::new(Semaphore::new(units_max)));
        Self { batches, units, units_max }
    }

    /// Waits for room for one more batch. None: the limit is closed, which it never is.
    pub(super) async fn batch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.batches).acquire_owned().await.ok()
    }

    /// Waits for room for so many bytes. None: the limit is closed, which it never is.
    pub(super) async fn bytes(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // A single batch larger than all the room must pass too.
        let units = u32::try_from((bytes / UNIT_BYTES).min(self.units_max)).unwrap_or(u32::MAX);
        Arc::clone(&self.units).acquire_many_owned(units).await.ok()
    }

    /// Waits for room for a batch of so many bytes. None: the limit is closed, which it never is.
    pub(crate) async fn acquire(&self, bytes: usize) -> Option<InFlightPermit> {
        let batch = self.batch().await?;
        Some(InFlightPermit::new(batch, self.bytes(bytes).await?, None))
    }
}

impl InFlightPermit {
    pub(super) fn new(
        batch: OwnedSemaphorePermit,
        bytes: OwnedSemaphorePermit,
        undelivered: Option<Undelivered>,
    ) -> Self {
        Self { _batch: batch, _bytes: bytes, _undelivered: undelivered, trace: None }
    }

    /// The same with the trace of its page.
    pub(super) fn traced(self, trace: Option<Box<PageTrace>>) -> Self {
        Self { trace, ..self }
    }

    /// The trace of its page, if that has one.
    pub(super) fn trace(&mut self) -> Option<&mut PageTrace> {
        self.trace.as_deref_mut()
    }

    /// Tells the traces of pages that their cursors are about to be committed together.
    pub(super) fn committing(permits: &mut [&mut Self]) {
        let all: Vec<_> =
            permits.iter_mut().filter_map(|permit| permit.trace()).map(|trace| trace.context()).collect();
        permits.iter_mut().filter_map(|permit| permit.trace()).for_each(|trace| trace.committing(&all));
    }

    /// Its cursor is durable: nothing is in flight any more.
    pub(super) fn committed(mut self) {
        if let Some(trace) = self.trace() {
            trace.committed();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn room_is_bounded_in_batches_and_bytes_and_a_single_large_batch_passes() {
        let limit = InFlightLimit::new(2, 4 * UNIT_BYTES);
        let (first, second) = (limit.acquire(0).await.unwrap(), limit.acquire(UNIT_BYTES).await.unwrap());
        assert!(limit.acquire(0).now_or_never().is_none(), "two batches are the most");
        drop(first);
        assert!(limit.acquire(4 * UNIT_BYTES).now_or_never().is_none(), "three units are left");
        drop(second);
        let large = limit.acquire(100 * UNIT_BYTES).now_or_never().flatten();
        assert!(large.is_some());
        assert!(limit.acquire(UNIT_BYTES).now_or_never().is_none());
    }
}
