//! Trying once more what the sink refused, while nobody knows whether the messages are wrong or the sink.
//!
//! Only what was refused is published again, so that nobody gets a second copy of what was taken. It may then stand
//! behind messages that followed it.

use std::{ops::Range, sync::Arc};

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
    /// Tries everything that is refused once more, if it does not take the sink to be wrong or the sink takes a message.
    pub(super) async fn retry_refused(&mut self, stop: &CancellationToken) -> Result<(), Halt<RouteError>> {
        self.retry_at = None;
        self.has_retried_at_stop = stop.is_cancelled();
        if self.ruling() == Some(Ruling::Open) && !self.is_mended(stop).await? {
            return self.commit_proved(stop).await;
        }
        for at in 0..self.pending.len() {
            match self.try_again(at, 0..usize::MAX, stop).await? {
                Attempt::Failed => break,
                Attempt::Judged => self.mark_tried(at),
            }
        }
        self.commit_proved(stop).await
    }

    /// Whether a sink that was wrong takes a message: the first that it refused, or else another one, a different one each
    /// time. The first alone could be one that no sink takes, and would be waited for without end.
    async fn is_mended(&mut self, stop: &CancellationToken) -> Result<bool, Halt<RouteError>> {
        let held: usize = self.pending.iter().map(|pending| pending.refused().len()).sum();
        self.probes += 1;
        let other = 1 + (self.probes - 1) % held.saturating_sub(1).max(1);
        for nth in [0, other] {
            let Some((at, place)) = self.nth_refused(nth) else { continue };
            let refused = self.pending.get(at).map_or(0, |pending| pending.refused().len());
            if self.try_again(at, place..place + 1, stop).await? == Attempt::Failed {
                return Ok(false);
            }
            if self.pending.get(at).is_some_and(|pending| pending.refused().len() < refused) {
                self.probes = 0;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The batch of the refused message that has so many before it, and its place among the refused ones of the batch.
    fn nth_refused(&self, mut nth: usize) -> Option<(usize, usize)> {
        for (at, pending) in self.pending.iter().enumerate() {
            match nth.checked_sub(pending.refused().len()) {
                None => return Some((at, nth)),
                Some(left) => nth = left,
            }
        }
        None
    }

    /// Publishes the refused messages at these places of the batch at `at` once more.
    async fn try_again(
        &mut self,
        at: usize,
        places: Range<usize>,
        stop: &CancellationToken,
    ) -> Result<Attempt, Halt<RouteError>> {
        let Some(pending) = self.pending.get(at) else { return Ok(Attempt::Judged) };
        let refused = pending.refused().iter().take(places.end).skip(places.start);
        let refused: Vec<_> = refused.map(|refused| refused.index).collect();
        if refused.is_empty() {
            return Ok(Attempt::Judged);
        }
        let tried = places.start..places.start + refused.len();
        let part = Arc::new(pending.batch.messages.part(refused));
        let error = match self.publish(&part, 0, stop).await? {
            Err(error) => error,
            Ok(receipt) => match self.settle(receipt, stop).await? {
                Ok(settled) => {
                    self.note_tried(at, tried, settled.rejected());
                    return Ok(Attempt::Judged);
                }
                Err(failure) => {
                    let tried = tried.start..tried.start + failure.first_undelivered;
                    self.note_tried(at, tried, &failure.rejected);
                    failure.error
                }
            },
        };
        self.redeliver(&error, stop).await?;
        Ok(Attempt::Failed)
    }

    fn note_tried(&mut self, at: usize, tried: Range<usize>, rejected: &[crate::sink::Rejected]) {
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
