//! A page of a stream on its way to the sink, and the checkpoint that it carries.

use std::sync::Arc;

use okta_system_log::event::Events;

use super::{
    RouteError,
    in_flight::{InFlightPermit, IntoBatch},
    rendering::Rendering,
};
use crate::{
    message::Batch,
    source::{Position, Read},
    telemetry::metrics,
};

/// A page that was read, with its room.
#[derive(Debug)]
pub(super) struct PageInFlight {
    pub(super) read: Read,
    pub(super) rendering: Arc<Rendering>,
    pub(super) permit: InFlightPermit,
}

/// How far a route is after a page.
#[derive(Debug, Clone)]
pub(super) struct PageCheckpoint {
    /// The link to what comes after it.
    pub(super) position: Position,
    /// What was read with it, which is not to be delivered again.
    pub(super) events: Arc<Events>,
}

impl IntoBatch for PageInFlight {
    type Checkpoint = PageCheckpoint;

    fn into_batch(
        self,
        payload_bytes_max: Option<usize>,
    ) -> Result<(Batch<PageCheckpoint>, InFlightPermit), RouteError> {
        let Self { read: Read { page, position, known, .. }, rendering, mut permit } = self;
        if let Some(trace) = permit.trace() {
            trace.enter("render");
        }
        let messages = rendering.messages(&page.events, &known, payload_bytes_max)?;
        let filtered = page.events.len() - messages.len() - known.len();
        if filtered + known.len() > 0 {
            metrics::page_selected(&rendering.origin.route, filtered as u64, known.len() as u64);
        }
        let messages = match permit.trace() {
            None => messages,
            Some(trace) => {
                trace.rendered(messages.len());
                trace.enter("deliver");
                messages.traced(trace.context().to_string())
            }
        };
        let checkpoint = PageCheckpoint { position, events: Arc::clone(&page.events) };
        Ok((Batch { messages: Arc::new(messages), checkpoint }, permit))
    }
}
