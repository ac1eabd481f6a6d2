//! The side of Okta that commands need: looks and changes. The real one is a client of an org; another one is simulated, so
//! that the same executor runs in a seeded world. Decides nothing.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{Change, ChangePermit, Changed, Client, Found, OktaError, Target};
use serde_json::{Value, value::RawValue};
use url::Url;

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

    /// Waits until `change` can be sent at once. Nothing is sent, so this may be dropped at any time.
    fn reserve<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Box<dyn Reserved + 'a>, OktaError>>;
}

/// The right to send one change at once.
pub trait Reserved: Send {
    /// Makes the change, and waits for nothing but Okta's answer. Every failure that is not certain is
    /// [ambiguous](OktaError::is_ambiguous).
    fn send<'a>(self: Box<Self>) -> BoxFuture<'a, Result<Changed, OktaError>>
    where
        Self: 'a;
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

    fn reserve<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Box<dyn Reserved + 'a>, OktaError>> {
        async move {
            let permit: Box<dyn Reserved> = Box::new(Client::reserve(self, change).await?);
            Ok(permit)
        }
        .boxed()
    }
}

impl Reserved for ChangePermit<'_> {
    fn send<'a>(self: Box<Self>) -> BoxFuture<'a, Result<Changed, OktaError>>
    where
        Self: 'a,
    {
        ChangePermit::send(*self).boxed()
    }
}
