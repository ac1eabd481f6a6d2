//! The interface to Okta that commands need: reads and changes. Implemented by the client of an org and by a
//! simulation, so that the same executor runs in both. Makes no decision.

use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{Change, ChangePermit, Changed, Client, Found, OktaError, Target};
use serde_json::{Value, value::RawValue};
use url::Url;

/// One org, as seen by commands.
pub trait Okta: fmt::Debug + Send + Sync {
    /// The base URL of the org.
    fn url(&self) -> &Url;

    /// By how much Okta's clock is ahead of ours, as far as known.
    fn clock_ahead(&self) -> SignedDuration;

    /// The time of our own clock.
    fn now(&self) -> Timestamp;

    /// Reads `url`: the URL of a target, or a link.
    fn look_up<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Found<Box<RawValue>>, OktaError>>;

    /// Waits until `change` can be sent at once. Sends nothing, so it may be dropped at any time.
    fn reserve<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Box<dyn Reserved + 'a>, OktaError>>;
}

/// A permit to send one change at once.
pub trait Reserved: Send {
    /// Sends the change, and waits only for Okta's answer. Every failure whose effect is uncertain is
    /// [ambiguous](OktaError::is_ambiguous).
    fn send<'a>(self: Box<Self>) -> BoxFuture<'a, Result<Changed, OktaError>>
    where
        Self: 'a;
}

impl dyn Okta + '_ {
    /// The URL of `target`.
    pub(super) fn url_of(&self, target: &Target) -> Url {
        target.url(self.url())
    }

    /// The request for `change`, for people.
    pub(super) fn shown(&self, change: &Change) -> Value {
        change.shown(self.url())
    }

    /// The time of Okta's clock.
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
