//! What was found by hand, delivered once with the care of any route; nothing is kept of how far it is.

use std::sync::Arc;

use okta_client::Org;
use tokio_util::sync::CancellationToken;

use super::{
    SearchError, checkpoint::RunCheckpoint, compose::Composer, envelope::RunDescription, outgoing::Outgoing,
    spool::Spool,
};
use crate::{
    config::{SearchRouteConfig, SinkConfig},
    halt::Halt,
    message::Origin,
    route::{CheckpointStore, Rendering, RouteError, RouteStatus},
    sink::{DeadLetters, Delivered, Sink, SinkError, SinkFactory as _, payload_bytes_max},
};

/// A sink that is ready for what one route makes of events.
#[derive(Debug)]
pub(crate) struct Publication {
    route: SearchRouteConfig,
    rendering: Arc<Rendering>,
    sink: Box<dyn Sink>,
}

/// What was delivered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    /// Events that the route wants.
    pub(crate) events: u64,
    /// Messages on the bus.
    pub(crate) messages: u64,
    /// Messages among the dead letters.
    pub(crate) rejected: u64,
}

/// Why it cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The sink cannot be used.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// What the route makes of events.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Composing or delivering.
    #[error(transparent)]
    Search(#[from] SearchError),
}

impl Publication {
    /// Opens `sink` for what `route` makes of events of `org`. Publishes nothing.
    pub(crate) async fn open(
        route: &SearchRouteConfig,
        sink: &SinkConfig,
        org: &Org,
    ) -> Result<Self, PublishError> {
        let rendering = Arc::new(Rendering::open(&route.route, org).await?);
        let sink = sink.open(&sink_origin(sink, &rendering.origin), None).await?;
        Ok(Self { route: route.clone(), rendering, sink })
    }

    /// Delivers what `spool` holds. A sink that fails meanwhile is waited for as long as it takes, and logged.
    pub(crate) async fn publish(
        self,
        spool: Spool,
        about: RunDescription,
        dead_letters: DeadLetters,
    ) -> Result<Published, PublishError> {
        let composer = Composer {
            rendering: self.rendering,
            emit: self.route.emit,
            empty: self.route.empty,
            about,
            bytes_max: payload_bytes_max(self.sink.message_bytes_max()),
        };
        let outgoing = Outgoing {
            composer,
            spool,
            skip: 0,
            parts_max: self.route.route.in_flight_pages,
            bytes_max: self.route.route.in_flight_bytes,
        };
        let mut published = Published::default();
        let status = Arc::new(RouteStatus::new(&self.route.route.name));
        // Who does not want to wait any more drops the future.
        let stop = CancellationToken::new();
        match outgoing.deliver(&mut published, self.sink, dead_letters, status, &stop).await {
            Ok(total) => published.events = total,
            Err(Halt::Stopped) => {}
            Err(Halt::Failed(err)) => return Err(err.into()),
        }
        Ok(published)
    }
}

/// Files have one writer, and the route itself may be at work on its own: what is published by hand has others. Everywhere
/// else it is the route that publishes.
fn sink_origin(sink: &SinkConfig, origin: &Arc<Origin>) -> Arc<Origin> {
    if !sink.has_one_writer() {
        return Arc::clone(origin);
    }
    let route = format!("{}.search+by-hand", origin.route);
    Arc::new(Origin { route, ..Origin::clone(origin) })
}

/// Counts what is delivered, and keeps nothing of how far it is.
impl CheckpointStore for Published {
    type Checkpoint = RunCheckpoint;

    async fn commit(&mut self, delivered: Vec<Delivered<RunCheckpoint>>) -> Result<(), Halt<RouteError>> {
        for batch in delivered {
            self.messages += batch.messages() as u64;
            self.rejected += batch.rejected() as u64;
        }
        Ok(())
    }
}
