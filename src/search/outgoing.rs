//! Composes what a spool holds and delivers it, as much at a time as there is room for: the half of a run that is the
//! same whether its progress is kept or not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{SearchError, checkpoint::RunCheckpoint, compose::Composer, spool::Spool};
use crate::{
    halt::Halt,
    message::Batch,
    route::{CheckpointStore, Delivery, InFlightLimit, InFlightPermit, IntoBatch, RouteError, RouteStatus},
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
        sink: Sink,
        dead_letters: DeadLetters,
        status: Arc<RouteStatus>,
        stop: &CancellationToken,
    ) -> Result<u64, Halt<SearchError>> {
        let Self { composer, spool, skip, parts_max, bytes_max } = self;
        let (parts, received) = mpsc::channel(parts_max);
        let limit = InFlightLimit::new(parts_max, bytes_max);
        let is_cut = Arc::new(AtomicBool::new(false));
        let composing = {
            let (stop, is_cut) = (stop.clone(), Arc::clone(&is_cut));
            tokio::task::spawn_blocking(move || {
                composer.compose(&spool, skip, &mut |batch| {
                    let is_taken = !stop.is_cancelled() && hand_over(batch, &limit, &parts);
                    is_cut.fetch_or(!is_taken, Ordering::Relaxed);
                    is_taken
                })
            })
        };
        let route = status.name().to_owned();
        let delivery = Delivery::new(checkpoints, parts_max, sink, dead_letters, status);
        let delivered = delivery.run(received, stop).await;
        if let Err(Halt::Failed(err)) = delivered {
            return Err(Halt::Failed(err.into()));
        }
        let total = composing
            .await
            .map_err(|err| SearchError::Kept { route, reason: format!("composing was cut short: {err}") })?;
        let total = total.map_err(SearchError::from)?;
        delivered?;
        if is_cut.load(Ordering::Relaxed) { Err(Halt::Stopped) } else { Ok(total) }
    }
}

/// Hands `batch` over as soon as there is room; false if nobody takes it any more. Blocks.
fn hand_over(batch: Batch<RunCheckpoint>, limit: &InFlightLimit, parts: &mpsc::Sender<RunPart>) -> bool {
    let bytes = batch.messages.messages().map(|message| message.payload.len()).sum();
    let taken = async {
        // Who delivers may have gone away with the room in hand.
        let permit = tokio::select! {
            permit = limit.acquire(bytes) => permit?,
            () = parts.closed() => return None,
        };
        parts.send(RunPart { batch, permit }).await.ok()
    };
    tokio::runtime::Handle::current().block_on(taken).is_some()
}
