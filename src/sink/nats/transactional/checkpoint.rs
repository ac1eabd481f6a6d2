//! The checkpoint of a route as a message of the stream: how it is written, and how the last one is found. Means nothing by
//! its bytes.

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MARKER_REASON, NATS_MESSAGE_TTL, NATS_ROLLUP},
    jetstream::stream::{LastRawMessageErrorKind, Stream},
};
use bytes::Bytes;

use crate::{
    bus::{
        BusError,
        nats::{link::Link, rejection, stream},
    },
    config::NatsSink,
    sink::nats::outgoing::Outgoing,
};

/// What a stream says of the checkpoint of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastCheckpoint {
    /// The sequence of the last message on its subject, which whoever writes the next one has to know; zero: there is none.
    pub(super) sequence: u64,
    /// None: it was never written, or it was removed.
    pub(super) bytes: Option<Bytes>,
}

/// Asks the leader of `stream` for the last message on `subject`. A replica that is behind is never asked; a leader that does not
/// know yet that it is deposed may be, and whoever goes by its answer is refused when he commits.
pub(super) async fn read_last(
    link: &Link,
    sink: &NatsSink,
    stream: &Stream,
    subject: &str,
) -> Result<LastCheckpoint, BusError> {
    let read = tokio::select! {
        biased;
        read = stream.get_last_raw_message_by_subject(subject) => read,
        () = link.lost() => return Err(link.error()),
    };
    let err = match read {
        Ok(message) => {
            // A server leaves a marker where it removed the last message.
            let is_marker = message.payload.is_empty() || message.headers.get(NATS_MARKER_REASON).is_some();
            let bytes = (!is_marker).then_some(message.payload);
            return Ok(LastCheckpoint { sequence: message.sequence, bytes });
        }
        Err(err) => err,
    };
    match err.kind() {
        LastRawMessageErrorKind::NoMessageFound => Ok(LastCheckpoint { sequence: 0, bytes: None }),
        LastRawMessageErrorKind::JetStream(err) => {
            Err(rejection::of_jetstream(&sink.name, &sink.stream, &err))
        }
        LastRawMessageErrorKind::InvalidSubject | LastRawMessageErrorKind::Other => {
            Err(stream::unanswered(link, &sink.name, &err))
        }
    }
}

/// The message that takes the place of the last one on `subject`, if that still has sequence `expected`; `lives_on`: it outlives
/// what the stream drops for its age.
pub(super) fn written(subject: &str, checkpoint: Bytes, expected: u64, lives_on: bool) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
    headers.insert(NATS_ROLLUP, "sub");
    if lives_on {
        headers.insert(NATS_MESSAGE_TTL, "never");
    }
    Outgoing {
        id: String::new(),
        bare_id_bytes: 0,
        subject: subject.to_owned(),
        headers,
        payload: checkpoint,
        key: String::new(),
    }
}
