//! The delivering task of a route: batches to the sink, and the checkpoints of those that are proved to their store, in order.
//!
//! `pending.rs` is a batch that is not proved; `proving.rs` commits what is, with `breaker.rs` to say whether what the sink
//! refuses may go to the dead letters; `retry_refused.rs` tries that once more; `redelivery.rs` goes on after a failure;
//! `stall.rs` waits for the sink and reports it.

pub(super) mod breaker;
mod pending;
mod proving;
mod redelivery;
mod retry_refused;
mod stall;
#[cfg(test)]
mod tests;

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
    status::{RouteStatus, RouteTask},
};
use crate::{
    halt::Halt,
    invariant::Invariant,
    retry::{Backoff, RetryPolicy},
    sink::{BatchError, DeadLetters, Settled, Sink, payload_bytes_max},
};
use breaker::CircuitBreaker;
use pending::{Pending, Stage, next_answer};
pub(super) use stall::{alive_while, patient, report_unanswered};

/// How often it is looked whether the sink makes progress.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Delivers batches to one sink.
#[derive(Debug)]
pub(crate) struct Delivery<S: CheckpointStore> {
    checkpoints: S,
    sink: Box<dyn Sink>,
    dead_letters: DeadLetters,
    status: Arc<RouteStatus>,
    pending: VecDeque<Pending<S::Checkpoint>>,
    /// Batches that were taken, and how many of them are proved. They are numbered in the order in which they were read.
    taken: u64,
    proved: u64,
    in_flight_max: usize,
    backoff: Backoff,
    breaker: CircuitBreaker,
    /// How long to wait before what was refused is tried again.
    refused_backoff: Backoff,
    /// When it will be, if anything is held.
    retry_at: Option<Instant>,
    /// How often a sink that is wrong was tried since it last took a message.
    probes: usize,
    /// It was tried since the stop, and nothing was proved since.
    has_retried_at_stop: bool,
    /// When the sink last said what became of a batch.
    answered_at: Instant,
}

impl<S: CheckpointStore> Delivery<S> {
    /// Delivery of at most `in_flight_max` batches at a time.
    pub(crate) fn new(
        checkpoints: S,
        in_flight_max: usize,
        sink: Box<dyn Sink>,
        dead_letters: DeadLetters,
        status: Arc<RouteStatus>,
    ) -> Self {
        Self {
            checkpoints,
            sink,
            dead_letters,
            status,
            pending: VecDeque::new(),
            taken: 0,
            proved: 0,
            in_flight_max,
            backoff: RetryPolicy::SINK.backoff(),
            breaker: CircuitBreaker::default(),
            refused_backoff: RetryPolicy::SINK.backoff(),
            retry_at: None,
            probes: 0,
            has_retried_at_stop: false,
            answered_at: Instant::now(),
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
        self.status.at_rest(RouteTask::Delivery);
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
        let mut check = tokio::time::interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while is_more || !self.pending.is_empty() {
            let retry_at = self.retry_at;
            tokio::select! {
                biased;
                (at, answer) = next_answer(&mut self.pending) => self.answered(at, answer, stop).await?,
                () = tokio::time::sleep_until(retry_at.unwrap_or(self.answered_at)), if retry_at.is_some() => {
                    self.retry_refused(stop).await?;
                }
                item = items.recv(), if is_more => match item {
                    Some(item) => self.take(item, stop).await?,
                    None => is_more = false,
                },
                // Ticks on whatever else happens: pages may keep coming while nothing is acknowledged.
                _ = check.tick() => self.check_stall(stop)?,
                () = stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    self.retry_at = retry_at.map(|_| Instant::now());
                    self.check_stall(stop)?;
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
        let (batch, permit) = item.into_batch(payload_bytes_max(self.sink.message_bytes_max()))?;
        let (stage, error) = match self.publish(&batch.messages, 0, stop).await? {
            Ok(receipt) => (Stage::Sent(receipt), None),
            Err(error) => (Stage::Failed, Some(error)),
        };
        self.taken += 1;
        self.pending.push_back(Pending::new(self.taken, batch, permit, stage));
        Invariant::InFlightIsBounded.check(self.pending.len() <= self.in_flight_max);
        match error {
            None => Ok(()),
            Some(error) => self.redeliver(&error, stop).await,
        }
    }

    /// The sink has said what became of a batch; so it may have of those behind it, and one commit serves them all.
    async fn answered(
        &mut self,
        at: usize,
        answer: Result<Settled, BatchError>,
        stop: &CancellationToken,
    ) -> Result<(), Halt<RouteError>> {
        self.answered_at = Instant::now();
        let mut next = Some((at, answer));
        while let Some((at, answer)) = next {
            let Some(pending) = self.pending.get_mut(at) else { break };
            match answer {
                Ok(settled) => pending.judge(settled),
                Err(failure) => {
                    let error = pending.fail(failure);
                    self.commit_proved(stop).await?;
                    return self.redeliver(&error, stop).await;
                }
            }
            next = next_answer(&mut self.pending).now_or_never();
        }
        self.commit_proved(stop).await
    }
}
