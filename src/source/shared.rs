//! A stream: what its routes share.

use std::{sync::Arc, time::Duration};

use futures_util::future::FutureExt as _;
use jiff::Timestamp;
use okta_client::{Client, OktaError, logs};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{
    Page,
    log_source::LogSource,
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
    begun_at: Instant,
    /// The start of routes that have no cursor. It is the same for all, so that they share the first request too.
    start: Timestamp,
}

impl Stream {
    /// The stream of `config`, read through `client`.
    pub fn new(config: StreamConfig, client: Arc<Client>) -> Self {
        let source = Arc::clone(&client);
        // A single route would never use a cached page.
        let is_shared = config.routes.len() > 1;
        let cache = if is_shared { PageCache::new(config.page_cache_bytes) } else { PageCache::none() };
        Self::with_source(config, client, source, cache)
    }

    /// A stream whose pages come from `source`.
    pub(super) fn with_source(
        config: StreamConfig,
        client: Arc<Client>,
        source: Arc<dyn LogSource>,
        cache: PageCache,
    ) -> Self {
        let start = config.start.resolve(Timestamp::now(), logs::RETENTION);
        Self { config, client, source, cache, begun_at: Instant::now(), start }
    }

    /// What was configured.
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
        let (source, asked) = (Arc::clone(&self.source), url.clone());
        // In a task of its own, so that a panic costs this request and nothing more.
        let fetch = move || {
            let fetching = AbortOnDropHandle::new(tokio::spawn(fetch(source, asked)));
            async move {
                let broken_off = |err: tokio::task::JoinError| OktaError::BrokenOff(err.to_string());
                fetching.await.map_err(broken_off).flatten().map(Arc::new).map_err(Arc::new)
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
        let now = Instant::now();
        now - self.since_poll(now)
    }

    /// How long to wait at the tail.
    pub fn until_next_poll(&self) -> Duration {
        self.poll_interval() - self.since_poll(Instant::now())
    }

    fn since_poll(&self, now: Instant) -> Duration {
        let past = now.duration_since(self.begun_at).as_nanos() % self.poll_interval().as_nanos();
        Duration::from_nanos(u64::try_from(past).unwrap_or_default())
    }

    fn poll_interval(&self) -> Duration {
        self.config.poll_interval.max(Duration::from_millis(1))
    }
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
