//! An Okta org over HTTP, to run and to test against: System Log, users, groups and apps, with its ways to
//! authenticate and its rate limits.
//!
//! Written from Okta's documentation and not from any client, so that the two can disagree: nothing here is shared with
//! oktabus.
#![doc = include_str!("../README.md")]

mod answer;
#[cfg(feature = "cli")]
mod arguments;
mod authorization;
mod buckets;
mod clock;
mod connection;
mod directory;
mod endpoint;
mod error;
mod events_file;
mod fault;
mod feed;
mod generator;
mod gzip;
mod hooks;
#[cfg(any(test, feature = "in-process"))]
pub mod in_process;
mod inspect;
mod link;
mod log_store;
mod logs;
mod oauth;
mod okta_error;
mod options;
mod org;
mod parameters;
mod quota;
mod rate_limit;
mod request_log;
mod scim;
mod server;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;
use url::Url;

#[cfg(feature = "cli")]
pub use arguments::Arguments;
pub use error::SimulatorError;
pub use options::Options;

use connection::DroppableListener;
use directory::Directory;
use feed::Feed;
use hooks::Outbound;
use log_store::LogStore;
use oauth::App;
use org::Org;
use quota::Consumer;

/// How long open connections may take to finish after [`Simulator::stop`].
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running simulator; it ends with [`Simulator::stop`] or when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    url: Url,
    stopping: CancellationToken,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Binds the address, fills the log and starts to answer.
    ///
    /// # Errors
    /// Options that make no sense, an address that cannot be bound, or an events file that cannot
    /// be read.
    pub async fn start(options: Options) -> Result<Self, SimulatorError> {
        options.check()?;
        let listen = options.listen;
        let bind_error = |source| SimulatorError::Bind { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let url = match &options.public_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("http://{address}"))?,
        };

        let started_ms = clock::now_ms();
        let fill_options = options.clone();
        let filled = spawn_blocking(move || {
            let apps = read_apps(&fill_options)?;
            fill_log(&fill_options, started_ms).map(|(log, feed)| (log, feed, apps))
        });
        let (log, feed, apps) = filled.await.map_err(|_| SimulatorError::Interrupted)??;

        let outbound = match &options.hook_authorities {
            Some(path) => Outbound::trusting(path)
                .map_err(|source| SimulatorError::HookAuthorities { path: path.clone(), source })?,
            None => Outbound::default(),
        };
        let stopping = CancellationToken::new();
        let directory = Directory::seeded(&options, started_ms);
        let org = Org::new(&options, apps, started_ms, log, directory, stopping.clone());
        let org = Arc::new(org.with_outbound(outbound));
        org.buckets.logs.set_consumer(
            Consumer { requests_per_minute: options.consumer, ..Consumer::default() },
            started_ms,
        );
        let mut tasks = JoinSet::new();
        if let Some(feed) = feed {
            tasks.spawn(feed.run(Arc::clone(&org)));
        }
        tasks.spawn(hooks::run(Arc::clone(&org)));
        tasks.spawn(server::serve(DroppableListener::new(listener), org));
        Ok(Self { address, url, stopping, tasks })
    }

    /// The address it listens on, with the port it was given if the options asked for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL under which clients reach it: the public URL if there is one.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Stops listening, lets answers under way finish for a moment, and returns when all tasks have
    /// ended.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, finish).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// The service apps that are there at the start.
fn read_apps(options: &Options) -> Result<Vec<App>, SimulatorError> {
    let Some(path) = options.apps.clone() else { return Ok(Vec::new()) };
    match std::fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|source| SimulatorError::Apps { path, source }),
        Err(source) => Err(SimulatorError::AppsFile { path, source }),
    }
}

/// The log at the start, and the feed that goes on with it if events are to be generated.
fn fill_log(options: &Options, started_ms: i64) -> Result<(LogStore, Option<Feed>), SimulatorError> {
    let Some(path) = &options.events else {
        let mut log = LogStore::new(options.backlog.saturating_add(options.capacity));
        let mut feed = Feed::new(options, started_ms);
        feed.fill_backlog(&mut log, options.backlog);
        let is_live = options.rate > 0.0;
        return Ok((log, is_live.then_some(feed)));
    };
    let events = events_file::read(path)?;
    let mut log = LogStore::new(events.len().saturating_add(options.capacity));
    for event in events {
        let published_ms = event.published_ms.unwrap_or(started_ms);
        log.append(published_ms, started_ms, event.json.as_bytes());
    }
    Ok((log, None))
}
