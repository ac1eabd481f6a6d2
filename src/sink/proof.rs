//! What a sink says of a batch, and the proof that lets a cursor move.
//!
//! A [`Delivered`] can be made in this room alone and only from what a sink settled, with every message that could not
//! be delivered kept in the dead letters. There is no other way to move a cursor.

use crate::{
    event::{Batch, BatchId},
    state::SinkMark,
};

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
#[derive(Debug, Default)]
#[must_use = "rejected messages must go to the dead letters"]
pub struct Settled {
    /// The messages that are not on the bus and never will be.
    pub(super) rejected: Vec<Rejected>,
    /// Where the sink stands now, to be kept with the cursor.
    pub(super) mark: Option<SinkMark>,
}

/// A batch of which not everything could be delivered, for a reason that may pass.
#[derive(Debug)]
pub struct Failure {
    /// The index of the first message not known to be on the bus.
    pub first_undelivered: usize,
    /// The messages before it that are rejected for good.
    pub rejected: Vec<Rejected>,
    /// What happened.
    pub error: SinkError,
}

/// Proof that a whole batch is where it belongs.
#[derive(Debug)]
pub struct Delivered {
    batch: BatchId,
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

    /// Keeps what was rejected, `earlier` rejections of the same batch included, and gives the proof.
    pub async fn prove(
        &self,
        batch: &Batch,
        earlier: &[Rejected],
        dead_letters: &DeadLetters,
    ) -> Result<Delivered, DeadLettersError> {
        let rejected: Vec<_> = earlier.iter().chain(&self.rejected).cloned().collect();
        if !rejected.is_empty() {
            dead_letters.keep(batch, &rejected).await?;
        }
        let messages = batch.len() - rejected.len();
        Ok(Delivered { batch: batch.id, messages, rejected: rejected.len(), mark: self.mark.clone() })
    }
}

impl Delivered {
    /// The batch that is proved.
    pub fn batch(&self) -> BatchId {
        self.batch
    }

    /// How many of its messages are on the bus.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// How many of its messages went to the dead letters.
    pub fn rejected(&self) -> usize {
        self.rejected
    }

    /// Where the sink stood after it.
    pub fn into_mark(self) -> Option<SinkMark> {
        self.mark
    }
}
