//! An atomic batch of a stream: all its messages become visible or none. Only writes and sends; awaits no answer.

use std::sync::Arc;

use async_nats::{
    Client, HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self,
        context::{PublishAckFuture, PublishError},
    },
};

use ring::digest::{SHA256, digest};

use super::outgoing::Outgoing;

/// What JetStream takes in one atomic batch, unless its operator wants less.
pub(super) const BATCH_MESSAGES_MAX: usize = 1_000;
/// What the headers of an atomic batch take in each message at most.
pub(super) const BATCH_HEADERS_BYTES: usize = 160;

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

/// Bytes of a digest that tell owners apart.
const OWNER_BYTES: usize = 8;

/// Whose batches they are: their messages are known by the batch's id, which a stream keeps.
#[derive(Debug, Clone)]
pub(super) struct BatchOwner {
    prefix: Arc<str>,
}

impl BatchOwner {
    /// The one that is called so.
    pub(super) fn called(name: &str) -> Self {
        let digest = digest(&SHA256, name.as_bytes());
        let digits = digest.as_ref().iter().take(OWNER_BYTES).map(|byte| format!("{byte:02x}"));
        Self { prefix: format!("{}-", digits.collect::<String>()).into() }
    }

    /// The id of a message with these headers, if it was sent in a batch of this owner: the one that it had before it was given
    /// what no other message has.
    pub(super) fn message_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let batch = headers.get(BATCH_ID)?.as_str();
        if !batch.starts_with(&*self.prefix) {
            return None;
        }
        let id = headers.get(NATS_MESSAGE_ID)?.as_str();
        let addition = format!("#{batch}.{}", headers.get(BATCH_SEQUENCE)?);
        Some(id.strip_suffix(&*addition).unwrap_or(id))
    }
}

/// A batch that is being sent.
#[derive(Debug)]
pub(super) struct AtomicBatch {
    id: String,
    sent: usize,
}

impl AtomicBatch {
    /// One of which nothing is sent.
    pub(super) fn new() -> Self {
        Self { id: format!("{:032x}", fastrand::u128(..)), sent: 0 }
    }

    /// The same, whose messages are known as `owner`'s.
    pub(super) fn of(owner: &BatchOwner) -> Self {
        Self { id: format!("{}{:032x}", owner.prefix, fastrand::u128(..)), sent: 0 }
    }

    /// Whether nothing of it is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.sent == 0
    }

    /// What no other batch has, and no other message of this one.
    pub(super) fn next_message(&self) -> String {
        format!("{}.{}", self.id, self.sent + 1)
    }

    /// Sends one message that is not the last. Its fate is that of the whole.
    pub(super) async fn stage(
        &mut self,
        client: &Client,
        mut message: Outgoing,
    ) -> Result<(), async_nats::PublishError> {
        self.mark(&mut message.headers);
        client.publish_with_headers(message.subject, message.headers, message.payload).await
    }

    /// Like [`AtomicBatch::stage`], and the server will say whether it has taken it: with an empty answer if it has.
    pub(super) async fn stage_answered(
        &mut self,
        jetstream: &jetstream::Context,
        mut message: Outgoing,
    ) -> Result<PublishAckFuture, PublishError> {
        self.mark(&mut message.headers);
        let (subject, publish) = message.into_publish();
        jetstream.send_publish(subject, publish).await
    }

    /// Sends the last message, with which all become visible or none. If it is the only one, it needs no batch.
    pub(super) async fn commit(
        mut self,
        jetstream: &jetstream::Context,
        mut message: Outgoing,
    ) -> Result<PublishAckFuture, PublishError> {
        if !self.is_empty() {
            self.mark(&mut message.headers);
            message.headers.insert(BATCH_COMMIT, "1");
        }
        let (subject, publish) = message.into_publish();
        jetstream.send_publish(subject, publish).await
    }

    fn mark(&mut self, headers: &mut HeaderMap) {
        self.sent += 1;
        headers.insert(BATCH_ID, self.id.as_str());
        headers.insert(BATCH_SEQUENCE, self.sent.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(batch: &mut AtomicBatch, id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, id);
        batch.mark(&mut headers);
        headers
    }

    #[test]
    fn messages_are_known_by_whose_batch_they_were_in() {
        let (own, other) = (BatchOwner::called("route-1"), BatchOwner::called("route-2"));
        let mut batch = AtomicBatch::of(&own);
        // What a server takes at most.
        assert!(batch.id.len() <= 64);
        let first = headers(&mut batch, "acme:u-1#AAAAAAAAAAAA");
        assert_eq!(own.message_id(&first), Some("acme:u-1#AAAAAAAAAAAA"));
        assert_eq!(other.message_id(&first), None);
        assert_eq!(own.message_id(&headers(&mut AtomicBatch::new(), "acme:u-1")), None);

        let renamed = format!("acme:u-2#AAAAAAAAAAAA#{}", batch.next_message());
        let renamed = headers(&mut batch, &renamed);
        assert_eq!(own.message_id(&renamed), Some("acme:u-2#AAAAAAAAAAAA"));
    }
}
