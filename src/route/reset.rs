//! What the bus has of a route that is moved while it does not run.

use std::sync::Arc;

use super::{CheckpointError, checkpoint_in_bus};
use crate::{
    config::SinkConfig,
    message::Origin,
    sink::{SinkError, TransactionalFactory, TransactionalSink},
    state::BusCheckpoint,
};

/// The last checkpoint of the route called `route`, once whoever wrote before commits nothing any more. Only whoever owns the route
/// may ask. None: there is none.
pub async fn fenced_checkpoint(
    sink: &SinkConfig,
    route: &str,
    origin: &Arc<Origin>,
) -> Result<Option<BusCheckpoint>, CheckpointError> {
    let mut fencing = TransactionalFactory::open(sink, origin).await?;
    let fenced = fence(&mut *fencing).await;
    fencing.close().await;
    fenced?;
    checkpoint_in_bus(sink, route, origin).await
}

async fn fence(sink: &mut dyn TransactionalSink) -> Result<(), SinkError> {
    // A fence follows a look.
    sink.last_checkpoint().await?;
    sink.fence().await
}
