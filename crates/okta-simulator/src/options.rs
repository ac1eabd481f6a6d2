//! What a simulator can be asked for, and which answers make no sense.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::SimulatorError;

/// How a [`super::Simulator`] is set up; the default is a small, lively org on loopback.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The same seed gives the same people, ids and events.
    pub seed: u64,
    /// Another seed for what happens to these people; the same seed if not set. An org that is started again has new
    /// events then, and not those that whoever listens has seen.
    pub story_seed: Option<u64>,
    /// How many events the log holds at the start.
    pub backlog: usize,
    /// How far back the backlog reaches. The default stays clear of the 7 days that a request
    /// without `since` sees, so that such a request finds all of it for another day.
    pub backlog_span: Duration,
    /// New events a second on average; 0 for none.
    pub rate: f64,
    /// The one API token that is accepted. Without one any SSWS token is, but there must be one.
    pub token: Option<String>,
    /// A file with service apps that may get access tokens: a JSON array of objects with `client_id`,
    /// `jwks`, and what else apps have.
    pub apps: Option<PathBuf>,
    /// How long access tokens live; an hour at Okta.
    pub access_token_lifetime: Duration,
    /// Serve the events of this file (JSON array or JSON lines) and generate none.
    pub events: Option<PathBuf>,
    /// The URL that links carry, for use behind a proxy. Without one it is made from the `Host`
    /// header.
    pub public_url: Option<Url>,
    /// Requests a minute on `/api/v1/logs`.
    pub rate_limit: u32,
    /// Requests a minute in each bucket of users, groups and apps; Okta's own numbers if not set.
    pub directory_rate_limit: Option<u32>,
    /// How many percent of them a single token or app may use; 50 at Okta unless an administrator
    /// changes it.
    pub token_share_percent: u8,
    /// Requests a minute that a second consumer makes beside the clients; 0 for none.
    pub consumer: u32,
    /// How long lists and searches of users and groups lag behind; at Okta usually less than a second.
    pub listing_delay: Duration,
    /// How long activating and deactivating a user takes after the answer.
    pub transition_time: Duration,
    /// Bounded requests for more events than this end in an internal error; none if not set.
    pub heavy_query_events: Option<usize>,
    /// Requests that may be answered at the same time.
    pub concurrency_limit: usize,
    /// Compress answers for clients that accept it. Off by default: compressing is slower than
    /// serving.
    pub gzip: bool,
    /// PEM certificates that are trusted when hooks are sent to https addresses; without them such hooks fail.
    pub hook_authorities: Option<PathBuf>,
    /// New events kept in memory beside those of the start; with more the oldest are forgotten, as
    /// if past retention.
    pub capacity: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8780)),
            seed: 1,
            story_seed: None,
            backlog: 10_000,
            backlog_span: Duration::from_hours(6 * 24),
            rate: 5.0,
            token: None,
            apps: None,
            access_token_lifetime: Duration::from_hours(1),
            events: None,
            public_url: None,
            rate_limit: 120,
            directory_rate_limit: None,
            token_share_percent: 100,
            consumer: 0,
            listing_delay: Duration::from_millis(300),
            transition_time: Duration::ZERO,
            heavy_query_events: None,
            concurrency_limit: 75,
            gzip: false,
            hook_authorities: None,
            capacity: 1_000_000,
        }
    }
}

impl Options {
    /// Refuses what could never work.
    pub(super) fn check(&self) -> Result<(), SimulatorError> {
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(SimulatorError::Rate { rate: self.rate });
        }
        if !(1..=100).contains(&self.token_share_percent) {
            return Err(SimulatorError::TokenShare { percent: self.token_share_percent });
        }
        match &self.public_url {
            Some(url) if url.cannot_be_a_base() => Err(SimulatorError::PublicUrl { url: url.clone() }),
            _ => Ok(()),
        }
    }
}
