//! A message as it was read, kept for as long as it may be handed out again.

use bytes::Bytes;
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers as _},
};

use crate::command::{intake::too_large, message::Headers};

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) payload: Bytes,
    pub(super) headers: Headers,
    pub(super) place: String,
    pub(super) unfit: Option<String>,
}

impl Letter {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Self {
        let payload = message.payload();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let headers = headers
            .map(|header| (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default())));
        Self {
            headers: headers.collect(),
            place: format!("{}/{}@{}", message.topic(), message.partition(), message.offset()),
            unfit: match payload {
                Some(payload) => too_large(payload.len()),
                None => Some("it has no payload: a tombstone is no command".to_owned()),
            },
            payload: Bytes::copy_from_slice(payload.unwrap_or_default()),
        }
    }
}
