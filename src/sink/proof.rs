//! What a sink says of a batch, and the proof that lets a cursor move.
//!
//! A [`Delivered`] can be made in this room alone and only from what a sink settled, with every message that could not
//! be delivered kept in the dead letters. It gives out the checkpoint of its batch, and only that may be committed.

use std::ops::Range;

use crate::{message::Batch, state::SinkMark};

use super::{DeadLetters, DeadLettersError, SinkError};

/// A message that can never be delivered to this sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its index in the batch.
    pub index: usize,
    /// Why, for the person who reads the dead letters.
    pub reason: String,
}

/// Every message of a batch was proved to be on the bus, or is rejected for good.
#[derive(Debug)]
#[must_use = "rejected messages must go to the dead letters"]
pub struct Settled {
    /// The messages that are not on the bus and never will be.
    pub(super) rejected: Vec<Rejected>,
    /// Where the sink stands now, to be kept with the cursor.
    pub(super) mark: Option<SinkMark>,
}

/// A batch of which not everything could be delivered, for a reason that may pass.
#[derive(Debug)]
pub struct BatchError {
    /// The index of the first message not known to be on the bus.
    pub first_undelivered: usize,
    /// The messages before it that are rejected for good.
    pub rejected: Vec<Rejected>,
    /// What happened.
    pub error: SinkError,
}

/// Proof that a whole batch is where it belongs, with the checkpoint that holds now.
#[derive(Debug)]
pub struct Delivered<C> {
    checkpoint: C,
    messages: usize,
    rejected: usize,
    mark: Option<SinkMark>,
}

impl Settled {
    /// The messages that are not on the bus and never will be.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Where the sink stands now, if that is of use to it.
    pub fn mark(&self) -> Option<&SinkMark> {
        self.mark.as_ref()
    }

    /// The same with what was rejected `earlier`, before the batch was published again from its middle.
    pub(crate) fn after(mut self, mut earlier: Vec<Rejected>) -> Self {
        earlier.append(&mut self.rejected);
        Self { rejected: earlier, mark: self.mark }
    }

    /// Takes note of what became of the rejected messages at the places `tried`, which were published once more in their
    /// order: one that was not rejected `again`, by its index among them, is on the bus. The mark stays where it is, since
    /// others may have been published in between.
    pub(crate) fn tried_again(&mut self, tried: Range<usize>, again: &[Rejected]) {
        let mut place = 0;
        self.rejected.retain_mut(|rejected| {
            let at = place;
            place += 1;
            if !tried.contains(&at) {
                return true;
            }
            let index = at - tried.start;
            let Ok(found) = again.binary_search_by_key(&index, |again| again.index) else { return false };
            rejected.reason.clone_from(&again[found].reason);
            true
        });
    }

    /// Keeps what was rejected and gives the proof. After a failure it may be called again.
    pub async fn prove<C: Clone>(
        &self,
        batch: &Batch<C>,
        dead_letters: &DeadLetters,
    ) -> Result<Delivered<C>, DeadLettersError> {
        if !self.rejected.is_empty() {
            dead_letters.keep(&batch.messages, &self.rejected).await?;
        }
        let rejected = self.rejected.len();
        let messages = batch.messages.len() - rejected;
        Ok(Delivered { checkpoint: batch.checkpoint.clone(), messages, rejected, mark: self.mark.clone() })
    }
}

impl<C> Delivered<C> {
    /// How many of its messages are on the bus.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// How many of its messages went to the dead letters.
    pub fn rejected(&self) -> usize {
        self.rejected
    }

    /// Where the sink stood.
    pub(crate) fn mark(&self) -> Option<&SinkMark> {
        self.mark.as_ref()
    }

    /// How far the route is after it, and where the sink stood.
    pub fn into_checkpoint(self) -> (C, Option<SinkMark>) {
        (self.checkpoint, self.mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(indices: &[usize]) -> Settled {
        let rejected = indices.iter().map(|index| Rejected { index: *index, reason: "too large".to_owned() });
        Settled { rejected: rejected.collect(), mark: None }
    }

    fn indices(settled: &Settled) -> Vec<usize> {
        settled.rejected().iter().map(|rejected| rejected.index).collect()
    }

    #[test]
    fn what_was_taken_the_second_time_is_not_rejected_any_more() {
        let mut first = settled(&[7, 9]).after(settled(&[2, 4]).rejected);
        assert_eq!(indices(&first), [2, 4, 7, 9]);
        first.tried_again(0..1, settled(&[0]).rejected());
        assert_eq!(indices(&first), [2, 4, 7, 9]);
        first.tried_again(0..3, settled(&[1]).rejected());
        assert_eq!(indices(&first), [4, 9], "the fourth was not tried");
        first.tried_again(1..2, &[]);
        assert_eq!(indices(&first), [4], "only the ninth was tried");
        first.tried_again(0..1, &[]);
        assert!(first.rejected().is_empty());
    }
}
