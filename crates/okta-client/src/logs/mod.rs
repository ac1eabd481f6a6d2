//! The System Log: `GET /api/v1/logs`, in its two ways.
//!
//! *Polling* never ends and omits nothing; a *bounded* query covers a window and ends, and may miss events that are committed
//! late (Okta, "System Log query").

mod bounded;
mod polling;

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::{OktaError, client::see_resource};
pub use bounded::{BoundedPage, Window, bounded_page, window_url};
pub use polling::{LogPage, Query, first_url, get};

/// The largest page of events that Okta gives.
pub const PAGE_SIZE_MAX: u16 = 1_000;
/// Okta keeps 90 days, and refuses a `since` of more than 180 days ago.
pub const RETENTION: Duration = Duration::from_secs(90 * 86_400);

const PATH: &str = "/api/v1/logs";
/// Okta's page size where a link does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// The order of events by `published`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The oldest first.
    #[default]
    Ascending,
    /// The newest first.
    Descending,
}

fn logs_url(org: &Url) -> Url {
    let mut url = org.clone();
    url.set_path(PATH);
    url
}

/// Whether `url` is the System Log's.
pub(super) fn is_log(url: &Url) -> bool {
    url.path() == PATH
}

/// Checks that a link, which may come from a changed state, belongs to the System Log.
fn see_logs(url: &Url) -> Result<(), OktaError> {
    see_resource(url, PATH)
}

/// How many events are asked for at `url`: fewer in the answer are all that there are.
pub fn page_size(url: &Url) -> usize {
    limit(url).unwrap_or(PAGE_SIZE_DEFAULT)
}

/// How many events an answer to `url` may have: one whose link does not say how many it asks for may have as many as
/// any page.
pub fn events_max(url: &Url) -> usize {
    limit(url).unwrap_or(usize::from(PAGE_SIZE_MAX))
}

/// The `limit` that stands in a URL. It is only read: a link is never put together again.
fn limit(url: &Url) -> Option<usize> {
    let (_, limit) = url.query_pairs().find(|(name, _)| name == "limit")?;
    Some(limit.parse::<usize>().ok()?.clamp(1, usize::from(PAGE_SIZE_MAX)))
}

/// Milliseconds and `Z`, as Okta writes times itself.
fn okta_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
