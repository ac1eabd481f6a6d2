//! Reads a window of the System Log to its end, request by request: for searches and for replays.
//!
//! Moves no cursor and stores nothing. Okta answers in the order of `published`; after a failure the reader asks again,
//! and leaves out events that it has read before.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use okta_client::{
    Class, Client, OktaError, Priority,
    logs::{self, Order, PAGE_SIZE_MAX},
};
use okta_system_log::event::{Event, Events};
use url::Url;

use super::{LogSource, parsing::parse};
use crate::{
    retry::{Backoff, RetryPolicy},
    state::RecentIds,
    telemetry::chain,
};

/// Reads one window.
#[derive(Debug)]
pub struct WindowReader {
    source: Arc<dyn LogSource>,
    /// The org's address.
    org: Url,
    priority: Priority,
    window: logs::Window,
    /// What to ask next; none once everything is read.
    next: Option<Url>,
    /// The `published` that was read last, for asking by time where a link cannot be followed.
    edge: Option<Timestamp>,
    /// What was read last.
    recent: RecentIds,
    /// Events that may still be read.
    left: u64,
    retry: Backoff,
    attention: Backoff,
}

/// Events that came with one request.
#[derive(Debug)]
pub struct WindowPart {
    /// As Okta sent them.
    pub events: Arc<Events>,
    /// Indices of those that were read already or are beyond the limit. Ascending.
    pub left_out: Vec<u32>,
    /// Where to go on after it; none at the end.
    pub next: Option<Url>,
}

/// The result of one request.
#[derive(Debug)]
pub enum WindowStep {
    /// Events came.
    Events(WindowPart),
    /// Everything has been read.
    Ended,
    /// No events; the next step asks again, after `wait`.
    Failed {
        /// What happened.
        error: OktaError,
        /// How long to wait before the next step.
        wait: Duration,
    },
}

impl WindowReader {
    /// Begins with `window`, and reads at most `limit` events.
    pub fn new(client: Arc<Client>, priority: Priority, window: logs::Window, limit: Option<u64>) -> Self {
        let org = client.org().url.clone();
        Self::from_source(client, org, priority, window, limit)
    }

    /// Begins with `window` of the org at `org`, whose log is `source`.
    pub(crate) fn from_source(
        source: Arc<dyn LogSource>,
        org: Url,
        priority: Priority,
        window: logs::Window,
        limit: Option<u64>,
    ) -> Self {
        let next = Some(logs::window_url(&org, &window));
        Self::at((source, org), priority, window, next, limit)
    }

    /// Goes on with `window` of the org at `org` at `next`, a link that Okta gave for it.
    pub(crate) fn resume(
        source: Arc<dyn LogSource>,
        org: Url,
        priority: Priority,
        window: logs::Window,
        next: Url,
    ) -> Self {
        Self::at((source, org), priority, window, Some(next), None)
    }

    fn at(
        (source, org): (Arc<dyn LogSource>, Url),
        priority: Priority,
        window: logs::Window,
        next: Option<Url>,
        limit: Option<u64>,
    ) -> Self {
        Self {
            source,
            org,
            priority,
            window,
            next,
            edge: None,
            recent: RecentIds::default(),
            left: limit.unwrap_or(u64::MAX),
            retry: RetryPolicy::OKTA.backoff(),
            attention: RetryPolicy::OKTA_ATTENTION.backoff(),
        }
    }

    /// Makes one request. May be dropped at any time: nothing moves before the answer is there.
    pub async fn step(&mut self) -> WindowStep {
        let Some(url) = self.next.clone() else { return WindowStep::Ended };
        let (events, next) = match self.ask(&url).await {
            Ok(answer) => answer,
            Err(error) => return self.fail(error, &url),
        };
        let is_stuck = next.as_ref() == Some(&url);
        let part = self.take(events, next);
        if !is_stuck {
            return self.went_on(part);
        }
        if part.left_out.len() == part.events.len() {
            return self.fail(OktaError::NotAPage("its `next` link leads to itself".to_owned()), &url);
        }
        // There is something new in it, and what comes after it is found by time.
        if self.next.is_some() {
            self.ask_by_time();
        }
        self.went_on(WindowPart { next: self.next.clone(), ..part })
    }

    fn went_on(&mut self, part: WindowPart) -> WindowStep {
        self.retry.reset();
        self.attention.reset();
        WindowStep::Events(part)
    }

    async fn ask(&self, url: &Url) -> Result<(Events, Option<Url>), OktaError> {
        let logs::BoundedPage { body, next } = self.source.part(url, self.priority).await?;
        let events_max = logs::events_max(url);
        let not_a_page = |reason: String| OktaError::NotAPage(reason);
        let events = parse(body, events_max).await.map_err(|err| not_a_page(err.to_string()))?;
        Ok((events.map_err(|err| not_a_page(chain(&err)))?, next))
    }

    fn take(&mut self, events: Events, next: Option<Url>) -> WindowPart {
        let mut seen = self.recent.to_set();
        let mut left_out = Vec::new();
        for (event, index) in events.iter().zip(0..) {
            let identity = event.identity();
            self.edge = self.within(&event).or(self.edge);
            if seen.contains(&identity) || self.left == 0 {
                left_out.push(index);
                continue;
            }
            self.left -= 1;
            self.recent.remember(&identity);
            seen.insert(&identity);
        }
        self.next = if self.left == 0 { None } else { next };
        WindowPart { events: Arc::new(events), left_out, next: self.next.clone() }
    }

    fn fail(&mut self, error: OktaError, asked: &Url) -> WindowStep {
        let wait = match error.class() {
            // A query that takes too long ends sooner with fewer events.
            Class::Retry(_) if error.is_query_timeout() && self.window.page_size > 1 => {
                self.window.page_size /= 2;
                self.ask_by_time();
                self.retry.next_wait()
            }
            Class::Retry(Some(wait)) => wait,
            Class::Retry(None) => self.retry.next_wait(),
            Class::Permanent if is_okta_link(asked) => {
                self.ask_by_time();
                self.attention.next_wait()
            }
            Class::Permanent | Class::Authentication | Class::Configuration => self.attention.next_wait(),
        };
        WindowStep::Failed { error, wait }
    }

    /// Leaves the link, which has the page size in it. `since` includes its millisecond and `until` does not.
    fn ask_by_time(&mut self) {
        let mut window = self.window.clone();
        if let Some(edge) = self.edge {
            match window.order {
                Order::Ascending => window.since = window.since.max(edge),
                Order::Descending => window.until = window.until.min(edge + Duration::from_millis(1)),
            }
        }
        window.page_size = window.page_size.clamp(1, PAGE_SIZE_MAX);
        self.next = Some(logs::window_url(&self.org, &window));
    }

    /// When an event was published, if it says so. A time beyond the window is a clock's fault: what is asked from there on
    /// would leave out all that lies between.
    fn within(&self, event: &Event<'_>) -> Option<Timestamp> {
        let published = event.published().and_then(|published| published.parse::<Timestamp>().ok())?;
        (published >= self.window.since && published < self.window.until).then_some(published)
    }
}

/// Whether Okta made the URL: only its links carry `after`.
fn is_okta_link(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| name == "after")
}
