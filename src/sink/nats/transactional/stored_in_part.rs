//! Finds the messages of a route that the stream holds and no checkpoint counts, by the ids of the batches in which they were sent.
//! Sends nothing to the stream.

use std::time::Duration;

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::StreamExt as _;

use super::uncounted::{Places, Uncounted};
use crate::{
    bus::{
        BusError,
        nats::{link::Link, rejection, stream},
    },
    config::NatsSink,
    sink::nats::{
        atomic_batch::BatchOwner,
        stored_headers::{FETCH_MESSAGES, consumer_from},
    },
};

/// How long the next one may take. A consumer may be on a replica that is behind.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the messages of a route are looked for.
pub(super) struct TailReader<'a> {
    pub(super) link: &'a Link,
    pub(super) sink: &'a NatsSink,
    pub(super) stream: &'a Stream,
    /// What the messages' subjects match.
    pub(super) subjects: &'a str,
    pub(super) owner: &'a BatchOwner,
}

impl TailReader<'_> {
    /// The messages in `places`. What others have written there is passed over.
    pub(super) async fn run(&self, places: &Places) -> Result<Uncounted, BusError> {
        let (Some(first), Some(last)) = (places.first(), self.last_sequence().await?) else {
            return Ok(Uncounted::default());
        };
        // So it is, but for batches that were stored in part, and where others write on the same subjects.
        if last < first {
            return Ok(Uncounted::default());
        }
        let read = tokio::select! {
            biased;
            read = self.read(places, first, last) => read,
            () = self.link.lost() => return Err(self.link.error()),
        };
        let found = read.map_err(|err| stream::unanswered(self.link, &self.sink.name, &*err))?;
        if found.len() > 0 {
            tracing::warn!(
                sink = self.sink.name,
                stream = self.sink.stream,
                messages = found.len(),
                "the stream has stored a part of a batch without its checkpoint, as a server does whose room ends in the middle: \
                 these messages are not sent again, and the next checkpoint counts them"
            );
        }
        Ok(found)
    }

    /// The sequence of the last message on the subjects, whoever wrote it. The leader says so, who has all that is stored.
    async fn last_sequence(&self) -> Result<Option<u64>, BusError> {
        let asked = tokio::select! {
            biased;
            asked = self.stream.get_last_raw_message_by_subject(self.subjects) => asked,
            () = self.link.lost() => return Err(self.link.error()),
        };
        match asked.map_err(|err| (err.kind(), err)) {
            Ok(message) => Ok(Some(message.sequence)),
            Err((LastRawMessageErrorKind::NoMessageFound, _)) => Ok(None),
            Err((LastRawMessageErrorKind::JetStream(err), _)) => {
                Err(rejection::of_jetstream(&self.sink.name, &self.sink.stream, &err))
            }
            Err((_, err)) => Err(stream::unanswered(self.link, &self.sink.name, &err)),
        }
    }

    /// Reads from sequence `first` on, up to `last`.
    async fn read(&self, places: &Places, first: u64, last: u64) -> Result<Uncounted, async_nats::Error> {
        let consumer = self.stream.create_consumer(consumer_from(first, self.subjects.to_owned())).await?;
        let mut found = Uncounted::default();
        loop {
            let batch = consumer.batch().max_messages(FETCH_MESSAGES).expires(FETCH_TIMEOUT);
            let mut messages = batch.messages().await?;
            let mut has_come = false;
            while let Some(message) = messages.next().await {
                let message = message?;
                has_come = true;
                let sequence = message.info()?.stream_sequence;
                let id = message.headers.as_ref().and_then(|headers| self.owner.message_id(headers));
                if let Some(id) = id.filter(|_| places.contains(sequence)) {
                    found.add(id.to_owned(), sequence);
                }
                if sequence >= last {
                    return Ok(found);
                }
            }
            if !has_come {
                return Err(
                    format!("what stream `{}` holds up to {last} did not come", self.sink.stream).into()
                );
            }
        }
    }
}
