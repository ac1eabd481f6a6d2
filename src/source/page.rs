//! One answer of the System Log: events and the link after them.

use std::sync::Arc;

use jiff::Timestamp;
use okta_client::logs;
use okta_system_log::event::Events;
use tokio::time::Instant;
use url::Url;

/// One answer of `/api/v1/logs`, cut into events once for all routes.
#[derive(Debug)]
pub struct Page {
    /// The events, in Okta's order.
    pub events: Arc<Events>,
    /// The link to what comes after them.
    pub next: Url,
    /// When it was asked for. What Okta took into its log later is not in it.
    pub asked_at: Instant,
    /// When the answer came, by Okta's clock.
    pub(super) answered_at: Timestamp,
    /// Whether Okta gave fewer events than were asked for.
    is_short: bool,
    /// Whether the link is the one that was asked.
    leads_to_itself: bool,
}

/// When a page was asked for, and when its answer came by Okta's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) asked_at: Instant,
    pub(super) answered_at: Timestamp,
}

impl Page {
    /// The page that came as the answer to `asked`.
    pub(super) fn new(asked: &Url, events: Events, next: Url, times: Times) -> Self {
        let is_short = events.len() < logs::page_size(asked);
        let leads_to_itself = &next == asked;
        let Times { asked_at, answered_at } = times;
        Self { events: Arc::new(events), next, asked_at, answered_at, is_short, leads_to_itself }
    }

    /// Whether Okta had no more when this was asked for, or at least gave none: a time to wait.
    pub(super) fn was_tail(&self) -> bool {
        self.is_short
    }

    /// Whether Okta had no more for certain. A page without events whose link leads on is a tail to wait at, but no proof that there
    /// is nothing behind it.
    pub(super) fn was_end(&self) -> bool {
        self.is_short && (!self.events.is_empty() || self.leads_to_itself)
    }

    /// Whether the same question may be answered differently later. A page with events whose link leads on stays
    /// what it is.
    pub(super) fn is_news(&self) -> bool {
        self.events.is_empty() || self.leads_to_itself
    }

    /// Bytes that it takes in memory.
    pub(super) fn size_bytes(&self) -> usize {
        self.events.size_bytes() + self.next.as_str().len() + size_of::<Self>()
    }
}

#[cfg(test)]
impl Page {
    /// The page that `body` is as the answer to `asked`, asked for now.
    pub(super) fn for_tests(asked: &Url, body: &str, next: &Url) -> Self {
        let events = Events::parse(body.to_owned().into()).unwrap();
        let times = Times { asked_at: Instant::now(), answered_at: Timestamp::UNIX_EPOCH };
        Self::new(asked, events, next.clone(), times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_short_by_the_limit_of_its_own_link() {
        let was_tail = |url: &str, events: usize| {
            let body = format!("[{}]", vec!["{}"; events].join(","));
            let url = Url::parse(url).unwrap();
            Page::for_tests(&url, &body, &url).was_tail()
        };
        assert!(was_tail("https://a/?limit=3", 2));
        assert!(!was_tail("https://a/?limit=3", 3));
        assert!(!was_tail("https://a/?after=1", 100));
        assert!(was_tail("https://a/?after=1", 99));
        assert!(was_tail("https://a/?limit=nonsense", 0));
    }
}
