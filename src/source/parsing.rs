//! The body of an answer becomes events.

use bytes::Bytes;
use okta_system_log::event::{Events, EventsError};
use tokio::task::JoinError;

/// A body of at most so many bytes is parsed where it arrives: handing it to another thread takes longer. Most polls of a
/// quiet org bring no more.
const PARSED_HERE_BYTES_MAX: usize = 16 << 10;

/// Parses a body of at most `events_max` events; a large one on a thread for blocking work, which may break.
pub(super) async fn parse(body: Bytes, events_max: usize) -> Result<Result<Events, EventsError>, JoinError> {
    if body.len() <= PARSED_HERE_BYTES_MAX {
        return Ok(Events::parse_at_most(body, events_max));
    }
    tokio::task::spawn_blocking(move || Events::parse_at_most(body, events_max)).await
}
