//! Waiting for the sink: with signs of life, and with a report if it takes long. A bus's client may retry for ever by itself.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval};
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

/// Waits, and reports it if that takes long and `reason` knows why. Stopped: it did take long. The time is counted in checks and not
/// measured: a process that was stopped meanwhile has not waited, and the answer may be there.
pub(in crate::route) async fn patient<T>(
    status: &RouteStatus,
    stop: &CancellationToken,
    reason: &(dyn Fn() -> Option<Stall> + Send + Sync),
    waiting: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let (mut waiting, mut check, mut is_stopping) = (pin!(waiting), checks(), false);
    let mut counted = 0;
    loop {
        tokio::select! {
            biased;
            done = &mut waiting => return Ok(done),
            _ = check.tick() => counted += 1,
            () = stop.cancelled(), if !is_stopping => is_stopping = true,
        }
        status.alive(RouteTask::Delivery);
        // The first check comes at once.
        let waited = CHECK_EVERY.saturating_mul(counted).saturating_sub(CHECK_EVERY);
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

/// When to look how long something takes.
fn checks() -> Interval {
    let mut checks = interval(CHECK_EVERY);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks
}

/// Waits with signs of life, for what has its own limit and is reported elsewhere.
pub(crate) async fn alive_while<T>(status: &RouteStatus, waiting: impl Future<Output = T>) -> T {
    let (mut waiting, mut check) = (pin!(waiting), checks());
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

#[cfg(test)]
mod tests {
    use tokio::{
        sync::oneshot,
        time::{advance, sleep},
    };

    use super::*;

    /// Waits for an answer while `meanwhile` happens, and gives what the status says then.
    async fn trouble_after(meanwhile: impl Future<Output = ()>) -> Option<String> {
        let (status, stop) = (RouteStatus::new("a/b"), CancellationToken::new());
        let (sender, answer) = oneshot::channel();
        let waiting = patient(&status, &stop, &|| Some(unacknowledged()), answer);
        let (answered, trouble) = tokio::join!(waiting, async {
            meanwhile.await;
            let trouble = status.snapshot().sink_trouble;
            sender.send(()).unwrap();
            trouble
        });
        answered.unwrap().unwrap();
        trouble
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_does_not_answer_is_in_trouble_after_a_while() {
        assert_eq!(trouble_after(sleep(STALLED_AFTER - CHECK_EVERY / 2)).await, None);
        assert!(trouble_after(sleep(STALLED_AFTER + CHECK_EVERY / 2)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_was_stopped_has_not_waited_meanwhile() {
        let stopped = async {
            sleep(CHECK_EVERY).await;
            advance(Duration::from_secs(600)).await;
            sleep(CHECK_EVERY).await;
        };
        assert_eq!(trouble_after(stopped).await, None);
    }
}
