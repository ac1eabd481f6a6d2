//! Commits the checkpoints of what is proved, and holds what the sink refuses until it is known what that means.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Delivery,
    breaker::Ruling,
    pending::{Pending, Stage},
};
use crate::{
    halt::{Halt, Stopped},
    invariant::Invariant,
    retry::retry_until,
    route::{
        CheckpointStore, InFlightPermit, RouteError,
        status::{class_name, report_refusing_sink},
    },
    sink::{Delivered, SinkClass},
    telemetry::{chain, metrics},
};

impl<S: CheckpointStore> Delivery<S> {
    /// Proves what the breaker lets pass, oldest first, and commits it.
    pub(super) async fn commit_proved(&mut self, stop: &CancellationToken) -> Result<(), Halt<RouteError>> {
        let mut proved = Vec::new();
        let held = loop {
            let Some(ruling) = self.ruling() else { break None };
            if ruling != Ruling::Odd {
                break Some(ruling);
            }
            let Some(front) = self.pop_judged() else { break None };
            match self.prove(front, stop).await {
                Ok(proof) => proved.push(proof),
                Err(stopped) => {
                    // What came before is proved all the same.
                    self.commit(proved).await?;
                    return Err(stopped.into());
                }
            }
        };
        self.commit(proved).await?;
        Ok(self.hold(held, stop)?)
    }

    /// What the refusals of the oldest batch mean. None: the sink has not said all of it.
    pub(super) fn ruling(&self) -> Option<Ruling> {
        let oldest = self.pending.front()?.answer()?;
        Some(self.breaker.judge(&oldest, self.pending.iter().skip(1).map_while(Pending::answer)))
    }

    /// The oldest batch, if the sink has said all of it and every batch before it is proved.
    fn pop_judged(&mut self) -> Option<Pending<S::Checkpoint>> {
        let front = self.pending.front().filter(|front| front.is_judged())?;
        if !Invariant::CursorNeedsProof.check(front.number == self.proved + 1) {
            return None;
        }
        self.proved += 1;
        self.pending.pop_front()
    }

    /// Keeps what the sink rejected of a batch, as often as it takes, and lets the batch go.
    async fn prove(
        &mut self,
        pending: Pending<S::Checkpoint>,
        stop: &CancellationToken,
    ) -> Result<(Delivered<S::Checkpoint>, InFlightPermit), Stopped> {
        if let Some(answer) = pending.answer() {
            self.breaker.pass(&answer);
        }
        // Nothing else is popped.
        let Pending { batch, stage: Stage::Judged(judged), permit, .. } = pending else {
            return Err(Stopped);
        };
        let (status, dead_letters) = (&self.status, &self.dead_letters);
        let attempt = || judged.settled.prove(&batch, dead_letters);
        let proof = retry_until(&mut self.backoff, stop, attempt, |err| {
            metrics::state_failure(status.name());
            if status.state_failed(&chain(err)) {
                tracing::error!(
                    route = status.name(),
                    error = chain(err),
                    "the batch is not proved; trying again"
                );
            }
        });
        let proof = proof.await?;
        status.settled(&batch.messages, 0..batch.messages.len());
        let rejected = judged.settled.rejected();
        status.dead_letters_kept(&batch.messages, rejected);
        status.tap().pass(&batch.messages, 0..batch.messages.len(), |index| {
            rejected.binary_search_by_key(&index, |rejected| rejected.index).is_ok()
        });
        Ok((proof, permit))
    }

    /// Commits the checkpoints of proved batches.
    async fn commit(
        &mut self,
        proved: Vec<(Delivered<S::Checkpoint>, InFlightPermit)>,
    ) -> Result<(), Halt<RouteError>> {
        if proved.is_empty() {
            return Ok(());
        }
        let counts = proved.iter().map(|(proof, _)| (proof.messages() as u64, proof.rejected() as u64));
        let counts: Vec<_> = counts.collect();
        // Until that is durable they keep their room.
        let (delivered, mut permits): (Vec<_>, Vec<_>) = proved.into_iter().unzip();
        InFlightPermit::committing(&mut permits.iter_mut().collect::<Vec<_>>());
        let mark = delivered.iter().rev().find_map(Delivered::mark).cloned();
        self.checkpoints.commit(delivered).await?;
        if let Some(mark) = mark {
            self.sink.committed(&mark);
        }
        permits.into_iter().for_each(InFlightPermit::committed);
        for (messages, rejected) in &counts {
            metrics::page_delivered(self.status.name(), *messages, *rejected);
        }
        if self.status.sink_recovered() {
            tracing::info!(route = self.status.name(), "the sink works again");
        }
        self.backoff.reset();
        self.refused_backoff.reset();
        self.has_retried_at_stop = false;
        Ok(())
    }

    /// Has what is refused tried again, and says so where the sink is wrong. Stopped: it was tried since.
    fn hold(&mut self, ruling: Option<Ruling>, stop: &CancellationToken) -> Result<(), Stopped> {
        let refused: usize = self.pending.iter().map(|pending| pending.refused().len()).sum();
        let Some(ruling) = ruling else {
            self.retry_at = None;
            self.status.hold(refused);
            return Ok(());
        };
        self.status.hold(refused);
        if ruling == Ruling::Open {
            self.report_open(refused);
        }
        if self.retry_at.is_some() {
            return Ok(());
        }
        if stop.is_cancelled() && self.has_retried_at_stop {
            return Err(Stopped);
        }
        let wait = if stop.is_cancelled() { Duration::ZERO } else { self.refused_backoff.next_wait() };
        self.retry_at = Some(Instant::now() + wait);
        Ok(())
    }

    fn report_open(&self, refused: usize) {
        let Some(first) = self.pending.front().and_then(|front| front.refused().first()) else { return };
        if self.retry_at.is_none() {
            metrics::sink_failure(self.status.name(), class_name(SinkClass::Configuration));
        }
        report_refusing_sink(&self.status, &first.reason, refused);
    }
}
