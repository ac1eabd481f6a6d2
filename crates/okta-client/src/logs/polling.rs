//! Polling requests: no `until`, and ascending. Okta answers in the order in which events were committed to its log,
//! omits none, and always gives a `next` link.

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;

use super::{logs_url, okta_time, see_logs};
use crate::{Client, OktaError, Priority};

/// The first request of a stream; every later one follows a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Events committed to the log since then.
    pub since: Timestamp,
    /// A SCIM filter, run by Okta.
    pub filter: Option<String>,
    /// Events a page, 1 to 1,000. Links keep it.
    pub page_size: u16,
}

/// One answer: a JSON array of events as Okta wrote it, and the link to what comes after it.
#[derive(Debug)]
pub struct LogPage {
    /// The array.
    pub body: Bytes,
    /// To be followed byte for byte.
    pub next: Url,
}

/// The URL of the first request.
pub fn first_url(client: &Client, query: &Query) -> Url {
    let mut url = logs_url(&client.org().url);
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("since", &okta_time(query.since));
    pairs.append_pair("limit", &query.page_size.to_string());
    pairs.append_pair("sortOrder", "ASCENDING");
    if let Some(filter) = &query.filter {
        pairs.append_pair("filter", filter);
    }
    drop(pairs);
    url
}

/// Asks for the page at `url`: the first one, or a `next` link.
pub async fn get(client: &Client, url: &Url, priority: Priority) -> Result<LogPage, OktaError> {
    see_logs(url)?;
    let answer = client.get(url, priority).await?;
    let next = answer.next.ok_or_else(|| no_next_link(&answer.body))?;
    Ok(LogPage { body: answer.body, next })
}

/// A web page with status 200 has no link either, and is the more likely cause.
fn no_next_link(body: &[u8]) -> OktaError {
    match body.trim_ascii_start().first() {
        Some(b'[') => OktaError::NoNextLink,
        _ => OktaError::NotAPage("it is no JSON array: does a proxy answer in Okta's place?".to_owned()),
    }
}
