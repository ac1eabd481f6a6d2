//! Composes what a spool holds and delivers it, as much at a time as there is room for: the half of a run that is the
//! same whether its progress is kept or not.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinError};
use tokio_util::sync::CancellationToken;

use super::{SearchError, checkpoint::RunCheckpoint, compose::Composer, spool::Spool};
use crate::{
    halt::Halt,
    message::Batch,
    route::{
        CheckpointStore, Delivery, InFlightLimit, InFlightPermit, IntoBatch, RouteError, RouteStatus,
        while_delivering,
    },
    sink::{DeadLetters, Sink},
};

/// What goes out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) composer: Composer,
    pub(super) spool: Spool,
    /// So many batches have been delivered before.
    pub(super) skip: u64,
    /// Batches on their way, at most.
    pub(super) parts_max: usize,
    /// Bytes on their way, at most, unless a single message has more.
    pub(super) bytes_max: usize,
}

/// What is delivered together, with the room that it takes.
#[derive(Debug)]
struct RunPart {
    batch: Batch<RunCheckpoint>,
    permit: InFlightPermit,
}

impl IntoBatch for RunPart {
    type Checkpoint = RunCheckpoint;

    /// It was composed for what the sink takes when the run began, so that its batches stay the same.
    fn into_batch(self, _: Option<usize>) -> Result<(Batch<RunCheckpoint>, InFlightPermit), RouteError> {
        Ok((self.batch, self.permit))
    }
}

impl Outgoing {
    /// Delivers everything to `sink`, and commits to `checkpoints` what is delivered. Says how many events there are that the
    /// route wants.
    pub(super) async fn deliver<S: CheckpointStore<Checkpoint = RunCheckpoint>>(
        self,
        checkpoints: S,
        sink: Box<dyn Sink>,
        dead_letters: DeadLetters,
        status: Arc<RouteStatus>,
        stop: &CancellationToken,
    ) -> Result<u64, Halt<SearchError>> {
        let Self { composer, spool, skip, parts_max, bytes_max } = self;
        let (parts, received) = mpsc::channel(parts_max);
        let limit = InFlightLimit::new(parts_max, bytes_max);
        let route = status.name().to_owned();
        let delivery = Delivery::new(checkpoints, parts_max, sink, dead_letters, status);
        let composing = stop.run_until_cancelled(compose(composer, spool, skip, limit, parts));
        let (composed, delivered) = while_delivering(composing, delivery.run(received, stop)).await;
        if let Err(Halt::Failed(err)) = delivered {
            return Err(Halt::Failed(err.into()));
        }
        let cut_short =
            |err| SearchError::SavedProgress { route, reason: format!("composing was cut short: {err}") };
        // What came of composing comes first: a spool that is damaged is read again.
        let total = match composed.flatten() {
            Some(composed) => composed.map_err(cut_short)??,
            None => None,
        };
        delivered?;
        total.ok_or(Halt::Stopped)
    }
}

/// Composes what `spool` holds, and hands batches over as there is room. Says how many events there are that the route
/// wants; none if nobody takes batches any more. May be dropped at any time.
async fn compose(
    composer: Composer,
    spool: Spool,
    skip: u64,
    limit: InFlightLimit,
    parts: mpsc::Sender<RunPart>,
) -> Result<Result<Option<u64>, SearchError>, JoinError> {
    let composing = tokio::task::spawn_blocking(move || composer.begin(&spool, skip)).await?;
    let mut composing = match composing {
        Ok(composing) => composing,
        Err(err) => return Ok(Err(err.into())),
    };
    loop {
        let next = tokio::task::spawn_blocking(move || (composing.next(), composing)).await?;
        let batch;
        (batch, composing) = next;
        let batch = match batch {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(Ok(Some(composing.total()))),
            Err(err) => return Ok(Err(err.into())),
        };
        let bytes = batch.messages.messages().map(|message| message.payload.len()).sum();
        let Some(permit) = limit.acquire(bytes).await else { return Ok(Ok(None)) };
        if parts.send(RunPart { batch, permit }).await.is_err() {
            return Ok(Ok(None));
        }
    }
}
