//! The reading half of a route: walks the stream ahead of delivery, as far as pages and bytes in flight allow.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    status::{Phase, RouteStatus},
    trouble::report_okta,
};
use crate::{
    config::RouteConfig,
    stream::{Read, Reader, Step},
    telemetry::metrics,
};

/// Bytes are counted in units of this size, because semaphores count in 32 bits.
const UNIT_BYTES: usize = 1_024;

/// A page with the room that it takes; the room is free again when this is dropped.
#[derive(Debug)]
pub(super) struct PageInFlight {
    pub(super) read: Read,
    _room: [OwnedSemaphorePermit; 2],
}

#[derive(Debug)]
pub(super) struct Reading {
    reader: Reader,
    status: Arc<RouteStatus>,
    until_caught_up: bool,
    pages: mpsc::Sender<PageInFlight>,
    page_room: Arc<Semaphore>,
    byte_room: Arc<Semaphore>,
    units_max: usize,
}

impl Reading {
    /// Reading for a route, and the pages that it will read.
    pub(super) fn new(
        reader: Reader,
        config: &RouteConfig,
        status: Arc<RouteStatus>,
        until_caught_up: bool,
    ) -> (Self, mpsc::Receiver<PageInFlight>) {
        let pages_max = config.in_flight_pages.max(1);
        let units_max = (config.in_flight_bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS >> 1);
        let (pages, received) = mpsc::channel(pages_max);
        let reading = Self {
            reader,
            status,
            until_caught_up,
            pages,
            page_room: Arc::new(Semaphore::new(pages_max)),
            byte_room: Arc::new(Semaphore::new(units_max)),
            units_max,
        };
        (reading, received)
    }

    /// Reads until `stop`, or until the tail if that was asked for. Reading may be cut off at any point: what was not
    /// handed over will be read again.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.walk()).await;
    }

    async fn walk(&mut self) -> Option<()> {
        loop {
            let page_room = Arc::clone(&self.page_room).acquire_owned().await.ok()?;
            match self.reader.step().await {
                Step::Read(read) => {
                    let (is_tail, is_end) = (read.is_tail, read.is_end);
                    self.hand_over(read, page_room).await?;
                    if is_end && self.until_caught_up {
                        return None;
                    }
                    if is_tail {
                        tokio::time::sleep(self.reader.stream().until_next_poll()).await;
                    }
                }
                Step::Failed { error, wait } => {
                    drop(page_room);
                    report_okta(&self.status, &error);
                    tokio::time::sleep(wait).await;
                }
                Step::Refused { error, since, wait } => {
                    drop(page_room);
                    self.status.link_refused();
                    metrics::possible_gap(self.status.name());
                    tracing::error!(
                        route = self.status.name(), %error, %since,
                        "POSSIBLE GAP: Okta refused the stored link; the route resumes by time and drops what it has delivered"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn hand_over(&mut self, read: Read, page_room: OwnedSemaphorePermit) -> Option<()> {
        self.status.okta_answered();
        self.status.enter(if read.is_tail { Phase::AtTail } else { Phase::Reading });
        // A single page larger than all the room must pass too.
        let units = (read.page.events.size_bytes() / UNIT_BYTES).min(self.units_max);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let byte_room = Arc::clone(&self.byte_room).acquire_many_owned(units).await.ok()?;
        self.pages.send(PageInFlight { read, _room: [page_room, byte_room] }).await.ok()
    }
}
