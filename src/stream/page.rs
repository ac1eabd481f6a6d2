//! One answer of the System Log: events and the link after them.

use std::sync::Arc;

use tokio::time::Instant;
use url::Url;

use crate::{config::PAGE_SIZE_MAX, event::Events};

/// Okta's default where a link does not say.
const DEFAULT_PAGE_SIZE: usize = 100;

/// One answer of `/api/v1/logs`, cut into events once for all routes.
#[derive(Debug)]
pub struct Page {
    /// The events, in Okta's order.
    pub events: Arc<Events>,
    /// The link to what comes after them.
    pub next: Url,
    /// When the answer came.
    pub(super) read_at: Instant,
    is_short: bool,
    is_end: bool,
}

impl Page {
    /// The page that came as the answer to `asked`.
    pub(super) fn new(asked: &Url, events: Events, next: Url) -> Self {
        let is_short = events.len() < page_size(asked);
        let is_end = is_short && (!events.is_empty() || &next == asked);
        Self { events: Arc::new(events), next, read_at: Instant::now(), is_short, is_end }
    }

    /// Whether this is the tail: fewer events than were asked for, so that there are no more just now.
    pub fn is_tail(&self) -> bool {
        self.is_short
    }

    /// Whether everything has been read for certain. A page without events whose link leads on is a tail to wait at,
    /// but no proof that there is nothing behind it.
    pub fn is_end(&self) -> bool {
        self.is_end
    }
}

/// The `limit` that stands in a URL. It is only read: a link is never put together again.
fn page_size(url: &Url) -> usize {
    let limit = url.query_pairs().find(|(name, _)| name == "limit").and_then(|(_, value)| value.parse().ok());
    limit.unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, usize::from(PAGE_SIZE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_short_by_the_limit_of_its_own_link() {
        let page = |url: &str, events: usize| {
            let body = format!("[{}]", vec!["{}"; events].join(","));
            let url = Url::parse(url).unwrap();
            Page::new(&url, Events::parse(body.into()).unwrap(), url.clone()).is_tail()
        };
        assert!(page("https://a/?limit=3", 2));
        assert!(!page("https://a/?limit=3", 3));
        assert!(!page("https://a/?after=1", 100));
        assert!(page("https://a/?after=1", 99));
        assert!(page("https://a/?limit=nonsense", 0));
    }
}
