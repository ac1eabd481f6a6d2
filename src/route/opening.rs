//! Opens a route's sink, however often that takes: a bus that is unreachable at the start is waited for as later.

use std::{future::Future, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    delivery::alive_while,
    status::{RouteStatus, report_sink},
};
use crate::{
    halt::Stopped,
    message::Origin,
    retry::{RetryPolicy, retry_until},
    sink::{Sink, SinkError, SinkFactory},
    state::SinkMark,
};

/// Opens the sink where `mark` says that it stood.
pub(crate) async fn open_sink(
    factory: &dyn SinkFactory,
    origin: &Arc<Origin>,
    mark: Option<&SinkMark>,
    status: &RouteStatus,
    stop: &CancellationToken,
) -> Result<Box<dyn Sink>, Stopped> {
    open_until(status, stop, || factory.open(origin, mark)).await
}

/// Opens a sink by `open`.
pub(super) async fn open_until<T, F>(
    status: &RouteStatus,
    stop: &CancellationToken,
    mut open: impl FnMut() -> F,
) -> Result<T, Stopped>
where
    F: Future<Output = Result<T, SinkError>>,
{
    let mut backoff = RetryPolicy::SINK.backoff();
    let attempt = || alive_while(status, open());
    let opening = retry_until(&mut backoff, stop, attempt, |err| {
        report_sink(status, err, "the sink cannot be used; trying again");
    });
    // Opening a sink publishes nothing, so it may be given up.
    let sink = stop.run_until_cancelled(opening).await.ok_or(Stopped)??;
    status.sink_recovered();
    Ok(sink)
}
