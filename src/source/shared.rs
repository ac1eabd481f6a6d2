//! A stream: what its routes share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::FutureExt as _;
use jiff::Timestamp;
use okta_client::{Client, OktaError, logs};
use serde::Serialize;
use tokio::{sync::Notify, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{
    Page,
    log_source::LogSource,
    pace::{Pace, PaceTally, Poll},
    page::Times,
    page_cache::{Fetched, PageCache},
    parsing::parse,
};
use crate::{
    config::StreamConfig,
    state::{Cursor, RecentIds},
    telemetry::chain,
};

/// The feed of one org's new events.
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
    client: Arc<Client>,
    source: Arc<dyn LogSource>,
    cache: PageCache,
    pace: Arc<Mutex<Pace>>,
    /// Wakes those who wait for the next poll when it begins earlier than it was to.
    rung: Notify,
    begun_at: Instant,
    /// The start of routes that have no cursor. It is the same for all, so that they share the first request too.
    start: Timestamp,
}

impl Stream {
    /// The stream of `config`, read through `client`.
    pub fn new(config: StreamConfig, client: Arc<Client>) -> Self {
        let source = Arc::clone(&client);
        let cache = PageCache::new(config.page_cache_bytes);
        cache.share(config.routes.len() > 1);
        Self::with_source(config, client, source, cache)
    }

    /// So many routes read it from now on.
    pub fn read_by(&self, routes: usize) {
        self.cache.share(routes > 1);
    }

    /// A stream whose pages come from `source`.
    pub(super) fn with_source(
        config: StreamConfig,
        client: Arc<Client>,
        source: Arc<dyn LogSource>,
        cache: PageCache,
    ) -> Self {
        let start = config.start.resolve(Timestamp::now(), logs::RETENTION);
        let begun_at = Instant::now();
        let pace = Arc::new(Mutex::new(Pace::new(config.poll_interval, begun_at)));
        Self { config, client, source, cache, pace, rung: Notify::new(), begun_at, start }
    }

    /// What was configured when it began; its routes may be others by now.
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// The client of its org.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What is asked of Okta, in words: a link belongs to it and is of no use for any other question.
    pub fn question(&self) -> String {
        let origin = self.client.org().url.origin().ascii_serialization();
        match &self.config.filter {
            Some(filter) => format!("{origin} {filter}"),
            None => origin,
        }
    }

    /// Where a route begins that has no cursor.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Where a route would begin had the clock of this machine been Okta's, which shows `okta_now`.
    pub(super) fn start_by(&self, okta_now: Timestamp) -> Timestamp {
        let begun_at = okta_now.saturating_sub(self.begun_at.elapsed()).unwrap_or(okta_now);
        self.config.start.resolve(begun_at, logs::RETENTION)
    }

    /// The URL that begins at `since`.
    pub fn url_since(&self, since: Timestamp) -> Url {
        let query =
            logs::Query { since, filter: self.config.filter.clone(), page_size: self.config.page_size };
        logs::first_url(&self.client, &query)
    }

    /// The cursor of a route that begins at `since`.
    pub fn cursor_at(&self, since: Timestamp) -> Cursor {
        Cursor {
            link: self.url_since(since).into(),
            question: self.question(),
            published_max: None,
            advanced_at: Timestamp::now(),
            delivered: 0,
            mark: None,
            of_bus: None,
            left_behind: Vec::new(),
            recent: RecentIds::default(),
        }
    }

    /// What Okta's clock shows, as far as it is known.
    pub(super) fn okta_now(&self) -> Timestamp {
        self.source.okta_now()
    }

    /// The page at `url`, shared with the other routes. That nothing is new counts only if it was asked for after
    /// `fresh_since`.
    pub(super) async fn page(&self, url: &Url, fresh_since: Instant) -> Fetched {
        let (source, asked, pace) = (Arc::clone(&self.source), url.clone(), Arc::clone(&self.pace));
        let per_minute = self.requests_per_minute();
        // In a task of its own, so that a panic costs this request and nothing more.
        let fetch = move || {
            let fetching = AbortOnDropHandle::new(tokio::spawn(fetch(source, asked)));
            async move {
                let broken_off = |err: tokio::task::JoinError| OktaError::BrokenOff(err.to_string());
                let fetched = fetching.await.map_err(broken_off).flatten();
                if fetched.as_ref().is_ok_and(|page| !page.events.is_empty()) {
                    lock(&pace).found(per_minute);
                }
                fetched.map(Arc::new).map_err(Arc::new)
            }
            .boxed()
        };
        self.cache.get(url, fresh_since, fetch).await
    }

    /// Forgets the page at `url`, so that it is asked for again.
    pub(super) async fn forget(&self, url: &Url) {
        self.cache.forget(url).await;
    }

    /// When the poll began in whose time this is. All routes wake together, so that one request serves them.
    pub(super) fn poll_began_at(&self) -> Instant {
        self.poll().began_at
    }

    /// Waits at the tail until a poll has begun after the one that began at `asked_in`.
    pub(super) async fn next_poll(&self, asked_in: Instant) {
        loop {
            let mut rung = std::pin::pin!(self.rung.notified());
            // Before the look, so that no ring is missed.
            rung.as_mut().enable();
            let Poll { began_at, next_at } = self.poll();
            if began_at > asked_in {
                return;
            }
            // In both cases look again.
            let _ = tokio::time::timeout_at(next_at, rung).await;
        }
    }

    /// Somebody says that there are new events: the next poll begins as soon as it may.
    pub fn ring(&self) {
        let per_minute = self.requests_per_minute();
        lock(&self.pace).ring(Instant::now(), per_minute);
        self.rung.notify_waiters();
    }

    /// How the stream stands now.
    pub fn snapshot(&self) -> StreamSnapshot {
        let (interval, tally) = {
            let pace = lock(&self.pace);
            (pace.interval(), pace.tally())
        };
        let PaceTally { woken, found, saved } = tally;
        StreamSnapshot {
            stream: self.config.name.clone(),
            org: self.config.org.clone(),
            poll_interval_seconds: interval.as_secs_f64(),
            idle_requests_per_hour: self.config.poll_interval.idle_requests_per_hour(),
            polls_by_rings: woken,
            rings_with_events: found,
            seconds_saved: saved.as_secs_f64(),
        }
    }

    fn poll(&self) -> Poll {
        let per_minute = self.requests_per_minute();
        lock(&self.pace).poll_at(Instant::now(), per_minute)
    }

    /// What the budget allows, as far as it is known.
    fn requests_per_minute(&self) -> Option<u64> {
        self.client.logs_budget().allowed
    }
}

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamSnapshot {
    /// The stream.
    pub stream: String,
    /// The org that it reads.
    pub org: String,
    /// The time between two polls just now, without rings.
    pub poll_interval_seconds: f64,
    /// Requests in an hour in which nothing happens.
    pub idle_requests_per_hour: f64,
    /// Polls that rings began, since this start.
    pub polls_by_rings: u64,
    /// Rings whose polls found events.
    pub rings_with_events: u64,
    /// By how much earlier these were found than by the next regular poll, all together.
    pub seconds_saved: f64,
}

fn lock(pace: &Mutex<Pace>) -> MutexGuard<'_, Pace> {
    // Nothing panics while the lock is held.
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn fetch(source: Arc<dyn LogSource>, url: Url) -> Result<Page, OktaError> {
    let asked_at = Instant::now();
    let logs::LogPage { body, next } = source.page(&url).await?;
    let times = Times { asked_at, answered_at: source.okta_now() };
    let events_max = logs::events_max(&url);
    let events = parse(body, events_max).await.map_err(|err| OktaError::BrokenOff(err.to_string()))?;
    let events = events.map_err(|err| OktaError::NotAPage(chain(&err)))?;
    Ok(Page::new(&url, events, next, times))
}
