//! A stream: what its routes share.

use std::{sync::Arc, time::Duration};

use futures_util::future::FutureExt as _;
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use super::{
    Page,
    page_cache::{Fetched, PageCache},
};
use crate::{
    config::StreamConfig,
    event::Events,
    okta::{Client, OktaError, Priority, logs},
    state::{Cursor, RecentIds},
    telemetry::chain,
};

/// The feed of one org's new events.
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
    client: Arc<Client>,
    cache: PageCache,
    begun_at: Instant,
    /// Where routes begin that have no cursor. The same for all of them, so that they share the first request too.
    start: Timestamp,
}

impl Stream {
    /// The stream of `config`, read through `client`.
    pub fn new(config: StreamConfig, client: Arc<Client>) -> Self {
        // Nobody would ever use what is kept for a single route.
        let cache_bytes = if config.routes.len() > 1 { config.page_cache_bytes } else { 0 };
        let cache = PageCache::new(cache_bytes, config.poll_interval / 2);
        let start = config.start.resolve(Timestamp::now(), logs::RETENTION);
        Self { config, client, cache, begun_at: Instant::now(), start }
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
            recent: RecentIds::default(),
        }
    }

    /// The page at `url`, shared with the other routes.
    pub(super) async fn page(&self, url: &Url) -> Fetched {
        let (client, asked) = (Arc::clone(&self.client), url.clone());
        let fetch =
            move || async move { fetch(&client, &asked).await.map(Arc::new).map_err(Arc::new) }.boxed();
        self.cache.get(url, fetch).await
    }

    /// How long to wait at the tail. All routes wake together, so that one request serves them.
    pub fn until_next_poll(&self) -> Duration {
        let interval = self.config.poll_interval.max(Duration::from_millis(1));
        let past = self.begun_at.elapsed().as_nanos() % interval.as_nanos();
        interval - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
    }
}

async fn fetch(client: &Client, url: &Url) -> Result<Page, OktaError> {
    let logs::Answer { body, next } = logs::get(client, url, Priority::Stream).await?;
    let parsing = tokio::task::spawn_blocking(move || Events::parse(body)).await;
    let not_a_page = |reason: String| OktaError::NotAPage(reason);
    let events =
        parsing.map_err(|err| not_a_page(err.to_string()))?.map_err(|err| not_a_page(chain(&err)))?;
    Ok(Page::new(url, events, next))
}
