//! Okta's side of streams and windows: the client of the org, or a simulated log.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use okta_client::{Client, OktaError, Priority, logs};
use url::Url;

/// An org's System Log, asked page by page.
pub(crate) trait LogSource: fmt::Debug + Send + Sync {
    /// Asks for the page at `url`.
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>>;

    /// Asks for the answer at `url`, which belongs to a bounded window, in the turn of `priority`.
    fn part<'a>(
        &'a self,
        url: &'a Url,
        priority: Priority,
    ) -> BoxFuture<'a, Result<logs::BoundedPage, OktaError>>;

    /// What Okta's clock shows, as far as it is known.
    fn okta_now(&self) -> Timestamp;
}

impl LogSource for Client {
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>> {
        logs::get(self, url, Priority::Stream).boxed()
    }

    fn part<'a>(
        &'a self,
        url: &'a Url,
        priority: Priority,
    ) -> BoxFuture<'a, Result<logs::BoundedPage, OktaError>> {
        logs::bounded_page(self, url, priority).boxed()
    }

    fn okta_now(&self) -> Timestamp {
        Self::okta_now(self)
    }
}
