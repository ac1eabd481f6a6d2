//! The checkpoint of a route as a message of the stream: how it is written, and how the last one is found. Means nothing by
//! its bytes.

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MARKER_REASON, NATS_MESSAGE_TTL, NATS_ROLLUP},
    jetstream::stream::{LastRawMessageErrorKind, Stream},
};
use bytes::Bytes;

use super::uncounted::Places;
use crate::{
    bus::{
        BusError,
        nats::{link::Link, rejection, stream},
    },
    config::NatsSink,
    sink::nats::outgoing::Outgoing,
};

/// Where the stream holds messages of the route before this checkpoint that it does not count.
const UNCOUNTED: &str = "Oktabus-Uncounted";

/// What a stream says of the checkpoint of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastCheckpoint {
    /// The sequence of the last message on its subject, which whoever writes the next one has to know; zero: there is none.
    pub(super) sequence: u64,
    /// None: it was never written, or it was removed.
    pub(super) bytes: Option<Bytes>,
    /// Where messages of the route may be that it does not count.
    pub(super) uncounted: Places,
}

/// A checkpoint that is to be written.
#[derive(Debug, Clone)]
pub(super) struct NextCheckpoint {
    pub(super) bytes: Bytes,
    /// The sequence of the checkpoint before it.
    pub(super) expected: u64,
    /// Where messages of the route may be that it does not count.
    pub(super) uncounted: Places,
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
            let sequence = message.sequence;
            if is_marker {
                // Which messages it counted is not known any more.
                return Ok(LastCheckpoint { sequence, bytes: None, uncounted: Places::default() });
            }
            let told = message.headers.get(UNCOUNTED);
            let told = told.map_or(Some(Places::default()), |told| Places::from_text(told.as_str()));
            let Some(uncounted) = told else {
                let reason =
                    format!("the last message on `{subject}` in stream `{}` is no checkpoint", sink.stream);
                return Err(stream::misconfigured(&sink.name, reason));
            };
            let uncounted = uncounted.before(sequence).and_behind(sequence);
            return Ok(LastCheckpoint { sequence, bytes: Some(message.payload), uncounted });
        }
        Err(err) => err,
    };
    match err.kind() {
        LastRawMessageErrorKind::NoMessageFound => {
            Ok(LastCheckpoint { sequence: 0, bytes: None, uncounted: Places::default() })
        }
        LastRawMessageErrorKind::JetStream(err) => {
            Err(rejection::of_jetstream(&sink.name, &sink.stream, &err))
        }
        LastRawMessageErrorKind::InvalidSubject | LastRawMessageErrorKind::Other => {
            Err(stream::unanswered(link, &sink.name, &err))
        }
    }
}

/// The message that takes the place of the last one on `subject`, if that is still the one expected; `lives_on`: it outlives what
/// the stream drops for its age.
pub(super) fn written(subject: &str, checkpoint: NextCheckpoint, lives_on: bool) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, checkpoint.expected.to_string());
    headers.insert(NATS_ROLLUP, "sub");
    if lives_on {
        headers.insert(NATS_MESSAGE_TTL, "never");
    }
    if let Some(uncounted) = checkpoint.uncounted.to_text() {
        headers.insert(UNCOUNTED, uncounted);
    }
    Outgoing {
        id: String::new(),
        bare_id_bytes: 0,
        subject: subject.to_owned(),
        headers,
        payload: checkpoint.bytes,
        key: String::new(),
    }
}
