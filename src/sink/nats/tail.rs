//! What the stream holds beyond the last proved batch: messages that were stored before a stop or a break, but whose
//! acknowledgement nobody kept. They are found by their ids and not published again, however short the stream's
//! duplicate window is.

use std::{collections::HashMap, time::Duration};

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::Stream,
    },
};
use futures_util::StreamExt;

use super::headers::message_id;

/// Far more than the batches that can be on their way at once; other routes may have written into the same stream.
const MESSAGES_MAX: u64 = 200_000;
/// Messages asked for at a time.
const FETCH_MESSAGES: usize = 5_000;
/// When the server forgets a consumer that we left behind.
const CONSUMER_LIFE: Duration = Duration::from_secs(30);

/// The ids of messages that are in the stream already, each with its sequence.
#[derive(Debug, Default)]
pub(super) struct Tail {
    sequences: HashMap<String, u64>,
}

impl Tail {
    /// Reads what `stream` holds on the subjects of `filter` beyond sequence `after`.
    pub(super) async fn read(stream: &Stream, after: u64, filter: String) -> Result<Self, async_nats::Error> {
        let consumer = stream
            .create_consumer(pull::Config {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
                ack_policy: AckPolicy::None,
                filter_subject: filter,
                headers_only: true,
                inactive_threshold: CONSUMER_LIFE,
                memory_storage: true,
                num_replicas: 1,
                ..pull::Config::default()
            })
            .await?;

        let mut pending = consumer.cached_info().num_pending;
        if pending > MESSAGES_MAX {
            tracing::warn!(
                pending,
                "only the first {MESSAGES_MAX} messages since the last proved batch are looked at"
            );
        }
        let mut tail = Self::default();
        let mut seen = 0;
        while pending > 0 && seen < MESSAGES_MAX {
            let seen_before = seen;
            let mut messages = consumer.fetch().max_messages(FETCH_MESSAGES).messages().await?;
            while let Some(message) = messages.next().await {
                let message = message?;
                let place = message.info()?;
                if let Some(id) = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID)) {
                    tail.sequences.insert(id.as_str().to_owned(), place.stream_sequence);
                }
                pending = place.pending;
                seen += 1;
            }
            if seen == seen_before {
                return Err(format!("{pending} messages of the stream's tail did not come").into());
            }
        }
        Ok(tail)
    }

    /// The sequence of the message with this id, if it is in the stream; it is not asked for a second time.
    pub(super) fn take(&mut self, id: &str) -> Option<u64> {
        if self.sequences.is_empty() {
            return None;
        }
        self.sequences.remove(&*message_id(id))
    }

    /// The lowest sequence of the messages not yet asked for.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.sequences.values().copied().min()
    }

    /// Forgets what was found: publishing has gone beyond it.
    pub(super) fn clear(&mut self) {
        self.sequences = HashMap::new();
    }

    /// How many messages have not yet been asked for.
    pub(super) fn len(&self) -> usize {
        self.sequences.len()
    }
}
