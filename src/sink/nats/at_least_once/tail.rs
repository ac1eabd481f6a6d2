//! What the stream holds beyond the last proved batch: messages that were stored before a stop or a break, but whose
//! acknowledgement nobody kept. They are found by their ids and not published again, however short the stream's
//! duplicate window is.

use std::{collections::HashMap, time::Duration};

use async_nats::{header::NATS_MESSAGE_ID, jetstream::stream::Stream};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::{
    bus::{BusError, nats::link::Link},
    config::NatsSink,
    sink::nats::{
        outgoing::Outgoing,
        stored_headers::{FETCH_MESSAGES, consumer_from},
    },
};

/// Far more than the batches that can be on their way at once; other routes may have written into the same stream.
const MESSAGES_MAX: u64 = 200_000;
/// How long reading may take.
pub(super) const TAIL_TIMEOUT: Duration = Duration::from_secs(60);
/// What was stored before is read again at once, so that this is long enough for it to be asked for.
const LIFE: Duration = Duration::from_secs(300);

/// The ids of messages that are in the stream already, each with its sequence.
#[derive(Debug)]
pub(super) struct Tail {
    sequences: HashMap<String, u64>,
    /// Messages in a row that were not among them.
    misses: usize,
    /// Behind so many messages that are not in the stream, none is that was sent with them.
    misses_max: usize,
    read_at: Instant,
}

impl Tail {
    /// A tail with nothing in it.
    pub(super) fn empty() -> Self {
        Self { sequences: HashMap::new(), misses: 0, misses_max: 0, read_at: Instant::now() }
    }

    /// Reads what `stream` holds on the subjects of `filter` beyond sequence `after`. At most `on_their_way_max` messages
    /// were on their way at a time, so that what was lost can be followed by as many that were not.
    pub(super) async fn read(
        stream: &Stream,
        after: u64,
        filter: String,
        on_their_way_max: usize,
    ) -> Result<Self, async_nats::Error> {
        let consumer = stream.create_consumer(consumer_from(after + 1, filter)).await?;

        let mut pending = consumer.cached_info().num_pending;
        if pending > MESSAGES_MAX {
            tracing::warn!(
                pending,
                "only the first {MESSAGES_MAX} messages since the last proved batch are looked at"
            );
        }
        let mut tail = Self { misses_max: on_their_way_max, ..Self::empty() };
        let mut seen = 0;
        while pending > 0 && seen < MESSAGES_MAX {
            let seen_before = seen;
            let mut messages = consumer.fetch().max_messages(FETCH_MESSAGES).messages().await?;
            while let Some(message) = messages.next().await {
                let message = message?;
                let place = message.info()?;
                if let Some(id) = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID)) {
                    tail.insert(id.as_str(), &message.subject, place.stream_sequence);
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

    fn insert(&mut self, id: &str, subject: &str, sequence: u64) {
        let key = if has_digest(id) { id.to_owned() } else { bare_key(id, subject) };
        self.sequences.insert(key, sequence);
    }

    /// The sequence of `message`, if it is in the stream; it is not asked for a second time.
    pub(super) fn take(&mut self, message: &Outgoing) -> Option<u64> {
        if self.sequences.is_empty() {
            return None;
        }
        let found = self.sequences.remove(&message.id);
        // Written before ids had a digest.
        let found = found.or_else(|| self.sequences.remove(&bare_key(message.bare_id(), &message.subject)));
        self.misses = if found.is_some() { 0 } else { self.misses + 1 };
        if self.misses > self.misses_max {
            self.clear();
        }
        found
    }

    /// The lowest sequence of the messages not yet asked for.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.sequences.values().copied().min()
    }

    /// How many messages have not yet been asked for.
    pub(super) fn len(&self) -> usize {
        self.sequences.len()
    }

    /// A batch found nothing. Of what others wrote on our subjects nothing will ever be found, and it must not hold the
    /// mark back for ever.
    pub(super) fn age(&mut self) {
        if self.read_at.elapsed() > LIFE {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.sequences = HashMap::new();
    }
}

/// Reads what is stored beyond `sequence`. Where the server does not let us, only its duplicate window is left to keep
/// duplicates out.
pub(super) async fn read_tail(
    link: &Link,
    sink: &NatsSink,
    stream: &Stream,
    sequence: u64,
    subjects: &str,
) -> Result<Tail, BusError> {
    let reading = Tail::read(stream, sequence, subjects.to_owned(), sink.unacknowledged_max);
    let reading = tokio::time::timeout(TAIL_TIMEOUT, reading);
    let read = tokio::select! {
        read = reading => read.map_err(Into::into).flatten(),
        () = link.lost() => return Err(link.error()),
    };
    match read {
        Ok(tail) => Ok(tail),
        Err(error) => {
            tracing::warn!(
                sink = sink.name,
                stream = sink.stream,
                error,
                "cannot read what the stream holds since the last delivery: after a long stop there may be duplicates"
            );
            link.forget_complaint();
            Ok(Tail::empty())
        }
    }
}

/// Ids have ended so since they tell apart what routes make of one event.
fn has_digest(id: &str) -> bool {
    const DIGEST_CHARS: usize = 12;
    id.rsplit_once('#').is_some_and(|(_, digest)| digest.len() == DIGEST_CHARS)
}

/// Neither has a line break in it.
fn bare_key(id: &str, subject: &str) -> String {
    format!("{id}\n{subject}")
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use bytes::Bytes;

    use super::*;

    fn outgoing(id: &str, subject: &str) -> Outgoing {
        Outgoing {
            id: format!("{id}#AAAAAAAAAAAA"),
            bare_id_bytes: id.len(),
            subject: subject.to_owned(),
            headers: HeaderMap::new(),
            payload: Bytes::new(),
            key: String::new(),
        }
    }

    #[test]
    fn what_was_written_before_ids_had_a_digest_is_known_by_id_and_subject() {
        let mut tail = Tail { misses_max: 10, ..Tail::empty() };
        tail.insert("acme:u-1", "okta.a", 1);
        tail.insert("acme:u-2#AAAAAAAAAAAA", "okta.a", 2);
        tail.insert("acme:u-3#BBBBBBBBBBBB", "okta.a", 3);
        assert_eq!(tail.take(&outgoing("acme:u-1", "okta.b")), None);
        assert_eq!(tail.take(&outgoing("acme:u-1", "okta.a")), Some(1));
        assert_eq!(tail.take(&outgoing("acme:u-2", "okta.a")), Some(2));
        assert_eq!(tail.take(&outgoing("acme:u-3", "okta.a")), None, "another form of the event");
    }

    #[test]
    fn what_is_behind_a_hole_is_found() {
        let mut tail = Tail { misses_max: 2, ..Tail::empty() };
        tail.insert("acme:u-9", "okta.a", 9);
        for id in ["acme:u-1", "acme:u-2"] {
            assert_eq!(tail.take(&outgoing(id, "okta.a")), None);
        }
        assert_eq!(tail.lowest(), Some(9));
        tail.take(&outgoing("acme:u-3", "okta.a"));
        assert_eq!(tail.lowest(), None, "too far behind to have been on its way");
    }
}
