//! The side of Okta that commands need: looks and changes. The real one is a client of an org; another one is simulated, so
//! that the same executor runs in a seeded world. Decides nothing.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{Change, Changed, Client, Found, OktaError, Target};
use serde_json::{Value, value::RawValue};
use url::Url;

/// Whether what a change was decided by still holds: asked if the change had to wait before it is sent.
pub type Holds<'a> = dyn Fn() -> BoxFuture<'a, bool> + Send + Sync + 'a;

/// One org, as commands see it.
pub trait Okta: fmt::Debug + Send + Sync {
    /// Where the org is: scheme and host.
    fn url(&self) -> &Url;

    /// By how much Okta's clock is ahead of ours, as far as it is known.
    fn clock_ahead(&self) -> SignedDuration;

    /// What our own clock shows.
    fn now(&self) -> Timestamp;

    /// Looks up what is at `url`: a target's, or one that a link points to.
    fn look_up<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Found<Box<RawValue>>, OktaError>>;

    /// Makes a change. It is sent again only if it is certain that Okta has not made it; every other failure is
    /// [ambiguous](OktaError::is_ambiguous).
    fn change<'a>(
        &'a self,
        change: &'a Change,
        holds: &'a Holds<'a>,
    ) -> BoxFuture<'a, Result<Changed, OktaError>>;
}

impl dyn Okta + '_ {
    /// Where `target` is.
    pub(super) fn url_of(&self, target: &Target) -> Url {
        target.url(self.url())
    }

    /// What `change` would send, for people.
    pub(super) fn shown(&self, change: &Change) -> Value {
        change.shown(self.url())
    }

    /// What Okta's clock shows.
    pub(super) fn okta_now(&self) -> Timestamp {
        self.now().saturating_add(self.clock_ahead()).unwrap_or(Timestamp::MAX)
    }
}

impl Okta for Client {
    fn url(&self) -> &Url {
        &self.org().url
    }

    fn clock_ahead(&self) -> SignedDuration {
        Client::clock_ahead(self)
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn look_up<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Found<Box<RawValue>>, OktaError>> {
        Client::look_up(self, url).boxed()
    }

    fn change<'a>(
        &'a self,
        change: &'a Change,
        holds: &'a Holds<'a>,
    ) -> BoxFuture<'a, Result<Changed, OktaError>> {
        self.change_while(change, holds).boxed()
    }
}
