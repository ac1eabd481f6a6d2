//! Bounded requests: a window with a beginning and an end. Okta answers in the order of `published` and gives no `next`
//! link with the last page. Events that Okta commits late are missing if the window is read too early.

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;

use super::{Order, logs_url, okta_time, see_logs};
use crate::{Client, OktaError, Priority};

/// The query of the first request; every later request follows a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// `published` at this time or later. Okta looks at milliseconds.
    pub since: Timestamp,
    /// `published` before this time.
    pub until: Timestamp,
    /// A SCIM filter, run by Okta.
    pub filter: Option<String>,
    /// Keywords, at most 10 of at most 40 characters.
    pub q: Option<String>,
    /// By `published`.
    pub order: Order,
    /// Events a page, 1 to 1,000. Links keep it.
    pub page_size: u16,
}

/// One answer: a JSON array of events as Okta wrote it, and the link to what comes after it, unless it is the last one.
#[derive(Debug)]
pub struct BoundedPage {
    /// The array.
    pub body: Bytes,
    /// To be followed byte for byte.
    pub next: Option<Url>,
}

/// The URL of the first request.
pub fn window_url(org: &Url, window: &Window) -> Url {
    let mut url = logs_url(org);
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("since", &okta_time(window.since));
    pairs.append_pair("until", &okta_time(window.until));
    pairs.append_pair("limit", &window.page_size.to_string());
    let order = match window.order {
        Order::Ascending => "ASCENDING",
        Order::Descending => "DESCENDING",
    };
    pairs.append_pair("sortOrder", order);
    for (name, value) in [("filter", &window.filter), ("q", &window.q)] {
        if let Some(value) = value {
            pairs.append_pair(name, value);
        }
    }
    drop(pairs);
    url
}

/// Asks for the part of a window at `url`: the first one, or a `next` link.
pub async fn bounded_page(client: &Client, url: &Url, priority: Priority) -> Result<BoundedPage, OktaError> {
    see_logs(url)?;
    let answer = client.get(url, priority).await?;
    Ok(BoundedPage { body: answer.body, next: answer.next })
}
