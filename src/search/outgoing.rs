//! Composes what a spool holds and delivers it, as much at a time as there is room for: the half of a run that is the
//! same whether its progress is kept or not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{SearchError, compose::Composer, spool::Spool};
use crate::{
    message::Batch,
    route::{Delivery, Feed, RouteStatus, Stop},
    sink::{DeadLetters, Sink},
};

/// Bytes are counted in units of this size, because semaphores count in 32 bits.
const UNIT_BYTES: usize = 1_024;

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
pub(super) struct RunPart {
    pub(super) batch: Arc<Batch>,
    _room: [OwnedSemaphorePermit; 2],
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Sent {
    /// All of it is delivered: so many events that the route wants.
    Whole { total: u64 },
    /// It was told to stop.
    Stopped,
}

impl Outgoing {
    /// Delivers everything to `sink`; `feed` moves behind it.
    pub(super) async fn deliver<F: Feed<Item = RunPart>>(
        self,
        feed: F,
        sink: Sink,
        dead_letters: DeadLetters,
        status: Arc<RouteStatus>,
        stop: &CancellationToken,
    ) -> Result<Sent, SearchError> {
        let Self { composer, spool, skip, parts_max, bytes_max } = self;
        let (parts, received) = mpsc::channel(parts_max);
        let room = Room::new(parts_max, bytes_max);
        let is_cut = Arc::new(AtomicBool::new(false));
        let composing = {
            let (stop, is_cut) = (stop.clone(), Arc::clone(&is_cut));
            tokio::task::spawn_blocking(move || {
                composer.compose(&spool, skip, &mut |batch| {
                    let is_taken = !stop.is_cancelled() && hand_over(batch, &room, &parts);
                    is_cut.fetch_or(!is_taken, Ordering::Relaxed);
                    is_taken
                })
            })
        };
        let route = status.name().to_owned();
        let delivered =
            Delivery::new(feed, parts_max, sink, dead_letters, status).run(received, stop).await?;
        let total = composing.await.map_err(|err| SearchError::Kept {
            route,
            reason: format!("composing was cut short: {err}"),
        })??;
        match delivered {
            Stop::Drained if !is_cut.load(Ordering::Relaxed) => Ok(Sent::Whole { total }),
            Stop::Drained | Stop::GivenUp => Ok(Sent::Stopped),
        }
    }
}

/// How much may be on its way.
struct Room {
    parts: Arc<Semaphore>,
    units: Arc<Semaphore>,
    units_max: usize,
}

impl Room {
    fn new(parts_max: usize, bytes_max: usize) -> Self {
        let units_max = (bytes_max / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS >> 1);
        let (parts, units) = (Arc::new(Semaphore::new(parts_max)), Arc::new(Semaphore::new(units_max)));
        Self { parts, units, units_max }
    }
}

/// Hands `batch` over as soon as there is room; false if nobody takes it any more. Blocks.
fn hand_over(batch: Batch, room: &Room, parts: &mpsc::Sender<RunPart>) -> bool {
    let bytes: usize = batch.messages().map(|message| message.payload.len()).sum();
    // A single message larger than all the room must pass too.
    let units = u32::try_from((bytes / UNIT_BYTES).min(room.units_max)).unwrap_or(u32::MAX);
    let taken = async {
        let permits = async {
            let part = Arc::clone(&room.parts).acquire_owned().await.ok()?;
            let units = Arc::clone(&room.units).acquire_many_owned(units).await.ok()?;
            Some([part, units])
        };
        // Who delivers may have gone away with the room in hand.
        let permits = tokio::select! {
            permits = permits => permits?,
            () = parts.closed() => return None,
        };
        parts.send(RunPart { batch: Arc::new(batch), _room: permits }).await.ok()
    };
    tokio::runtime::Handle::current().block_on(taken).is_some()
}
