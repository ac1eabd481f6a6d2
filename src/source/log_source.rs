//! Okta's side of a stream: the client of the org, or a simulated log.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use okta_client::{Client, OktaError, Priority, logs};
use url::Url;

/// An org's System Log, asked page by page.
pub(super) trait LogSource: fmt::Debug + Send + Sync {
    /// Asks for the page at `url`.
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>>;

    /// What Okta's clock shows, as far as it is known.
    fn okta_now(&self) -> Timestamp;
}

impl LogSource for Client {
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>> {
        logs::get(self, url, Priority::Stream).boxed()
    }

    fn okta_now(&self) -> Timestamp {
        Self::okta_now(self)
    }
}
