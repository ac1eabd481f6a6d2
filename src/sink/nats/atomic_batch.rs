//! An atomic batch of a stream: all its messages become visible or none. Only writes and sends; awaits no answer.

use async_nats::{
    Client, HeaderMap,
    jetstream::{
        self,
        context::{PublishAckFuture, PublishError},
    },
};

use super::outgoing::Outgoing;

/// What JetStream takes in one atomic batch, unless its operator wants less.
pub(super) const BATCH_MESSAGES_MAX: usize = 1_000;
/// What the headers of an atomic batch take in each message at most.
pub(super) const BATCH_HEADERS_BYTES: usize = 160;

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

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
