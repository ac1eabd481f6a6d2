//! The delivery loop: page → messages → sink → proof → cursor, one loop a route.
//!
//! A route is two tasks in one future: `reading` walks the stream ahead of `delivery`, bounded in pages and bytes;
//! delivery keeps several batches with the sink and moves the cursor in order, with proof, and never otherwise. Routes
//! share nothing but the stream's page cache, so none delays another.

mod cursor;
mod delivery;
mod reading;
mod rendering;
mod selection;
mod status;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub use selection::Selection;
pub use status::{Phase, RouteStatus, Snapshot};

use crate::{
    config::{RedactionConfig, RouteConfig, Secret, SecretError, SinkConfig},
    event::{EventsError, Origin, Redaction},
    format::Renderer,
    sink::{DeadLetters, Sink, SinkError},
    state::{State, StateError},
    stream::{Backoff, Position, Reader, Stream},
    telemetry::{chain, metrics},
};
use cursor::{Committed, RouteCursor};
use delivery::{Delivery, Stop};
use reading::Reading;
use rendering::Rendering;

/// The first and the longest wait between attempts to bring a sink up.
const SINK_RETRY_FIRST: Duration = Duration::from_secs(1);
const SINK_RETRY_MAX: Duration = Duration::from_secs(30);

/// What a route is made of.
#[derive(Debug)]
pub struct Route {
    config: RouteConfig,
    sink: SinkConfig,
    stream: Arc<Stream>,
    state: State,
    status: Arc<RouteStatus>,
}

/// Why a route ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// It has delivered all that Okta had.
    CaughtUp,
}

/// Why a route cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The cursor cannot be read or belongs to somebody else too.
    #[error(transparent)]
    State(#[from] StateError),
    /// The cursor's link is no URL.
    #[error("the cursor of route {route} has no valid link")]
    Link {
        /// The route.
        route: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// The key of pseudonyms was there when the configuration was loaded.
    #[error("cannot read the key with which route {route} pseudonymises: nothing was published without it")]
    Key {
        /// The route.
        route: String,
        /// What is wrong with it.
        source: SecretError,
    },
    /// Pseudonyms are longer than what they stand for.
    #[error("a page of route {route} does not fit into 4 GiB once redacted: set a smaller `page_size`")]
    Redaction {
        /// The route.
        route: String,
        /// How large it is.
        source: EventsError,
    },
}

impl Route {
    /// A route of `stream` to `sink`.
    pub fn new(config: RouteConfig, sink: SinkConfig, stream: Arc<Stream>, state: State) -> Self {
        let status = Arc::new(RouteStatus::new(&config.name));
        Self { config, sink, stream, state, status }
    }

    /// Its name: unique, and the cursor's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How it stands, kept up to date while it runs.
    pub fn status(&self) -> Arc<RouteStatus> {
        Arc::clone(&self.status)
    }

    /// Runs until `stop`, or, if `until_caught_up`, until the first tail that is wholly delivered. May be run again
    /// after it ended in any way: everything that counts is in the state.
    pub async fn run(&self, stop: &CancellationToken, until_caught_up: bool) -> Result<End, RouteError> {
        let name = &self.config.name;
        let beginning = self.stream.cursor_at(self.stream.start());
        let mut cursor =
            RouteCursor::open(&self.state, Arc::clone(&self.status), beginning, stop.clone()).await?;
        // A first start is durable before anything else happens: coming back later must not mean starting later.
        if cursor.begin().await? == Committed::GivenUp {
            return Ok(End::Stopped);
        }
        self.status.cursor_loaded(cursor.generation(), cursor.cursor());
        let redaction = match &self.config.redaction {
            Some(config) => Some(self.redaction(config).await?),
            None => None,
        };
        let Some(sink) = self.open_sink(&cursor, stop).await else { return Ok(End::Stopped) };
        if cursor.note_mark(sink.mark()).await? == Committed::GivenUp {
            sink.close().await;
            return Ok(End::Stopped);
        }

        let position = self.position(&cursor)?;
        let mut reader = Reader::new(Arc::clone(&self.stream), position, cursor.cursor().recent.clone());
        if cursor.answers_another_question() {
            let since = reader.resume_by_time(Timestamp::now());
            tracing::warn!(route = name, %since, "the stream's filter or org has changed: the route resumes by time");
        }
        tracing::info!(route = name, generation = cursor.generation(), "the route begins to read");

        let (reading, pages) = Reading::new(reader, &self.config, Arc::clone(&self.status), until_caught_up);
        let dead_letters = DeadLetters::new(&self.state.dead_letters_directory(), name);
        let (pages_max, status) = (self.config.in_flight_pages, Arc::clone(&self.status));
        let delivery =
            Delivery::new(self.rendering(redaction), pages_max, sink, cursor, dead_letters, status);
        // Reading ends when it is told to or has caught up; delivery then settles what is left.
        let (_, stopped) = tokio::join!(reading.run(stop), delivery.run(pages, stop));
        match stopped? {
            Stop::Drained if !stop.is_cancelled() => Ok(End::CaughtUp),
            Stop::Drained | Stop::GivenUp => Ok(End::Stopped),
        }
    }

    fn origin(&self) -> Arc<Origin> {
        Arc::new(self.config.origin(self.stream.client().org()))
    }

    async fn redaction(&self, config: &RedactionConfig) -> Result<Redaction, RouteError> {
        let key = config.key.clone();
        let key = tokio::task::spawn_blocking(move || key.as_ref().map(Secret::read_line).transpose()).await;
        let key = key.unwrap_or(Err(SecretError::Interrupted));
        let key = key.map_err(|source| RouteError::Key { route: self.config.name.clone(), source })?;
        Ok(Redaction::new(&config.rules, key.as_ref()))
    }

    fn rendering(&self, redaction: Option<Redaction>) -> Rendering {
        let tenant = self.stream.client().org().url.host_str().map(str::to_owned);
        Rendering {
            origin: self.origin(),
            selection: Selection::new(&self.config.selection),
            redaction,
            renderer: Renderer { format: self.config.format, ocsf: self.config.ocsf, tenant },
        }
    }

    fn position(&self, cursor: &RouteCursor) -> Result<Position, RouteError> {
        let link = cursor.cursor().link.parse();
        let link = link.map_err(|source| RouteError::Link { route: self.config.name.clone(), source })?;
        Ok(Position { link, published_max: cursor.cursor().published_max })
    }

    /// Opens the sink, as often as it takes: a bus that is away at the start is as bad as one that goes away later.
    async fn open_sink(&self, cursor: &RouteCursor, stop: &CancellationToken) -> Option<Sink> {
        let mut backoff = Backoff::new(SINK_RETRY_FIRST, SINK_RETRY_MAX, fastrand::u64(..));
        let origin = self.origin();
        loop {
            let opening = Sink::open(&self.sink, &origin, cursor.cursor().mark.as_ref());
            // Opening a sink publishes nothing, so it may be given up.
            let opened = stop.run_until_cancelled(opening).await?;
            match opened {
                Ok(sink) => {
                    self.status.sink_recovered();
                    return Some(sink);
                }
                Err(err) => {
                    self.report_sink(&err);
                    stop.run_until_cancelled(tokio::time::sleep(backoff.next_wait())).await?;
                }
            }
        }
    }

    fn report_sink(&self, err: &SinkError) {
        metrics::sink_failure(&self.config.name, status::class_name(err.class()));
        if self.status.sink_failed(&chain(err)) {
            tracing::error!(
                route = self.config.name,
                err = chain(err),
                "the sink cannot be used; trying again"
            );
        }
    }
}
