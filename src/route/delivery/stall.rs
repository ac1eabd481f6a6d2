//! Waiting for the sink: with signs of life, and with a report if it takes long. A bus's client may retry for ever by itself.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::{CHECK_EVERY, Delivery, pending::Pending};
use crate::{
    halt::Stopped,
    message::Messages,
    route::{
        CheckpointStore,
        status::{RouteStatus, RouteTask, log_sink_failure},
    },
    sink::{BatchError, Receipt, Settled, SinkError, Stall},
};

/// How long a batch may stay pending before the sink is said to be in trouble, and before a stop gives it up.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// What is said where the sink says nothing.
const NOT_ACKNOWLEDGED: &str = "the sink does not acknowledge what it was given";

impl<S: CheckpointStore> Delivery<S> {
    /// Publishes and waits, as the sink has it, until the next batch may come.
    pub(super) async fn publish(
        &mut self,
        messages: &Arc<Messages>,
        from: usize,
        stop: &CancellationToken,
    ) -> Result<Result<Receipt, SinkError>, Stopped> {
        let stall_reason = self.sink.stall_reason();
        // Without a reason it is the back-pressure of a sink that works, unless acknowledgements are outstanding.
        let is_owed = self.pending.iter().any(Pending::is_sent);
        let reason = move || stall_reason().or_else(|| is_owed.then(unacknowledged));
        patient(&self.status, stop, &reason, self.sink.publish(messages, from)).await
    }

    /// Waits until a batch is settled, while nothing else is done.
    pub(super) async fn settle(
        &mut self,
        receipt: Receipt,
        stop: &CancellationToken,
    ) -> Result<Result<Settled, BatchError>, Stopped> {
        let stall_reason = self.sink.stall_reason();
        let reason = move || Some(stall_reason().unwrap_or_else(unacknowledged));
        patient(&self.status, stop, &reason, receipt).await
    }

    /// Gives a sign of life, and reports batches that stay pending. Stopped: there are some.
    pub(super) fn check_stall(&self, stop: &CancellationToken) -> Result<(), Stopped> {
        self.status.alive(RouteTask::Delivery);
        // What cannot arrive cannot be drained either.
        if stop.is_cancelled() && !self.pending.is_empty() && self.sink.is_cut_off() {
            return Err(Stopped);
        }
        let Some(oldest) = self.pending.iter().find(|pending| pending.is_sent()) else {
            return Ok(());
        };
        let waited = oldest.published_at.max(self.answered_at).elapsed();
        report_unanswered(&self.status, &*self.sink.stall_reason(), waited, stop)
    }
}

/// Waits, and reports it if that takes long and `reason` knows why. Stopped: it did take long.
pub(in crate::route) async fn patient<T>(
    status: &RouteStatus,
    stop: &CancellationToken,
    reason: &(dyn Fn() -> Option<Stall> + Send + Sync),
    waiting: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let began = Instant::now();
    let (mut waiting, mut check, mut is_stopping) = (pin!(waiting), interval(CHECK_EVERY), false);
    loop {
        tokio::select! {
            biased;
            done = &mut waiting => return Ok(done),
            _ = check.tick() => {}
            () = stop.cancelled(), if !is_stopping => is_stopping = true,
        }
        status.alive(RouteTask::Delivery);
        let waited = began.elapsed();
        if waited < STALLED_AFTER {
            continue;
        }
        if let Some(trouble) = reason() {
            report_stall(status, &trouble, waited);
            if is_stopping {
                return Err(Stopped);
            }
        }
    }
}

/// Waits with signs of life, for what has its own limit and is reported elsewhere.
pub(crate) async fn alive_while<T>(status: &RouteStatus, waiting: impl Future<Output = T>) -> T {
    let (mut waiting, mut check) = (pin!(waiting), interval(CHECK_EVERY));
    loop {
        tokio::select! {
            biased;
            done = &mut waiting => return done,
            _ = check.tick() => status.alive(RouteTask::Delivery),
        }
    }
}

/// Reports that the bus has not answered for so long, if that is long. Stopped: it is, and nobody waits any longer.
pub(in crate::route) fn report_unanswered(
    status: &RouteStatus,
    reason: &(dyn Fn() -> Option<Stall> + Send + Sync),
    waited: Duration,
    stop: &CancellationToken,
) -> Result<(), Stopped> {
    if waited < STALLED_AFTER {
        return Ok(());
    }
    report_stall(status, &reason().unwrap_or_else(unacknowledged), waited);
    if stop.is_cancelled() { Err(Stopped) } else { Ok(()) }
}

fn unacknowledged() -> Stall {
    Stall::transient(NOT_ACKNOWLEDGED.to_owned())
}

fn report_stall(status: &RouteStatus, stall: &Stall, waited: Duration) {
    if status.sink_failed(&stall.reason) {
        let (route, waited_s) = (status.name(), Some(waited.as_secs()));
        log_sink_failure(route, stall.class, &stall.reason, waited_s, "delivery stands still; still trying");
    }
}
