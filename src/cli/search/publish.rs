//! Publishes the events found to a sink: spooled first, so that batches and summaries know their totals.

use std::{io, sync::Arc};

use super::{
    read::{EventOutput, OutputError, read},
    refuse,
    request::SearchRequest,
};
use okta_client::Client;
use okta_system_log::event::Event;

use crate::{
    cli::{Exit, fail, note},
    config::{SearchRouteConfig, SinkConfig, StateConfig},
    search::{Publication, PublishError, RunDescription, SpoolError, SpoolWriter},
    sink::{self, DeadLetters},
    state::StatePaths,
};

impl EventOutput for SpoolWriter {
    fn begin(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), OutputError> {
        Ok(self.push(&event.raw())?)
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

/// Publishes what `question` finds to `sink`, as `route` says.
pub(super) async fn publish(
    request: &SearchRequest,
    client: Arc<Client>,
    route: &SearchRouteConfig,
    sink: &SinkConfig,
    state: &StateConfig,
) -> Exit {
    if let Err(err) = sink::require(sink) {
        return fail(Exit::Usage, &err);
    }
    // Before anything is asked: a sink that does not work would make the asking vain.
    let publication = match Publication::open(route, sink, client.org()).await {
        Ok(publication) => publication,
        Err(err) => return fail(exit_of(&err), &err),
    };
    let directory = match tempfile::tempdir() {
        Ok(directory) => directory,
        Err(err) => return fail(Exit::Unavailable, &err),
    };
    let writer = match SpoolWriter::create(&directory.path().join("found.spool")) {
        Ok(writer) => writer,
        Err(err) => return fail(Exit::Unavailable, &err),
    };
    let writer = match read(request, client, writer).await {
        Ok(writer) => writer,
        Err(err) => return refuse(&err),
    };
    let spool = tokio::task::spawn_blocking(move || writer.finish()).await;
    let interrupted = |err| SpoolError::Io {
        action: "finish",
        path: directory.path().into(),
        source: io::Error::other(err),
    };
    let spool = match spool.unwrap_or_else(|err| Err(interrupted(err))) {
        Ok(spool) => spool,
        Err(err) => return fail(Exit::Unavailable, &err),
    };
    let about = RunDescription {
        search: request.name.clone(),
        slot: request.now,
        since: request.since,
        until: request.until,
    };
    let dead_letters = DeadLetters::new(&StatePaths::from(state).dead_letters(), &route.route.name);
    match publication.publish(spool, about, dead_letters.clone()).await {
        Ok(published) => {
            note(&format!(
                "{} event(s) went to the sink {} in {} message(s)",
                published.events, route.route.sink, published.messages
            ));
            if published.rejected > 0 {
                let file = dead_letters.path().display();
                note(&format!(
                    "{} message(s) can never be delivered and were kept in {file}",
                    published.rejected
                ));
            }
            Exit::Done
        }
        Err(err) => fail(exit_of(&err), &err),
    }
}

fn exit_of(err: &PublishError) -> Exit {
    match err {
        PublishError::Sink(_) => Exit::Unavailable,
        PublishError::Route(err) => Exit::from(err),
        PublishError::Search(_) => Exit::Unavailable,
    }
}
