//! Makes a delivery of a JetStream message.

use std::sync::Arc;

use async_nats::{HeaderMap, header::NATS_MESSAGE_ID, jetstream};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::acknowledgement::{ConsumerState, NatsAcknowledgement};
use crate::command::{
    intake::{Acknowledgement, Delivery, too_large},
    message::Headers,
};

/// The message's sequence in the stream; zero if it came from no consumer.
pub(super) fn sequence(message: &jetstream::Message) -> u64 {
    message.info().map_or(0, |info| info.stream_sequence)
}

/// The delivery of a message of `stream`; none if it came from no consumer.
pub(super) fn delivery_of(
    message: jetstream::Message,
    stream: &str,
    state: &Arc<ConsumerState>,
    room: OwnedSemaphorePermit,
) -> Option<Delivery> {
    let info = message.info().ok()?;
    let sequence = info.stream_sequence;
    let published_at = Timestamp::from_nanosecond(info.published.unix_timestamp_nanos()).ok();
    let async_nats::Message { payload, headers, reply, .. } = message.message;
    let headers = headers.unwrap_or_default();
    let place = format!("{stream}@{sequence}");
    let acknowledgement = NatsAcknowledgement::new(state, sequence, reply?, place.clone(), room);
    Some(Delivery {
        unfit: match payload.len() {
            0 => Some("it has no payload".to_owned()),
            bytes => too_large(bytes),
        },
        payload,
        message_id: headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned()),
        headers: listed(&headers),
        acknowledgement: Acknowledgement::nats(acknowledgement),
        published_at,
        place,
    })
}

fn listed(headers: &HeaderMap) -> Headers {
    let pairs = headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| (name.to_string(), Bytes::copy_from_slice(value.as_str().as_bytes())))
    });
    pairs.collect()
}
