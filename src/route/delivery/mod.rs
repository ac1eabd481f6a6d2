//! The delivering half of a route: batches to the sink, and the checkpoints of those that are proved to their store, in order.
//!
//! `proving.rs` moves behind what is proved, with `brake.rs` to say whether what the sink refuses may go to the dead
//! letters; `second_look.rs` tries it once more; `redelivery.rs` goes on after a failure; `stall.rs` waits for the sink
//! and tells of it.

mod brake;
mod proving;
mod redelivery;
mod second_look;
mod stall;
#[cfg(test)]
mod tests;
mod unsettled;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::FutureExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    CheckpointStore, RouteError,
    in_flight::IntoBatch,
    status::{Half, RouteStatus},
};
use crate::{
    halt::Halt,
    invariant::Invariant,
    retry::{Backoff, RetryPolicy},
    sink::{DeadLetters, Failure, Settled, Sink},
};
use brake::Brake;
pub(super) use stall::alive_while;
use unsettled::{Fate, Unsettled, next_heard};

/// How often it is looked whether the sink makes progress.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Delivers batches to one sink.
#[derive(Debug)]
pub(crate) struct Delivery<S: CheckpointStore> {
    checkpoints: S,
    sink: Sink,
    dead_letters: DeadLetters,
    status: Arc<RouteStatus>,
    unsettled: VecDeque<Unsettled<S::Checkpoint>>,
    /// Batches that were taken, and how many of them are proved. They are numbered in the order in which they were read.
    taken: u64,
    proved: u64,
    in_flight_max: usize,
    backoff: Backoff,
    brake: Brake,
    /// How long to wait before what was refused is tried again.
    looks: Backoff,
    /// When it will be, if anything is held.
    look_at: Option<Instant>,
    /// It was tried since the stop, and nothing was proved since.
    has_looked_at_stop: bool,
    /// When the sink last said what became of a batch.
    heard_at: Instant,
}

impl<S: CheckpointStore> Delivery<S> {
    /// Delivery of at most `in_flight_max` batches at a time.
    pub(crate) fn new(
        checkpoints: S,
        in_flight_max: usize,
        sink: Sink,
        dead_letters: DeadLetters,
        status: Arc<RouteStatus>,
    ) -> Self {
        Self {
            checkpoints,
            sink,
            dead_letters,
            status,
            unsettled: VecDeque::new(),
            taken: 0,
            proved: 0,
            in_flight_max,
            backoff: RetryPolicy::SINK.backoff(),
            brake: Brake::default(),
            looks: RetryPolicy::SINK.backoff(),
            look_at: None,
            has_looked_at_stop: false,
            heard_at: Instant::now(),
        }
    }

    /// Delivers `items` until there are no more and all are proved. After `stop` a sink that does not work is no longer
    /// waited for: [`Halt::Stopped`] says, here and below, that there is something left, which will be read again.
    pub(crate) async fn run<I: IntoBatch<Checkpoint = S::Checkpoint>>(
        mut self,
        items: mpsc::Receiver<I>,
        stop: &CancellationToken,
    ) -> Result<(), Halt<RouteError>> {
        let delivered = self.deliver(items, stop).await;
        self.status.at_rest(Half::Delivery);
        self.status.hold(0);
        if !matches!(delivered, Err(Halt::Failed(_))) {
            self.sink.close().await;
        }
        delivered
    }

    async fn deliver<I: IntoBatch<Checkpoint = S::Checkpoint>>(
        &mut self,
        mut items: mpsc::Receiver<I>,
        stop: &CancellationToken,
    ) -> Result<(), Halt<RouteError>> {
        let (mut is_more, mut is_stopping) = (true, false);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while is_more || !self.unsettled.is_empty() {
            let look_at = self.look_at;
            tokio::select! {
                biased;
                (at, heard) = next_heard(&mut self.unsettled) => self.hear(at, heard, stop).await?,
                () = tokio::time::sleep_until(look_at.unwrap_or(self.heard_at)), if look_at.is_some() => {
                    self.look_again(stop).await?;
                }
                item = items.recv(), if is_more => match item {
                    Some(item) => self.take(item, stop).await?,
                    None => is_more = false,
                },
                // Ticks on whatever else happens: pages may keep coming while nothing is acknowledged.
                _ = look.tick() => self.look_around(stop)?,
                () = stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    self.look_at = look_at.map(|_| Instant::now());
                    self.look_around(stop)?;
                }
            }
        }
        Ok(())
    }

    /// Hands an item to the sink.
    async fn take<I: IntoBatch<Checkpoint = S::Checkpoint>>(
        &mut self,
        item: I,
        stop: &CancellationToken,
    ) -> Result<(), Halt<RouteError>> {
        let (batch, room) = item.into_batch(self.sink.payload_bytes_max())?;
        let (fate, error) = match self.publish(&batch.messages, 0, stop).await? {
            Ok(receipt) => (Fate::Sent(receipt), None),
            Err(error) => (Fate::Failed, Some(error)),
        };
        self.taken += 1;
        self.unsettled.push_back(Unsettled::new(self.taken, batch, room, fate));
        Invariant::InFlightIsBounded.check(self.unsettled.len() <= self.in_flight_max);
        match error {
            None => Ok(()),
            Some(error) => self.redeliver(&error, stop).await,
        }
    }

    /// The sink has said what became of a batch; so it may have of those behind it, and one commit serves them all.
    async fn hear(
        &mut self,
        at: usize,
        heard: Result<Settled, Failure>,
        stop: &CancellationToken,
    ) -> Result<(), Halt<RouteError>> {
        self.heard_at = Instant::now();
        let mut next = Some((at, heard));
        while let Some((at, heard)) = next {
            let Some(unsettled) = self.unsettled.get_mut(at) else { break };
            match heard {
                Ok(settled) => unsettled.judge(settled),
                Err(failure) => {
                    let error = unsettled.fail(failure);
                    self.move_on(stop).await?;
                    return self.redeliver(&error, stop).await;
                }
            }
            next = next_heard(&mut self.unsettled).now_or_never();
        }
        self.move_on(stop).await
    }
}
