//! A record as it was read, kept while it may be delivered again.

use bytes::Bytes;
use jiff::Timestamp;
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers as _},
};

use super::acknowledgement::KafkaAcknowledgement;
use crate::command::{
    intake::{Acknowledgement, Delivery, too_large},
    message::Headers,
};

/// One record.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    payload: Bytes,
    headers: Headers,
    place: String,
    published_at: Option<Timestamp>,
    unfit: Option<String>,
}

impl Record {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Self {
        let payload = message.payload();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let headers = headers
            .map(|header| (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default())));
        let published_at = message.timestamp().to_millis();
        Self {
            headers: headers.collect(),
            place: place(message.topic(), message.partition(), message.offset()),
            // A producer may write any number there.
            published_at: published_at.and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok()),
            unfit: match payload {
                Some(payload) => too_large(payload.len()),
                None => Some("it has no payload: a tombstone is no command".to_owned()),
            },
            payload: Bytes::copy_from_slice(payload.unwrap_or_default()),
        }
    }

    /// The approximate size in memory.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.payload.len() + headers.sum::<usize>()
    }

    pub(super) fn into_delivery(self, acknowledgement: KafkaAcknowledgement) -> Delivery {
        let Self { payload, headers, place, published_at, unfit } = self;
        let acknowledgement = Acknowledgement::kafka(acknowledgement);
        Delivery { payload, headers, message_id: None, place, published_at, unfit, acknowledgement }
    }
}

#[cfg(test)]
impl Record {
    /// A record of this size.
    pub(super) fn of_bytes(bytes: usize) -> Self {
        Self { payload: vec![0; bytes].into(), ..Self::default() }
    }
}

/// The place of a record, for people.
pub(super) fn place(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic}/{partition}@{offset}")
}
