//! Trying once more what the sink refused, while nobody knows whether the messages are wrong or the sink.
//!
//! Only what was refused is published again, so that nobody gets a second copy of what was taken. It may then stand
//! behind messages that followed it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Delivery, brake::Ruling, unsettled::Fate};
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
    pub(super) async fn look_again(&mut self, stop: &CancellationToken) -> Result<(), Halt<RouteError>> {
        self.look_at = None;
        self.has_looked_at_stop = stop.is_cancelled();
        if self.ruling() == Some(Ruling::Closed) {
            let refused = self.unsettled.front().map_or(0, |front| front.refused().len());
            if self.try_again(0, 1, stop).await? == Attempt::Failed {
                return self.move_on(stop).await;
            }
            if self.unsettled.front().map_or(0, |front| front.refused().len()) == refused {
                return self.move_on(stop).await;
            }
        }
        for at in 0..self.unsettled.len() {
            match self.try_again(at, usize::MAX, stop).await? {
                Attempt::Failed => break,
                Attempt::Judged => self.mark_tried(at),
            }
        }
        self.move_on(stop).await
    }

    /// Publishes the first `most` refused messages of the batch at this place once more.
    async fn try_again(
        &mut self,
        at: usize,
        most: usize,
        stop: &CancellationToken,
    ) -> Result<Attempt, Halt<RouteError>> {
        let Some(unsettled) = self.unsettled.get(at) else { return Ok(Attempt::Judged) };
        let refused: Vec<_> = unsettled.refused().iter().take(most).map(|refused| refused.index).collect();
        if refused.is_empty() {
            return Ok(Attempt::Judged);
        }
        let tried = refused.len();
        let part = Arc::new(unsettled.batch.messages.part(refused));
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
        if let Some(Fate::Judged(judged)) = self.unsettled.get_mut(at).map(|unsettled| &mut unsettled.fate) {
            judged.settled.tried_again(tried, rejected);
        }
    }

    fn mark_tried(&mut self, at: usize) {
        if let Some(Fate::Judged(judged)) = self.unsettled.get_mut(at).map(|unsettled| &mut unsettled.fate) {
            judged.is_tried_again = true;
        }
    }
}
