//! Reads slices concurrently. A reader requests the next part as soon as the last one was passed on; while delivery is
//! slow it holds one part and no permit of the rate limiter.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use okta_client::{Class, Priority, logs};
use okta_system_log::event::Events;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    ReplayError,
    note::SliceCheckpoint,
    plan::Span,
    progress::{Progress, SliceProgress},
    tally::Tally,
};
use crate::{
    config::RouteConfig,
    message::Batch,
    route::{
        InFlightLimit, InFlightPermit, IntoBatch, Rendering, RouteError, RouteStatus, report_okta,
        report_okta_answer,
    },
    source::{
        LogSource,
        window::{WindowPart, WindowReader, WindowStep},
    },
};

/// The most slices that are read concurrently: enough for any budget, and far from Okta's limit of concurrent requests.
pub(super) const READERS_MAX: usize = 8;
/// The most bytes of the links of all slices in progress, which are kept in one note.
pub(super) const LINKS_BYTES_MAX: usize = 10 << 10;
/// What Okta adds to the URL that was asked.
const CURSOR_BYTES: usize = 200;
/// Consecutive failures of a kind that retries do not cure, before the replay gives up. The first may be a refused
/// link, after which the reader resumes by time.
const FAILURES_MAX: u32 = 2;

/// Events of a slice, with their permit of the in-flight limit.
#[derive(Debug)]
pub(super) struct EventsInFlight {
    rendering: Arc<Rendering>,
    events: Arc<Events>,
    /// Indices of events that are not to be delivered. Ascending.
    left_out: Vec<u32>,
    checkpoint: SliceCheckpoint,
    permit: InFlightPermit,
}

impl IntoBatch for EventsInFlight {
    type Checkpoint = SliceCheckpoint;

    fn into_batch(
        self,
        payload_bytes_max: Option<usize>,
    ) -> Result<(Batch<SliceCheckpoint>, InFlightPermit), RouteError> {
        let messages = self.rendering.messages(&self.events, &self.left_out, payload_bytes_max)?;
        Ok((Batch { messages: Arc::new(messages), checkpoint: self.checkpoint }, self.permit))
    }
}

/// What all readers share.
#[derive(Debug)]
pub(super) struct ReaderContext {
    source: Arc<dyn LogSource>,
    /// The org's address.
    org: Url,
    /// The query; each slice has its own times.
    window: logs::Window,
    span: Span,
    slices: u16,
    /// Slices that no reader has taken yet.
    left: Mutex<VecDeque<(u16, Option<SliceProgress>)>>,
    rendering: Arc<Rendering>,
    parts: mpsc::Sender<EventsInFlight>,
    limit: InFlightLimit,
    status: Arc<RouteStatus>,
    tally: Arc<Tally>,
}

impl ReaderContext {
    /// A context for what `progress` leaves to do, and the channel of the parts.
    pub(super) fn new(
        (source, org): (Arc<dyn LogSource>, Url),
        window: logs::Window,
        progress: &Progress,
        (rendering, route): (Rendering, &RouteConfig),
        (status, tally): (Arc<RouteStatus>, Arc<Tally>),
    ) -> (Self, mpsc::Receiver<EventsInFlight>) {
        let (parts, received) = mpsc::channel(route.in_flight_pages.max(1));
        let left = progress.left().into_iter();
        let left = left.map(|slice| (slice, progress.begun.get(&slice).cloned())).collect();
        let reading = Self {
            source,
            org,
            window,
            span: progress.span(),
            slices: progress.slices,
            left: Mutex::new(left),
            rendering: Arc::new(rendering),
            parts,
            limit: InFlightLimit::new(route.in_flight_pages, route.in_flight_bytes),
            status,
            tally,
        };
        (reading, received)
    }

    /// Reads until everything is read, until `stop`, or until one reader fails, whose error is returned. May be dropped
    /// at any point: what is not delivered is read again.
    pub(super) async fn run(self, stop: &CancellationToken) -> Result<(), ReplayError> {
        let readers = self.readers();
        let reading = Arc::new(self);
        let mut tasks = JoinSet::new();
        for _ in 0..readers {
            let reading = Arc::clone(&reading);
            tasks.spawn(async move { reading.read_slices().await });
        }
        drop(reading);
        let all = async {
            while let Some(read) = tasks.join_next().await {
                read.map_err(|err| ReplayError::Bug(err.to_string()))??;
            }
            Ok(())
        };
        // Dropped with the first failure, tasks end.
        stop.run_until_cancelled(all).await.unwrap_or(Ok(()))
    }

    /// The number of readers, bounded by the positions that fit into the note.
    fn readers(&self) -> usize {
        let url = logs::window_url(&self.org, &self.window);
        let links = LINKS_BYTES_MAX / (url.as_str().len() + CURSOR_BYTES);
        READERS_MAX.min(links).clamp(1, usize::from(self.slices.max(1)))
    }

    async fn read_slices(&self) -> Result<(), ReplayError> {
        loop {
            let next = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((slice, position)) = next else { return Ok(()) };
            if self.read_slice(slice, position).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// None: delivery has ended.
    async fn read_slice(
        &self,
        slice: u16,
        position: Option<SliceProgress>,
    ) -> Result<Option<()>, ReplayError> {
        let mut published_max = position.as_ref().and_then(|position| position.published_max);
        let Span { since, until } = self.span.slice(slice, self.slices);
        let mut reader = self.reader(slice, position);
        let mut failures = 0;
        loop {
            match reader.step().await {
                WindowStep::Events(part) => {
                    self.tally.requested();
                    report_okta_answer(&self.status);
                    failures = 0;
                    // A time beyond the slice is a clock's fault, and would leave out what lies between.
                    let published = part.events.iter().filter_map(|event| event.published()?.parse().ok());
                    published_max =
                        published_max.max(published.filter(|at| (since..until).contains(at)).max());
                    let position = part
                        .next
                        .as_ref()
                        .map(|link| SliceProgress { link: link.to_string(), published_max });
                    let is_last = position.is_none();
                    if self.hand_over(slice, part, position).await.is_none() {
                        return Ok(None);
                    }
                    if is_last {
                        return Ok(Some(()));
                    }
                }
                WindowStep::Ended => return Ok(Some(())),
                WindowStep::Failed { error, wait } => {
                    self.tally.requested();
                    report_okta(&self.status, &error);
                    if !matches!(error.class(), Class::Retry(_)) {
                        failures += 1;
                    }
                    if failures >= FAILURES_MAX {
                        return Err(ReplayError::Okta { source: error });
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn reader(&self, slice: u16, position: Option<SliceProgress>) -> WindowReader {
        let Span { since, until } = self.span.slice(slice, self.slices);
        let (source, org) = (Arc::clone(&self.source), self.org.clone());
        let (link, published_max) =
            position.map(|position| (position.link, position.published_max)).unwrap_or_default();
        // Should Okta refuse the link, what came before it need not be read again.
        let since = published_max.unwrap_or(since).clamp(since, until);
        let window = logs::Window { since, until, ..self.window.clone() };
        match link.parse::<Url>() {
            Ok(link) => WindowReader::resume(source, org, Priority::Backfill, window, link),
            Err(_) => WindowReader::from_source(source, org, Priority::Backfill, window, None),
        }
    }

    async fn hand_over(&self, slice: u16, part: WindowPart, position: Option<SliceProgress>) -> Option<()> {
        let WindowPart { events, left_out, .. } = part;
        let permit = self.limit.acquire(events.size_bytes()).await?;
        let (rendering, checkpoint) = (Arc::clone(&self.rendering), SliceCheckpoint { slice, position });
        self.parts.send(EventsInFlight { rendering, events, left_out, checkpoint, permit }).await.ok()
    }
}
