//! One route's walk through a stream: page after page, and back by time if Okta refuses the link.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use url::Url;

use super::{
    Page, Stream,
    polling::{Polling, Reaction},
};
use crate::{
    okta::{OktaError, logs},
    state::{RecentIds, RecentSet},
};

/// Where a route stands after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The link to what comes after the page.
    pub link: Url,
    /// The latest `published` so far.
    pub published_max: Option<Timestamp>,
}

/// A page that was read for a route.
#[derive(Debug)]
pub struct Read {
    /// The page, shared with the other routes.
    pub page: Arc<Page>,
    /// Where the route stands after it.
    pub position: Position,
    /// Indices of the events that were read before: they come again after a refused link. Ascending.
    pub known: Vec<u32>,
}

/// What became of one request.
#[derive(Debug)]
pub enum Step {
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

/// One route's walk through a stream.
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    polling: Polling,
    published_max: Option<Timestamp>,
    recent: RecentIds,
    /// Set after a refused link, until the tail is reached.
    known: Option<RecentSet>,
}

impl Reader {
    /// Goes on from `position`, having read the `recent` events last.
    pub fn new(stream: Arc<Stream>, position: Position, recent: RecentIds) -> Self {
        let polling = Polling::new(position.link, fastrand::u64(..));
        Self { stream, polling, published_max: position.published_max, recent, known: None }
    }

    /// Leaves the link and resumes by time, because the link belongs to another question.
    pub fn resume_by_time(&mut self, now: Timestamp) -> Timestamp {
        let since = self.resume_since(now);
        self.polling.resume(self.stream.url_since(since));
        self.known = Some(self.recent.to_set());
        since
    }

    /// The stream that is read.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Makes one request. May be dropped at any time: nothing moves before the page is there.
    pub async fn step(&mut self) -> Step {
        match self.stream.page(self.polling.link()).await {
            Ok(page) => Step::Read(self.take(page)),
            Err(error) => self.fail(error),
        }
    }

    fn take(&mut self, page: Arc<Page>) -> Read {
        let mut known = Vec::new();
        // A time to come is a mistake in the event, and would make a later resumption skip what lies between.
        let now = Timestamp::now();
        for (event, index) in page.events.iter().zip(0..) {
            let identity = event.identity();
            if self.known.as_ref().is_some_and(|set| set.contains(&identity)) {
                known.push(index);
                continue;
            }
            self.recent.remember(&identity);
            let published = event.published().and_then(|published| published.parse::<Timestamp>().ok());
            self.published_max = self.published_max.max(published.map(|published| published.min(now)));
        }
        if page.is_tail() {
            self.known = None;
        }
        self.polling.advance(page.next.clone());
        let position = Position { link: page.next.clone(), published_max: self.published_max };
        Read { page, position, known }
    }

    fn fail(&mut self, error: Arc<OktaError>) -> Step {
        match self.polling.fail(error.class()) {
            Reaction::Retry(wait) => Step::Failed { error, wait },
            Reaction::Resume(wait) => {
                let since = self.resume_by_time(Timestamp::now());
                Step::Refused { error, since, wait }
            }
        }
    }

    /// What was not yet read was committed to Okta's log after everything that was, and nothing is committed before it
    /// was published: so from the latest `published` on nothing is missing. The overlap is for clocks that disagree.
    fn resume_since(&self, now: Timestamp) -> Timestamp {
        let config = self.stream.config();
        match self.published_max {
            Some(published) => (published - config.overlap).clamp(now - logs::RETENTION, now),
            None => self.stream.start(),
        }
    }
}
