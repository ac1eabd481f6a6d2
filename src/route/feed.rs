//! What delivery is fed with, and what moves when it is proved.

use std::{future::Future, sync::Arc};

use super::{RouteError, durable::Committed, status::RouteStatus};
use crate::{message::Batch, sink::Delivered};

/// The side of a delivery that is not the sink's. There is one for pages of a stream, where a cursor moves, and one for
/// what has an end.
pub(crate) trait Feed: Send {
    /// What is delivered together; it keeps its room until it is proved.
    type Item: Send;

    /// The batch of `item`, noted with where it leads; none if there is nothing that has to be proved. Payloads have no
    /// more than `bytes_max` bytes as far as their format knows how to do with less.
    fn batch(
        &mut self,
        item: &Self::Item,
        bytes_max: Option<usize>,
    ) -> Result<Option<Arc<Batch>>, RouteError>;

    /// Moves to where the proved batches lead, and returns when that is durable. Proofs come in the order of batches.
    fn advance(
        &mut self,
        proofs: Vec<Delivered>,
    ) -> impl Future<Output = Result<Committed, RouteError>> + Send;

    /// Tells `status` that it moved, with `rejected` dead letters.
    fn tell(&self, status: &RouteStatus, rejected: u64);
}
