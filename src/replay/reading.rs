//! Reading slices side by side. A reader asks for its next part as soon as the last one is handed over; while delivery is
//! slow it waits with one part in its hand, and never with its turn at the budget.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use okta_client::{Class, Client, Priority, logs};
use okta_system_log::event::Events;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    ReplayError,
    note::SliceCheckpoint,
    plan::Span,
    progress::{Place, Progress},
    tally::Tally,
};
use crate::{
    config::RouteConfig,
    message::Batch,
    route::{InFlightLimit, InFlightPermit, IntoBatch, Rendering, RouteError, RouteStatus, report_okta},
    source::window::{BoundedPage, WindowReader, WindowStep},
};

/// Slices that are read side by side, at most: enough for any budget, and far from Okta's limit of concurrent requests.
pub(super) const READERS_MAX: usize = 8;
/// What the links of all slices under way may have: they are kept in one note.
pub(super) const LINKS_BYTES_MAX: usize = 10 << 10;
/// What Okta adds to the URL that was asked.
const CURSOR_BYTES: usize = 200;
/// Failures in a row that somebody must see to before the replay gives up. The first may be a link that Okta refuses,
/// for which there is a remedy.
const FAILURES_MAX: u32 = 2;

/// Events of a slice with the room that they take.
#[derive(Debug)]
pub(super) struct PartInFlight {
    rendering: Arc<Rendering>,
    events: Arc<Events>,
    /// Indices of events that are not to be delivered. Ascending.
    left_out: Vec<u32>,
    checkpoint: SliceCheckpoint,
    permit: InFlightPermit,
}

impl IntoBatch for PartInFlight {
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
pub(super) struct Reading {
    client: Arc<Client>,
    /// What is asked; each slice with its own times.
    window: logs::Window,
    span: Span,
    slices: u16,
    /// What nobody has taken yet.
    left: Mutex<VecDeque<(u16, Option<Place>)>>,
    rendering: Arc<Rendering>,
    parts: mpsc::Sender<PartInFlight>,
    limit: InFlightLimit,
    status: Arc<RouteStatus>,
    tally: Arc<Tally>,
}

impl Reading {
    /// Reading of what `progress` leaves to do, and the parts that will be read.
    pub(super) fn new(
        client: Arc<Client>,
        window: logs::Window,
        progress: &Progress,
        (rendering, route): (Rendering, &RouteConfig),
        (status, tally): (Arc<RouteStatus>, Arc<Tally>),
    ) -> (Self, mpsc::Receiver<PartInFlight>) {
        let (parts, received) = mpsc::channel(route.in_flight_pages.max(1));
        let left = progress.left().into_iter();
        let left = left.map(|slice| (slice, progress.begun.get(&slice).cloned())).collect();
        let reading = Self {
            client,
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

    /// Reads until everything is read, until `stop`, or until one reader cannot go on, which is then told. Reading may be
    /// cut off at any point: what is not proved will be read again.
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

    /// No more of them than there are places to keep.
    fn readers(&self) -> usize {
        let url = logs::window_url(&self.client.org().url, &self.window);
        let links = LINKS_BYTES_MAX / (url.as_str().len() + CURSOR_BYTES);
        READERS_MAX.min(links).clamp(1, usize::from(self.slices.max(1)))
    }

    async fn read_slices(&self) -> Result<(), ReplayError> {
        loop {
            let next = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((slice, place)) = next else { return Ok(()) };
            if self.read_slice(slice, place).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// None: delivery has ended.
    async fn read_slice(&self, slice: u16, place: Option<Place>) -> Result<Option<()>, ReplayError> {
        let mut published_max = place.as_ref().and_then(|place| place.published_max);
        let Span { since, until } = self.span.slice(slice, self.slices);
        let mut reader = self.reader(slice, place);
        let mut failures = 0;
        loop {
            match reader.step().await {
                WindowStep::Page(part) => {
                    self.tally.requested();
                    self.status.okta_answered();
                    failures = 0;
                    // A time beyond the slice is a clock's fault, and would leave out what lies between.
                    let published = part.events.iter().filter_map(|event| event.published()?.parse().ok());
                    published_max =
                        published_max.max(published.filter(|at| (since..until).contains(at)).max());
                    let place =
                        part.next.as_ref().map(|link| Place { link: link.to_string(), published_max });
                    let is_last = place.is_none();
                    if self.hand_over(slice, part, place).await.is_none() {
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

    fn reader(&self, slice: u16, place: Option<Place>) -> WindowReader {
        let Span { since, until } = self.span.slice(slice, self.slices);
        let client = Arc::clone(&self.client);
        let (link, published_max) = place.map(|place| (place.link, place.published_max)).unwrap_or_default();
        // Should Okta refuse the link, what came before it need not be read again.
        let since = published_max.unwrap_or(since).clamp(since, until);
        let window = logs::Window { since, until, ..self.window.clone() };
        match link.parse::<Url>() {
            Ok(link) => WindowReader::resume(client, Priority::Backfill, window, link),
            Err(_) => WindowReader::new(client, Priority::Backfill, window, None),
        }
    }

    async fn hand_over(&self, slice: u16, part: BoundedPage, place: Option<Place>) -> Option<()> {
        let BoundedPage { events, left_out, .. } = part;
        let permit = self.limit.acquire(events.size_bytes()).await?;
        let (rendering, checkpoint) = (Arc::clone(&self.rendering), SliceCheckpoint { slice, place });
        self.parts.send(PartInFlight { rendering, events, left_out, checkpoint, permit }).await.ok()
    }
}
