//! Going on after a failure of the sink.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Delivery,
    pending::{Pending, Stage},
    stall::alive_while,
};
use crate::{
    halt::{Halt, Stopped},
    route::{CheckpointStore, RouteError, status::report_sink},
    sink::SinkError,
};

/// How long receipts behind a failed one are awaited before they are given up.
const REST_MAX: Duration = Duration::from_secs(10);

impl<S: CheckpointStore> Delivery<S> {
    /// Brings the sink to rest, makes it work again and publishes once more what is not proved, oldest first: the only
    /// way to keep the order of each key. Endless until `stop`, and visible.
    pub(super) async fn redeliver(
        &mut self,
        error: &SinkError,
        stop: &CancellationToken,
    ) -> Result<(), Halt<RouteError>> {
        self.report(error);
        self.bring_to_rest(stop).await?;
        loop {
            self.backoff.wait(stop).await?;
            // Whoever closes a sink need not wait until it has recovered.
            let recovering = alive_while(&self.status, Box::pin(self.sink.recover()));
            let republished = match stop.run_until_cancelled(recovering).await.ok_or(Stopped)? {
                Ok(()) => self.republish(stop).await,
                Err(error) => Err(Halt::Failed(error)),
            };
            match republished {
                Ok(()) => return Ok(()),
                Err(Halt::Stopped) => return Err(Halt::Stopped),
                Err(Halt::Failed(error)) => self.report(&error),
            }
        }
    }

    /// Waits until the sink has nothing more to say of the batches that it has. Those that turn out to be settled
    /// before the first failed one count; those behind it have to be published again.
    async fn bring_to_rest(&mut self, stop: &CancellationToken) -> Result<(), Halt<RouteError>> {
        let deadline = Instant::now() + REST_MAX;
        let mut has_failed = false;
        for pending in self.pending.iter_mut().filter(|pending| !pending.is_judged()) {
            let Some(receipt) = pending.take_receipt() else {
                has_failed = true;
                continue;
            };
            let answer = alive_while(&self.status, tokio::time::timeout_at(deadline, receipt));
            match stop.run_until_cancelled(answer).await {
                // Whatever it says: order demands that the batch comes after the failed one.
                _ if has_failed => {}
                Some(Ok(Ok(settled))) => pending.judge(settled),
                Some(Ok(Err(failure))) => {
                    pending.fail(failure);
                    has_failed = true;
                }
                Some(Err(_)) | None => has_failed = true,
            }
        }
        self.commit_proved(stop).await
    }

    async fn republish(&mut self, stop: &CancellationToken) -> Result<(), Halt<SinkError>> {
        for at in 0..self.pending.len() {
            let Some(Pending { batch, from, stage: Stage::Failed, .. }) = self.pending.get(at) else {
                continue;
            };
            let (messages, from) = (Arc::clone(&batch.messages), *from);
            let receipt = self.publish(&messages, from, stop).await?.map_err(Halt::Failed)?;
            if let Some(pending) = self.pending.get_mut(at) {
                pending.stage = Stage::Sent(receipt);
                pending.published_at = Instant::now();
            }
        }
        Ok(())
    }

    fn report(&self, error: &SinkError) {
        report_sink(&self.status, error, "delivery failed; trying again");
    }
}
