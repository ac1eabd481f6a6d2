//! Batches that are handed to the sink and not proved, oldest first.

use std::{collections::VecDeque, mem};

use tokio::time::Instant;

use super::breaker::Answer;
use crate::{
    message::Batch,
    route::InFlightPermit,
    sink::{BatchError, Receipt, Rejected, Settled, SinkError},
};

/// A batch that is not proved.
pub(super) struct Pending<C> {
    /// Counts the batches of the route since its start.
    pub(super) number: u64,
    pub(super) batch: Batch<C>,
    /// The first message to publish, should it have to be done again.
    pub(super) from: usize,
    /// Messages before it that are refused.
    rejected: Vec<Rejected>,
    pub(super) stage: Stage,
    pub(super) published_at: Instant,
    /// Kept until the checkpoint is committed.
    pub(super) permit: InFlightPermit,
}

/// Where a batch is.
pub(super) enum Stage {
    /// It has to be published again, because it failed.
    Failed,
    /// With the sink.
    Sent(Receipt),
    /// Each of its messages is with the bus or refused.
    Judged(Judged),
}

/// What the sink said of a whole batch.
pub(super) struct Judged {
    pub(super) settled: Settled,
    /// All messages that are refused were tried a second time.
    pub(super) is_tried_again: bool,
}

impl<C> std::fmt::Debug for Pending<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pending").field("number", &self.number).field("from", &self.from).finish()
    }
}

impl<C> Pending<C> {
    pub(super) fn new(number: u64, batch: Batch<C>, permit: InFlightPermit, stage: Stage) -> Self {
        let (rejected, published_at) = (Vec::new(), Instant::now());
        Self { number, batch, from: 0, rejected, stage, published_at, permit }
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(_))
    }

    pub(super) fn is_judged(&self) -> bool {
        matches!(self.stage, Stage::Judged(_))
    }

    /// Takes the receipt away; the batch counts as failed until more is known.
    pub(super) fn take_receipt(&mut self) -> Option<Receipt> {
        match mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Sent(receipt) => Some(receipt),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The sink has settled all of it.
    pub(super) fn judge(&mut self, settled: Settled) {
        let settled = settled.after(mem::take(&mut self.rejected));
        self.stage = Stage::Judged(Judged { settled, is_tried_again: false });
    }

    /// Notes how far it came. Gives what went wrong.
    pub(super) fn fail(&mut self, failure: BatchError) -> SinkError {
        self.from = failure.first_undelivered;
        self.rejected.extend(failure.rejected);
        self.stage = Stage::Failed;
        failure.error
    }

    /// What the sink said of it, if it has said all.
    pub(super) fn answer(&self) -> Option<Answer> {
        let Stage::Judged(judged) = &self.stage else { return None };
        let refused = judged.settled.rejected().iter().map(|rejected| rejected.index).collect();
        Some(Answer { messages: self.batch.messages.len(), refused, is_tried_again: judged.is_tried_again })
    }

    /// The messages that are refused.
    pub(super) fn refused(&self) -> &[Rejected] {
        match &self.stage {
            Stage::Judged(judged) => judged.settled.rejected(),
            Stage::Failed | Stage::Sent(_) => &[],
        }
    }
}

/// What the sink says of the oldest batch that it has, and which one that is. May be dropped and asked again. Never
/// resolves if it has none.
pub(super) async fn next_answer<C>(
    pending: &mut VecDeque<Pending<C>>,
) -> (usize, Result<Settled, BatchError>) {
    let sent = pending.iter_mut().enumerate().find_map(|(at, pending)| match &mut pending.stage {
        Stage::Sent(receipt) => Some((at, receipt)),
        Stage::Failed | Stage::Judged(_) => None,
    });
    match sent {
        Some((at, receipt)) => (at, receipt.await),
        None => std::future::pending().await,
    }
}
