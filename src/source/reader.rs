//! Reads a stream for one route: page after page, each event once, and resumes by time if Okta refuses the link.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use okta_client::{OktaError, logs};
use okta_system_log::event::Event;
use tokio::time::Instant;
use url::Url;

use super::{
    Page, Stream,
    polling::{Polling, Reaction},
    seen::Seen,
    watermark::Watermark,
};
use crate::state::RecentIds;

/// By how much Okta's clock and one that is right may differ.
const CLOCKS_APART: Duration = Duration::from_secs(300);

/// The position of a route after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The link to what comes after the page.
    pub link: Url,
    /// The latest `published` so far, as far as it is believed.
    pub published_max: Option<Timestamp>,
}

/// A page that was read for a route.
#[derive(Debug)]
pub struct Read {
    /// The page, shared with the other routes.
    pub page: Arc<Page>,
    /// The position of the route after it.
    pub position: Position,
    /// Indices of the events that were read before: Okta gives them again after a refused link, and sometimes otherwise.
    /// Ascending.
    pub known: Vec<u32>,
    /// Whether Okta had no more when this route asked, so that it is time to wait for the next poll. A page that another
    /// route asked for in an earlier poll never is, since more may have come: then it is time to read on.
    pub is_tail: bool,
    /// Whether Okta had no more for certain. A page without events whose link leads on is a tail to wait at, but no proof that there is
    /// nothing behind it.
    pub is_end: bool,
}

/// The result of one request.
#[derive(Debug)]
pub enum ReadStep {
    /// A page.
    Read(Read),
    /// No page; the same is asked again after `wait`.
    Failed {
        /// What happened.
        error: Arc<OktaError>,
        /// How long to wait before the next step.
        wait: Duration,
    },
    /// Okta refused the link; the next step resumes by time, and there may be a gap.
    Refused {
        /// What Okta said.
        error: Arc<OktaError>,
        /// From when events are asked for again.
        since: Timestamp,
        /// How long to wait before the next step.
        wait: Duration,
    },
}

/// Reads a stream for one route.
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    polling: Polling,
    watermark: Watermark,
    seen: Seen,
    /// When the poll began in which this asked last.
    asked_in: Instant,
}

impl Reader {
    /// Goes on from `position`, having read the `recent` events last.
    pub fn new(stream: Arc<Stream>, position: Position, recent: &RecentIds) -> Self {
        let polling = Polling::new(position.link, fastrand::u64(..));
        let (watermark, seen) = (Watermark::new(position.published_max), Seen::new(recent));
        let asked_in = stream.poll_began_at();
        Self { stream, polling, watermark, seen, asked_in }
    }

    /// Leaves the link and resumes by time, because the link belongs to another question.
    pub fn resume_by_time(&mut self) -> Timestamp {
        let since = self.resume_since();
        self.polling.resume(self.stream.url_since(since));
        since
    }

    /// Waits at the tail until it is time to ask again: for the stream's next poll, or for a ring.
    pub async fn next_poll(&self) {
        self.stream.next_poll(self.asked_in).await;
    }

    /// What will be asked next.
    #[cfg(test)]
    pub(super) fn link(&self) -> &Url {
        self.polling.link()
    }

    /// Makes one request. May be dropped at any time: nothing moves before the page is there.
    pub async fn step(&mut self) -> ReadStep {
        self.leave_mistimed_start();
        let fresh_since = self.stream.poll_began_at();
        self.asked_in = fresh_since;
        let page = match self.stream.page(self.polling.link(), fresh_since).await {
            Ok(page) => page,
            Err(error) => return self.fail(error),
        };
        match self.take(page, fresh_since) {
            Some(read) => ReadStep::Read(read),
            None => {
                // The next request must not be answered from the cache.
                self.stream.forget(self.polling.link()).await;
                self.fail(Arc::new(OktaError::StuckLink))
            }
        }
    }

    /// A route that has read nothing and asks from a time that Okta's clock does not have, or from beyond the retention, was
    /// begun by a clock that was wrong: it would find nothing for as long as that lasts. It begins anew by Okta's clock.
    fn leave_mistimed_start(&mut self) {
        let now = self.stream.okta_now();
        let Some(since) = self.since().filter(|_| self.watermark.reached().is_none()) else { return };
        if (now - logs::RETENTION - CLOCKS_APART..=now + CLOCKS_APART).contains(&since) {
            return;
        }
        let begin = self.stream.start_by(now);
        tracing::error!(
            stream = self.stream.config().name, %since, %begin,
            "the route was to begin at a time that Okta's clock has not or its log does not reach: a clock was wrong; it \
             begins by Okta's clock, and what lies before that is left out"
        );
        self.polling.resume(self.stream.url_since(begin));
    }

    /// None if the page has nothing new and its link leads back to an earlier one.
    fn take(&mut self, page: Arc<Page>, fresh_since: Instant) -> Option<Read> {
        let mut known = Vec::new();
        for (event, index) in page.events.iter().zip(0..) {
            if !self.seen.insert(&event.identity()) {
                known.push(index);
            } else if let Some(published) = published(&event) {
                self.watermark.claim(published);
            }
        }
        let has_news = known.len() < page.events.len();
        if !page.events.is_empty() && self.polling.is_going_round(&page.next, has_news) {
            // The link is followed nevertheless, after a wait: it may lead further the next time.
            self.polling.go_round(page.next.clone());
            return None;
        }
        self.watermark.page_read(page.answered_at, page.was_end());
        self.polling.advance(page.next.clone());
        let position = Position { link: page.next.clone(), published_max: self.watermark.reached() };
        let is_fresh = page.asked_at >= fresh_since;
        let (is_tail, is_end) = (page.was_tail() && is_fresh, page.was_end() && is_fresh);
        Some(Read { page, position, known, is_tail, is_end })
    }

    fn fail(&mut self, error: Arc<OktaError>) -> ReadStep {
        match self.polling.fail(&error) {
            Reaction::Retry(wait) => ReadStep::Failed { error, wait },
            Reaction::Resume(wait) => {
                let since = self.resume_by_time();
                ReadStep::Refused { error, since, wait }
            }
        }
    }

    /// What was not yet read was committed to Okta's log after everything that was, and nothing is committed before it
    /// was published: so from the latest `published` on nothing is missing. The overlap is for clocks that disagree.
    fn resume_since(&self) -> Timestamp {
        let (overlap, now) = (self.stream.config().overlap, self.stream.okta_now());
        let earliest = now - logs::RETENTION;
        match self.watermark.reached() {
            // A clock was wrong when this was noted: nothing is known.
            Some(reached) if reached > now + overlap => earliest,
            Some(reached) => (reached - overlap).clamp(earliest, now),
            None => self.first_since().clamp(earliest, now),
        }
    }

    /// From when the route has been reading, where it has not read anything yet: Okta's links carry the first `since` on.
    fn first_since(&self) -> Timestamp {
        self.since().map_or(self.stream.start(), |since| since.min(self.stream.start()))
    }

    /// What the link says of when the route began.
    fn since(&self) -> Option<Timestamp> {
        let (_, since) = self.polling.link().query_pairs().find(|(name, _)| name == "since")?;
        since.parse().ok()
    }
}

fn published(event: &Event<'_>) -> Option<Timestamp> {
    event.published()?.parse().ok()
}
