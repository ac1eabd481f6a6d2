//! The reading task of a route: walks the stream ahead of delivery, as far as pages and bytes in flight allow.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use okta_system_log::event::Events;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    in_flight::{InFlightLimit, InFlightPermit},
    lag::Frontier,
    pages::PageInFlight,
    rendering::Rendering,
    status::{Phase, RouteStatus, RouteTask},
    trouble::{report_okta, report_okta_answer},
};
use crate::{
    config::RouteConfig,
    source::{Read, ReadStep, Reader},
    telemetry::{chain, metrics, traces::PageTrace},
};

/// How often a route that waits for a permit shows that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Prefetch {
    reader: Reader,
    rendering: Arc<Rendering>,
    status: Arc<RouteStatus>,
    until_caught_up: bool,
    pages: mpsc::Sender<PageInFlight>,
    limit: InFlightLimit,
    /// Where the last page leads that was handed over.
    last_link: Option<Url>,
}

impl Prefetch {
    /// Prefetching for a route, and the pages that it will read.
    pub(super) fn new(
        reader: Reader,
        rendering: Arc<Rendering>,
        config: &RouteConfig,
        status: Arc<RouteStatus>,
        until_caught_up: bool,
    ) -> (Self, mpsc::Receiver<PageInFlight>) {
        let (pages, received) = mpsc::channel(config.in_flight_pages.max(1));
        let limit = InFlightLimit::new(config.in_flight_pages, config.in_flight_bytes);
        let prefetch = Self { reader, rendering, status, until_caught_up, pages, limit, last_link: None };
        (prefetch, received)
    }

    /// Reads until `stop`, or until the tail if that was asked for. Prefetching may be cut off at any point: what was not
    /// handed over will be read again.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.walk()).await;
        self.status.at_rest(RouteTask::Reading);
    }

    async fn walk(&mut self) -> Option<()> {
        loop {
            self.until_running().await;
            let page_room = self.room(self.limit.batch()).await?;
            let trace = PageTrace::begin(&self.rendering.origin.org, self.status.name());
            match self.reader.step().await {
                ReadStep::Read(read) => {
                    let (is_tail, is_end) = (read.is_tail, read.is_end);
                    self.hand_over(read, page_room, trace).await?;
                    if is_end && self.until_caught_up {
                        return None;
                    }
                    if is_tail {
                        self.reader.next_poll().await;
                    }
                }
                ReadStep::Failed { error, wait } => {
                    drop(page_room);
                    report_okta(&self.status, &error);
                    tokio::time::sleep(wait).await;
                }
                ReadStep::Refused { error, since, wait } => {
                    drop(page_room);
                    self.status.link_refused();
                    self.status.read_to(Frontier::MoreFrom(since));
                    metrics::possible_gap(self.status.name());
                    tracing::error!(
                        route = self.status.name(), error = chain(&error), %since,
                        "POSSIBLE GAP: Okta refused the stored link; the route resumes by time and drops what it has delivered; to be \
                         sure that nothing is missing, compare with Okta from then on, or deliver it again with `oktabus replay`"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Waits while an operator has paused the route, and gives signs of life meanwhile.
    async fn until_running(&self) {
        if !self.status.is_paused() {
            return;
        }
        // Also if it has read nothing since its start.
        self.status.enter(Phase::Reading);
        tracing::info!(
            route = self.status.name(),
            "the route is paused, and reads nothing until it is resumed"
        );
        let mut running = std::pin::pin!(self.status.until_running());
        loop {
            self.status.alive(RouteTask::Reading);
            if timeout(SIGN_OF_LIFE, &mut running).await.is_ok() {
                return tracing::info!(route = self.status.name(), "the route is resumed");
            }
        }
    }

    async fn hand_over(
        &mut self,
        read: Read,
        page_room: OwnedSemaphorePermit,
        mut trace: Option<Box<PageTrace>>,
    ) -> Option<()> {
        if let Some(trace) = &mut trace {
            trace.fetched(read.page.events.len(), read.page.events.size_bytes());
        }
        let now = Timestamp::now();
        // First what is there, then what is not: in between nothing may seem to be delivered.
        let events = u64::try_from(read.page.events.len()).ok();
        let undelivered =
            oldest(&read.page.events, now).map(|oldest| self.status.undelivered(oldest, events));
        self.status.read_to(if read.is_tail {
            Frontier::NothingSince(read.page.asked_at)
        } else {
            Frontier::MoreFrom(last(&read.page.events, now))
        });
        report_okta_answer(&self.status);
        self.status.enter(if read.is_tail { Phase::AtTail } else { Phase::Reading });
        let leads_to = read.position.link.clone();
        if read.page.events.is_empty() && self.last_link.as_ref() == Some(&leads_to) {
            // There is nothing to deliver, and nothing to commit.
            return Some(());
        }
        let byte_room = self.room(self.limit.bytes(read.page.events.size_bytes())).await?;
        let permit = InFlightPermit::new(page_room, byte_room, undelivered).traced(trace);
        let page = PageInFlight { read, rendering: Arc::clone(&self.rendering), permit };
        self.pages.send(page).await.ok()?;
        self.last_link = Some(leads_to);
        Some(())
    }

    /// Waits for room, which takes as long as the sink does, and gives signs of life meanwhile.
    async fn room(
        &self,
        room: impl Future<Output = Option<OwnedSemaphorePermit>>,
    ) -> Option<OwnedSemaphorePermit> {
        let mut room = std::pin::pin!(room);
        loop {
            self.status.alive(RouteTask::Reading);
            if let Ok(acquired) = timeout(SIGN_OF_LIFE, &mut room).await {
                return acquired;
            }
        }
    }
}

/// When the oldest event was published; one that does not say it has just been. None: there are no events. Okta writes
/// all times alike, so that as texts they sort as times do.
fn oldest(events: &Events, now: Timestamp) -> Option<Timestamp> {
    let published = events.iter().filter_map(|event| event.published()).min();
    let published = published.and_then(|published| published.parse::<Timestamp>().ok());
    (!events.is_empty()).then(|| published.map_or(now, |published| published.min(now)))
}

/// When the last event was published, about which what comes next was too.
fn last(events: &Events, now: Timestamp) -> Timestamp {
    let last = events.len().checked_sub(1).and_then(|last| events.get(last));
    let published = last.and_then(|event| event.published()?.parse::<Timestamp>().ok());
    published.map_or(now, |published| published.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(body: &'static str) -> (Option<Timestamp>, Timestamp) {
        let (events, now) = (Events::parse(body.into()).unwrap(), at(12));
        (oldest(&events, now), last(&events, now))
    }

    fn at(hour: u8) -> Timestamp {
        format!("2026-11-29T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_page_is_as_old_as_its_oldest_event_and_ends_with_its_last() {
        let page = r#"[{"published":"2026-11-29T10:00:00.000Z"},{"published":"2026-11-29T07:00:00.000Z"},{"published":"2026-11-29T11:00:00.000Z"}]"#;
        assert_eq!(times(page), (Some(at(7)), at(11)));
    }

    #[test]
    fn what_says_no_time_or_one_to_come_has_just_been() {
        assert_eq!(times(r#"[{"published":"2036-01-01T00:00:00.000Z"},{}]"#), (Some(at(12)), at(12)));
        assert_eq!(times(r#"[{"published":"yesterday"}]"#), (Some(at(12)), at(12)));
        assert_eq!(times("[]"), (None, at(12)));
    }
}
