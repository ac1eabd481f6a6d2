//! The delivery loop: source → render → sink → checkpoint, one loop a route.
//!
//! A batch carries the checkpoint that holds once it is delivered. So it goes one way and nothing has to be matched: reading
//! hands over what becomes a batch, the sink proves it, and the proof gives out the checkpoint that is committed.
//!
//! A route is two tasks in one future: `prefetch` walks the stream ahead of `delivery`, bounded in pages and bytes;
//! delivery keeps several batches with the sink and moves the cursor in order, with proof, and never otherwise. Routes
//! share nothing but the stream's page cache, so none delays another.

mod checkpoint;
mod cursor;
mod delivery;
mod exactly_once;
mod in_flight;
mod lag;
mod opening;
mod pages;
mod pause;
mod prefetch;
mod rendering;
mod reset;
mod selection;
#[cfg(test)]
pub(crate) mod simulation;
mod state_retry;
mod status;
mod trouble;

use std::{future::Future, sync::Arc};

use tokio_util::sync::CancellationToken;

pub(crate) use checkpoint::CheckpointStore;
pub(crate) use delivery::Delivery;
pub(crate) use in_flight::{InFlightLimit, InFlightPermit, IntoBatch};
use okta_system_log::event::EventsError;
pub(crate) use opening::open_sink;
pub use pause::RoutePause;
pub(crate) use rendering::Rendering;
pub use reset::fenced_checkpoint;
pub use selection::Selection;
pub(crate) use state_retry::StateRetry;
pub use status::{Phase, RecentDeadLetter, RouteStatus, SearchStatus, Snapshot};
pub(crate) use trouble::{report_okta, report_okta_answer};

use crate::{
    config::{RouteConfig, SecretError, SinkConfig, StandbyConfig},
    halt::Halt,
    sink::{DeadLetters, SinkFactory},
    source::{Position, Reader, Stream},
    state::{State, StateError},
};
use cursor::RouteCursor;
#[cfg(any(test, fuzzing))]
pub use exactly_once::fuzzing::checkpoint as fuzz_checkpoint;
pub use exactly_once::{CheckpointError, RecordProblem, checkpoint_in_bus, look_at_checkpoint};
use exactly_once::{ExactlyOnce, Owner};
use prefetch::Prefetch;

/// What a route is made of.
#[derive(Debug)]
pub struct Route {
    config: RouteConfig,
    stream: Arc<Stream>,
    seams: Seams,
    status: Arc<RouteStatus>,
}

/// What a route runs on, beside the stream: the real things, or simulated ones.
#[derive(Debug)]
struct Seams {
    sink: SinkSeam,
    state: State,
    dead_letters: DeadLetters,
}

/// How messages reach the sink.
#[derive(Debug)]
enum SinkSeam {
    /// The sink proves them, and the state commits the checkpoint.
    AtLeastOnce(Arc<dyn SinkFactory>),
    /// The sink commits them with the checkpoint.
    ExactlyOnce(ExactlyOnce),
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
    #[error(
        "a page of route {route} does not fit into 4 GiB once redacted: set a smaller `page_size`, and move the route with \
         `oktabus state reset`, since Okta's links keep the old one"
    )]
    Redaction {
        /// The route.
        route: String,
        /// How large it is.
        source: EventsError,
    },
    /// Nobody knows where the route stands.
    #[error(
        "the checkpoint of route {route} cannot be read: it is {place}; remove that, and the route goes on at its local copy"
    )]
    Checkpoint {
        /// The route.
        route: String,
        /// Where the checkpoint is, and how it is removed.
        place: String,
        /// What is wrong with it.
        source: RecordProblem,
    },
    /// Two daemons run the route.
    #[error(
        "{by} has taken over the route {route}: this one writes nothing any more; stop one of the two, or give both `[standby]`"
    )]
    Superseded {
        /// The route.
        route: String,
        /// Who, for people.
        by: String,
    },
}

impl From<RouteError> for Halt<RouteError> {
    fn from(err: RouteError) -> Self {
        Self::Failed(err)
    }
}

impl Route {
    /// A route of `stream` to `sink`.
    pub fn new(
        config: RouteConfig,
        sink: SinkConfig,
        standby: Option<&StandbyConfig>,
        stream: Arc<Stream>,
        state: State,
    ) -> Self {
        let dead_letters = DeadLetters::new(&state.dead_letters_directory(), &config.name);
        let sink = if sink.is_transactional() {
            let takeover_after = standby.map(|standby| standby.takeover_after);
            let (factory, me) = (Arc::new(sink), Owner::of_this_run());
            SinkSeam::ExactlyOnce(ExactlyOnce { factory, takeover_after, me })
        } else {
            SinkSeam::AtLeastOnce(Arc::new(sink))
        };
        let seams = Seams { sink, state, dead_letters };
        Self::with_seams(config, stream, seams)
    }

    fn with_seams(config: RouteConfig, stream: Arc<Stream>, seams: Seams) -> Self {
        let status = Arc::new(RouteStatus::of_stream(&config.name));
        Self { config, stream, seams, status }
    }

    /// Its name: unique, and the cursor's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What it reads.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// How this run of a route that delivers exactly once is called where its owner is named.
    pub fn run_name(&self) -> Option<String> {
        match &self.seams.sink {
            SinkSeam::AtLeastOnce(_) => None,
            SinkSeam::ExactlyOnce(sink) => Some(sink.me.to_string()),
        }
    }

    /// How it stands, kept up to date while it runs.
    pub fn status(&self) -> Arc<RouteStatus> {
        Arc::clone(&self.status)
    }

    /// Runs until `stop`, or, if `until_caught_up`, until all that Okta had at the first tail is delivered. May be run again
    /// after it ended in any way: everything that counts is in the state.
    pub async fn run(&self, stop: &CancellationToken, until_caught_up: bool) -> Result<(), Halt<RouteError>> {
        match &self.seams.sink {
            SinkSeam::AtLeastOnce(sink) => self.run_at_least_once(&**sink, stop, until_caught_up).await,
            SinkSeam::ExactlyOnce(sink) => exactly_once::run(self, sink, stop, until_caught_up).await,
        }
    }

    async fn run_at_least_once(
        &self,
        sink: &dyn SinkFactory,
        stop: &CancellationToken,
        until_caught_up: bool,
    ) -> Result<(), Halt<RouteError>> {
        let name = &self.config.name;
        let beginning = self.stream.cursor_at(self.stream.start());
        let state_retry = StateRetry { status: Arc::clone(&self.status), stop: stop.clone() };
        let mut cursor = RouteCursor::open(&self.seams.state, state_retry, beginning).await?;
        // A first start is durable before anything else happens: coming back later must not mean starting later.
        cursor.begin().await?;
        self.status.cursor_loaded(cursor.generation(), cursor.cursor(), self.stream.start());
        let rendering = Arc::new(Rendering::open(&self.config, self.stream.client().org()).await?);
        let mark = cursor.cursor().mark.as_ref();
        let sink = open_sink(sink, &rendering.origin, mark, &self.status, stop).await?;
        if let Err(halt) = cursor.note_mark(sink.mark()).await {
            sink.close().await;
            return Err(halt);
        }

        let position = self.position(&cursor)?;
        let mut reader = Reader::new(Arc::clone(&self.stream), position, &cursor.cursor().recent);
        if cursor.answers_another_question() {
            let since = reader.resume_by_time();
            tracing::warn!(route = name, %since, "the stream's filter or org has changed: the route resumes by time");
        }
        tracing::info!(route = name, generation = cursor.generation(), "the route begins to read");

        let (prefetch, pages) =
            Prefetch::new(reader, rendering, &self.config, self.status(), until_caught_up);
        let dead_letters = self.seams.dead_letters.clone();
        // Of a run that delivered exactly once: of those that wait, nobody asks the bus any more.
        exactly_once::letters::count_all(&dead_letters, &self.status, stop).await?;
        let delivery = Delivery::new(cursor, self.config.in_flight_pages, sink, dead_letters, self.status());
        // Prefetching ends at the stop or when it has caught up; delivery then settles what is left.
        let delivering = Box::pin(delivery.run(pages, stop));
        let (_, delivered) = while_delivering(prefetch.run(stop), delivering).await;
        delivered?;
        if stop.is_cancelled() { Err(Halt::Stopped) } else { Ok(()) }
    }

    fn position(&self, cursor: &RouteCursor) -> Result<Position, RouteError> {
        let link = cursor.cursor().link.parse();
        let link = link.map_err(|source| RouteError::Link { route: self.config.name.clone(), source })?;
        Ok(Position { link, published_max: cursor.cursor().published_max })
    }
}

/// Reads for as long as there is somebody who delivers: what ends delivery is known at once, whatever reading waits for.
/// What was read when reading ends is still delivered. None: reading did not come to its end.
pub(crate) async fn while_delivering<R, D>(
    reading: impl Future<Output = R>,
    delivering: impl Future<Output = D>,
) -> (Option<R>, D) {
    let mut delivering = std::pin::pin!(delivering);
    let read = tokio::select! {
        biased;
        delivered = &mut delivering => return (None, delivered),
        read = reading => read,
    };
    (Some(read), delivering.await)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn what_ends_delivery_is_known_while_reading_waits() {
        let (read, delivered) = while_delivering(pending::<()>(), ready("the cursor was moved")).await;
        assert_eq!((read, delivered), (None, "the cursor was moved"));
    }

    #[tokio::test]
    async fn what_was_read_is_delivered_when_reading_ends() {
        let delivering = async {
            tokio::task::yield_now().await;
            "all of it"
        };
        assert_eq!(while_delivering(ready("read"), delivering).await, (Some("read"), "all of it"));
    }
}
