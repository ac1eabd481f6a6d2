//! Trying once more what the sink refused, while nobody knows whether the messages are wrong or the sink.
//!
//! Only what was refused is published again, so that nobody gets a second copy of what was taken. It may then stand
//! behind messages that followed it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Delivery, breaker::Ruling, pending::Stage};
use crate::{
    halt::Halt,
    route::{CheckpointStore, RouteError},
};

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// The sink took or refused each message.
    Judged,
    /// The sink failed, and works again.
    Failed,
}

impl<S: CheckpointStore> Delivery<S> {
    /// Tries everything that is refused once more; of a sink that is wrong one message, unless it takes that.
    pub(super) async fn retry_refused(&mut self, stop: &CancellationToken) -> Result<(), Halt<RouteError>> {
        self.retry_at = None;
        self.has_retried_at_stop = stop.is_cancelled();
        if self.ruling() == Some(Ruling::Open) {
            let refused = self.pending.front().map_or(0, |front| front.refused().len());
            if self.try_again(0, 1, stop).await? == Attempt::Failed {
                return self.commit_proved(stop).await;
            }
            if self.pending.front().map_or(0, |front| front.refused().len()) == refused {
                return self.commit_proved(stop).await;
            }
        }
        for at in 0..self.pending.len() {
            match self.try_again(at, usize::MAX, stop).await? {
                Attempt::Failed => break,
                Attempt::Judged => self.mark_tried(at),
            }
        }
        self.commit_proved(stop).await
    }

    /// Publishes the first `most` refused messages of the batch at this place once more.
    async fn try_again(
        &mut self,
        at: usize,
        most: usize,
        stop: &CancellationToken,
    ) -> Result<Attempt, Halt<RouteError>> {
        let Some(pending) = self.pending.get(at) else { return Ok(Attempt::Judged) };
        let refused: Vec<_> = pending.refused().iter().take(most).map(|refused| refused.index).collect();
        if refused.is_empty() {
            return Ok(Attempt::Judged);
        }
        let tried = refused.len();
        let part = Arc::new(pending.batch.messages.part(refused));
        let error = match self.publish(&part, 0, stop).await? {
            Err(error) => error,
            Ok(receipt) => match self.settle(receipt, stop).await? {
                Ok(settled) => {
                    self.note_tried(at, tried, settled.rejected());
                    return Ok(Attempt::Judged);
                }
                Err(failure) => {
                    self.note_tried(at, failure.first_undelivered, &failure.rejected);
                    failure.error
                }
            },
        };
        self.redeliver(&error, stop).await?;
        Ok(Attempt::Failed)
    }

    fn note_tried(&mut self, at: usize, tried: usize, rejected: &[crate::sink::Rejected]) {
        if let Some(Stage::Judged(judged)) = self.pending.get_mut(at).map(|pending| &mut pending.stage) {
            judged.settled.tried_again(tried, rejected);
        }
    }

    fn mark_tried(&mut self, at: usize) {
        if let Some(Stage::Judged(judged)) = self.pending.get_mut(at).map(|pending| &mut pending.stage) {
            judged.is_tried_again = true;
        }
    }
}
