//! The options as arguments of a command line: of this crate's own program, and of others that start a simulator.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use url::Url;

use crate::Options;

/// [`Options`] by their flags.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value_t = Options::default().listen)]
    listen: SocketAddr,
    /// The same seed gives the same people and events
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    seed: u64,
    /// Events that are there at the start, spread over the days before
    #[arg(long, value_name = "N", default_value_t = Options::default().backlog)]
    backlog: usize,
    /// New events a second
    #[arg(long, value_name = "N", default_value_t = Options::default().rate)]
    rate: f64,
    /// The API token to accept; any, if not set
    #[arg(long, value_name = "T")]
    token: Option<String>,
    /// Service apps that may get access tokens (a JSON array; see docs/simulator.md)
    #[arg(long, value_name = "FILE")]
    apps: Option<PathBuf>,
    /// How many seconds an access token lives
    #[arg(long, value_name = "S", default_value_t = Options::default().access_token_lifetime.as_secs())]
    access_token_lifetime: u64,
    /// Serve the events of this file (JSON array or JSON lines) instead of generated ones
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// The URL that links carry, for use behind a proxy
    #[arg(long, value_name = "URL")]
    public_url: Option<Url>,
    /// Requests a minute on /api/v1/logs
    #[arg(long, value_name = "N", default_value_t = Options::default().rate_limit)]
    rate_limit: u32,
    /// Requests a minute in each bucket of users, groups and apps; Okta's own numbers, if not set
    #[arg(long, value_name = "N")]
    directory_rate_limit: Option<u32>,
    /// How many milliseconds lists and searches of users and groups lag behind
    #[arg(long, value_name = "MS", default_value = "300")]
    listing_delay: u64,
    /// How many milliseconds activating and deactivating a user takes
    #[arg(long, value_name = "MS", default_value = "0")]
    transition_time: u64,
    /// Let bounded requests for more events than this end in an error
    #[arg(long, value_name = "N")]
    heavy_query_events: Option<usize>,
    /// How many percent of them one token or app may use
    #[arg(long, value_name = "PERCENT", default_value_t = Options::default().token_share_percent)]
    token_share: u8,
    /// Requests a minute that a second consumer takes out of the same limit
    #[arg(long, value_name = "N", default_value_t = Options::default().consumer)]
    consumer: u32,
    /// Requests that may be answered at the same time
    #[arg(long, value_name = "N", default_value_t = Options::default().concurrency_limit)]
    concurrency_limit: usize,
    /// PEM certificates to trust when event hooks are sent to https addresses
    #[arg(long, value_name = "FILE")]
    hook_ca: Option<PathBuf>,
    /// Compress answers for clients that accept it
    #[arg(long)]
    gzip: bool,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        Self {
            listen: arguments.listen,
            seed: arguments.seed,
            backlog: arguments.backlog,
            rate: arguments.rate,
            token: arguments.token,
            apps: arguments.apps,
            access_token_lifetime: Duration::from_secs(arguments.access_token_lifetime),
            events: arguments.events,
            public_url: arguments.public_url,
            rate_limit: arguments.rate_limit,
            directory_rate_limit: arguments.directory_rate_limit,
            listing_delay: Duration::from_millis(arguments.listing_delay),
            transition_time: Duration::from_millis(arguments.transition_time),
            heavy_query_events: arguments.heavy_query_events,
            token_share_percent: arguments.token_share,
            consumer: arguments.consumer,
            concurrency_limit: arguments.concurrency_limit,
            hook_authorities: arguments.hook_ca,
            gzip: arguments.gzip,
            ..Self::default()
        }
    }
}
