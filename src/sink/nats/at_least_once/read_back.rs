//! Which of the messages that were sent the stream has, where it was not only ours to fill. Publishes nothing.

use std::collections::HashMap;

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{consumer::pull, stream::Stream},
};
use futures_util::StreamExt as _;

use super::super::{outgoing::Outgoing, stored_headers::consumer_from};

/// Far more than others store while a batch is on its way.
const MESSAGES_MAX: usize = 20_000;
/// What is asked for at a time: messages may be large.
const FETCH_MESSAGES: usize = 500;

/// Whether what is stored under an id is what was sent.
pub(super) fn is_same(subject: &str, payload: &[u8], ours: &Outgoing, keeps_subjects: bool) -> bool {
    *payload == *ours.payload && (!keeps_subjects || *subject == *ours.subject)
}

/// The sequences of those of `sent` that `stream` has on the subjects of `filter` beyond sequence `after`, by their ids.
pub(super) async fn read_back(
    stream: &Stream,
    after: u64,
    filter: String,
    sent: &HashMap<String, Outgoing>,
) -> Result<HashMap<String, u64>, async_nats::Error> {
    let keeps_subjects = stream.cached_info().config.subject_transform.is_none();
    // With their payloads: somebody else may have stored another message under an id of ours.
    let config = pull::Config { headers_only: false, ..consumer_from(after + 1, filter) };
    let consumer = stream.create_consumer(config).await?;

    let mut found = HashMap::new();
    let mut pending = consumer.cached_info().num_pending;
    let mut seen = 0;
    while pending > 0 && found.len() < sent.len() && seen < MESSAGES_MAX {
        let seen_before = seen;
        let mut messages = consumer.fetch().max_messages(FETCH_MESSAGES).messages().await?;
        while let Some(message) = messages.next().await {
            let message = message?;
            let place = message.info()?;
            let id = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
            let ours = id.and_then(|id| sent.get_key_value(id.as_str()));
            if let Some((id, ours)) = ours
                && is_same(&message.subject, &message.payload, ours, keeps_subjects)
            {
                found.insert(id.clone(), place.stream_sequence);
            }
            pending = place.pending;
            seen += 1;
        }
        if seen == seen_before {
            return Err(format!("{pending} messages did not come").into());
        }
    }
    Ok(found)
}
