//! Pages of a stream as a feed: each is rendered, and the cursor moves behind it.

use std::sync::Arc;

use url::Url;

use super::{
    RouteError, cursor::RouteCursor, durable::Committed, feed::Feed, reading::PageInFlight,
    rendering::Rendering, status::RouteStatus,
};
use crate::{
    message::{Batch, BatchId},
    sink::Delivered,
    telemetry::metrics,
};

/// Pages, rendered for one route.
#[derive(Debug)]
pub(super) struct Pages {
    rendering: Rendering,
    cursor: RouteCursor,
    next_batch: BatchId,
    /// Where the last batch leads.
    last_link: Option<Url>,
}

impl Pages {
    pub(super) fn new(rendering: Rendering, cursor: RouteCursor) -> Self {
        Self { rendering, cursor, next_batch: BatchId(1), last_link: None }
    }
}

impl Feed for Pages {
    type Item = PageInFlight;

    fn batch(
        &mut self,
        page: &PageInFlight,
        bytes_max: Option<usize>,
    ) -> Result<Option<Arc<Batch>>, RouteError> {
        let read = &page.read;
        let is_nothing_new =
            read.page.events.is_empty() && self.last_link.as_ref() == Some(&read.position.link);
        if is_nothing_new {
            return Ok(None);
        }
        self.last_link = Some(read.position.link.clone());
        let id = self.next_batch;
        self.next_batch = BatchId(id.0 + 1);
        let batch = self.rendering.batch(id, &read.page.events, &read.known, bytes_max)?;
        let filtered = read.page.events.len() - batch.len() - read.known.len();
        if filtered + read.known.len() > 0 {
            metrics::page_selected(&self.rendering.origin.route, filtered as u64, read.known.len() as u64);
        }
        self.cursor.expect(batch.id, read.position.clone(), Arc::clone(&read.page.events));
        Ok(Some(Arc::new(batch)))
    }

    async fn advance(&mut self, proofs: Vec<Delivered>) -> Result<Committed, RouteError> {
        Ok(self.cursor.advance(proofs).await?)
    }

    fn tell(&self, status: &RouteStatus, rejected: u64) {
        status.cursor_moved(self.cursor.generation(), self.cursor.cursor(), rejected);
    }
}
