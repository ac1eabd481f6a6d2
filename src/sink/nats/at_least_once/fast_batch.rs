//! Fast ingest: a batch whose messages the stream stores as they come, each directly behind the one before it, with one answer
//! for all. Where one cannot be stored, nothing behind it is. Sends batches and reads their answers; what an answer proves is
//! for others to say.
//!
//! The reply subject of a message says which batch it belongs to, its number, and whether the batch begins, goes on or ends
//! with it. The server also tells how fast others may send; a batch is short enough to be sent at once.

use std::sync::Arc;

use async_nats::{Client, PublishError, StatusCode, Subscriber, jetstream, jetstream::ErrorCode};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::super::outgoing::Outgoing;

/// After how many messages the server may tell what it has stored. Only the end counts here, so as seldom as it likes.
const FLOW: u16 = u16::MAX;

/// What a message does to its batch, as the reply subject says it.
const START: u8 = 0;
const APPEND: u8 = 1;
const COMMIT: u8 = 2;
/// Ends the batch, and is not stored.
const END_WITHOUT_MESSAGE: u8 = 3;

/// Begins batches over one connection.
#[derive(Debug)]
pub(super) struct FastIngest {
    client: Client,
    inbox: Arc<str>,
}

/// Hears what becomes of the batches.
#[derive(Debug)]
pub(super) struct FastAnswers {
    client: Client,
    inbox: Arc<str>,
    subscription: Subscriber,
}

/// A batch that is being sent.
#[derive(Debug)]
pub(super) struct FastBatch<'a> {
    ingest: &'a FastIngest,
    sent: FastSent,
}

/// A batch that was sent.
#[derive(Debug, Clone)]
pub(super) struct FastSent {
    id: String,
    /// The subject of its first message.
    subject: String,
    pub(super) messages: u64,
}

/// What the server says of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FastAnswer {
    /// It ended behind its first `messages`: those are stored, or were there before. `sequence` is that of the last one that
    /// was stored.
    Ended { stream: String, messages: u64, sequence: u64 },
    /// It did not begin, and nothing of it is stored.
    Refused { reason: String },
    /// How much of it is stored is not known.
    Unknown { reason: String },
}

/// An answer as it travels. What has a `type` is on the way and decides nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(rename = "type")]
    kind: Option<String>,
    error: Option<jetstream::Error>,
    stream: String,
    seq: u64,
    count: Option<u64>,
}

impl FastIngest {
    /// Listens for answers over the connection of `client`. Whether the server allows that is known once it has answered
    /// something else.
    pub(super) async fn listen(client: Client) -> Option<(Self, FastAnswers)> {
        let inbox: Arc<str> = client.new_inbox().into();
        let subscription = client.subscribe(format!("{inbox}.>")).await.ok()?;
        let answers = FastAnswers { client: client.clone(), inbox: Arc::clone(&inbox), subscription };
        Some((Self { client, inbox }, answers))
    }

    /// A batch of which nothing is sent.
    pub(super) fn batch(&self) -> FastBatch<'_> {
        let id = format!("{:032x}", fastrand::u128(..));
        FastBatch { ingest: self, sent: FastSent { id, subject: String::new(), messages: 0 } }
    }
}

impl FastBatch<'_> {
    /// Sends one message. With the last one the batch ends, and there will be an answer for all. A batch has two at least.
    pub(super) async fn send(&mut self, message: Outgoing, is_last: bool) -> Result<(), PublishError> {
        let FastIngest { client, inbox } = self.ingest;
        let operation = match self.sent.messages {
            0 => START,
            _ if is_last => COMMIT,
            _ => APPEND,
        };
        if operation == START {
            self.sent.subject.clone_from(&message.subject);
        }
        self.sent.messages += 1;
        let reply = self.sent.reply(inbox, operation);
        client.publish_with_reply_and_headers(message.subject, reply, message.headers, message.payload).await
    }

    /// What was sent of it.
    pub(super) fn sent(&self) -> FastSent {
        self.sent.clone()
    }
}

impl FastSent {
    /// The reply subject of the last message that was counted.
    fn reply(&self, inbox: &str, operation: u8) -> String {
        format!("{inbox}.{}.{FLOW}.fail.{}.{operation}.$FI", self.id, self.messages)
    }
}

impl FastAnswers {
    /// What becomes of the batch. None: the connection is gone. Waits for as long as there is no answer.
    pub(super) async fn of(&mut self, batch: &FastSent) -> Option<FastAnswer> {
        loop {
            let message = self.subscription.next().await?;
            let about = message.subject.strip_prefix(&*self.inbox).and_then(|rest| place(rest, &batch.id));
            let Some((number, operation)) = about else { continue };
            let refusal = match (message.status, serde_json::from_slice(&message.payload)) {
                (Some(StatusCode::NO_RESPONDERS), _) => Refusal::by_nobody(),
                (_, Ok(Wire { kind: None, error: Some(error), .. })) => Refusal::from(error),
                (_, Ok(Wire { kind: None, count: Some(messages), stream, seq: sequence, .. })) => {
                    return Some(FastAnswer::Ended { stream, messages, sequence });
                }
                _ => continue,
            };
            let Refusal { reason, is_about_batch } = refusal;
            if number == 1 {
                return Some(FastAnswer::Refused { reason });
            }
            if is_about_batch || operation == END_WITHOUT_MESSAGE {
                return Some(FastAnswer::Unknown { reason });
            }
            if number == batch.messages {
                // The message that was to end the batch did not. Those before it are answered once something does.
                let (subject, reply) = (batch.subject.clone(), batch.reply(&self.inbox, END_WITHOUT_MESSAGE));
                if let Err(err) = self.client.publish_with_reply(subject, reply, "".into()).await {
                    return Some(FastAnswer::Unknown { reason: err.to_string() });
                }
            }
            // Otherwise the message behind it is one too many, and the server ends the batch.
        }
    }
}

/// Why a message was not taken.
struct Refusal {
    reason: String,
    /// The server does not know the batch, and it was begun.
    is_about_batch: bool,
}

impl Refusal {
    fn by_nobody() -> Self {
        Self { reason: "no stream takes its subject".to_owned(), is_about_batch: false }
    }
}

impl From<jetstream::Error> for Refusal {
    fn from(error: jetstream::Error) -> Self {
        let is_about_batch = error.error_code() == ErrorCode::BATCH_PUBLISH_UNKNOWN_BATCH_ID;
        Self { reason: error.to_string(), is_about_batch }
    }
}

/// The number and the operation of the message of batch `id` that an answer is about, from what follows the inbox in its
/// subject. None: it is about another batch.
fn place(rest: &str, id: &str) -> Option<(u64, u8)> {
    let rest = rest.strip_prefix('.')?.strip_prefix(id)?;
    let mut parts = rest.strip_suffix(".$FI")?.rsplit('.');
    let operation = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_which_message_of_which_batch_it_is_about() {
        let sent = FastSent { id: "7f".to_owned(), subject: "okta.a".to_owned(), messages: 12 };
        let reply = sent.reply("_INBOX.x", COMMIT);
        assert_eq!(reply, "_INBOX.x.7f.65535.fail.12.2.$FI");
        let rest = reply.strip_prefix("_INBOX.x").unwrap();
        assert_eq!(place(rest, "7f"), Some((12, COMMIT)));
        assert_eq!(place(rest, "80"), None);
        assert_eq!(place(".7f.x", "7f"), None);
    }
}
