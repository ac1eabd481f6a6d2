//! What the server answers to a message that was sent, and what that means: stored, there already, or refused. Keeps no
//! order.

use std::{collections::HashMap, sync::Arc};

use async_nats::jetstream::{
    self,
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    message::StreamMessage,
    publish::PublishAck,
    stream::{LastRawMessageErrorKind, Stream},
};
use tokio::time::timeout;

use super::{
    fast_batch::{FastAnswer, FastAnswers, FastSent},
    pause::FastPause,
    read_back::{is_same, read_back},
    tail::TAIL_TIMEOUT,
};
use crate::{
    bus::{
        BusError,
        nats::{
            connection::ANSWER_TIMEOUT,
            exchange::{self, PublishResult, exchange},
            link::Link,
            rejection::StoreRejection,
            stream,
        },
    },
    config::NatsSink,
    message::{Message, Messages},
    sink::nats::outgoing::Writer,
};

/// A message that is in the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    /// The stream had it before.
    pub(super) is_duplicate: bool,
}

/// Why an atomic batch is not in the stream.
#[derive(Debug)]
pub(super) enum Unstored {
    /// JetStream refused the whole. Nothing of it is stored, and its messages may be published alone.
    Batch(jetstream::Error),
    /// None can be stored just now, or it is not known whether they are.
    Refused(StoreRejection),
}

/// What is known of a fast batch.
#[derive(Debug)]
pub(super) enum Ingested {
    /// So many of its first messages are stored, the last of them under this sequence, and none behind them is.
    First { messages: usize, sequence: u64 },
    /// Those with these ids are stored, each under its sequence. The others are not, or were there before.
    Some(HashMap<String, u64>),
}

/// What the answers to fast batches need.
#[derive(Debug)]
pub(super) struct FastHearing {
    pub(super) answers: FastAnswers,
    pub(super) pause: FastPause,
    /// The subjects of the route.
    pub(super) subjects: String,
}

/// Understands the answers of one session.
#[derive(Debug)]
pub(super) struct Answers {
    sink: Arc<NatsSink>,
    jetstream: jetstream::Context,
    link: Arc<Link>,
    stream: Stream,
    writer: Writer,
    fast: Option<FastHearing>,
    /// The last sequence of the stream that we know of.
    last_sequence: u64,
    /// Whether the stream tells us what it holds.
    may_look: bool,
    is_duplicate_told: bool,
}

impl Answers {
    pub(super) fn new(
        sink: Arc<NatsSink>,
        jetstream: jetstream::Context,
        link: Arc<Link>,
        stream: Stream,
        fast: Option<FastHearing>,
    ) -> Self {
        let writer = Writer::new(Arc::clone(&sink));
        let last_sequence = stream.cached_info().state.last_sequence;
        let (may_look, is_duplicate_told) = (true, false);
        Self { sink, jetstream, link, stream, writer, fast, last_sequence, may_look, is_duplicate_told }
    }

    /// What the server answers to `message`.
    pub(super) async fn of(
        &mut self,
        message: &Message<'_>,
        acknowledgement: PublishAckFuture,
    ) -> Result<Stored, StoreRejection> {
        let answer = exchange::answer(&self.link, acknowledgement).await;
        self.understood(message, answer.map_err(StoreRejection::Bus)?).await
    }

    async fn understood(
        &mut self,
        message: &Message<'_>,
        answer: PublishResult,
    ) -> Result<Stored, StoreRejection> {
        match answer {
            Ok(answer) => self.taken(message, 1, &answer).await,
            Err(err) => Err(self.refused(message, &err).await),
        }
    }

    /// What the server answers to `message`, which ends an atomic batch of `messages`, for all of them.
    pub(super) async fn of_batch(
        &mut self,
        message: &Message<'_>,
        messages: usize,
        acknowledgement: PublishAckFuture,
    ) -> Result<Stored, Unstored> {
        let answer = exchange::answer(&self.link, acknowledgement).await;
        let err = match answer.map_err(|err| Unstored::Refused(StoreRejection::Bus(err)))? {
            Ok(answer) => return self.taken(message, messages, &answer).await.map_err(Unstored::Refused),
            Err(err) => err,
        };
        match jetstream_error(&err) {
            Some(err) => Err(Unstored::Batch(err.clone())),
            None => Err(Unstored::Refused(self.refused(message, &err).await)),
        }
    }

    /// What the server answers to a fast batch of the messages of `batch` at `indexes`.
    ///
    /// By itself the answer proves too little: the server counts a message as taken if it knows its id, though the stream may
    /// have another message under it. So it proves a batch only if the stream has grown by just as many messages since the one
    /// before it, which was sent alone and showed that nobody else had written. Otherwise the stream is read, and fast ingest
    /// is left for a while.
    pub(super) async fn of_fast_batch(
        &mut self,
        batch: &Messages,
        indexes: &[usize],
        sent: &FastSent,
    ) -> Result<Ingested, BusError> {
        let Some(fast) = &mut self.fast else { return Err(self.link.error()) };
        let answer = tokio::select! {
            biased;
            answer = timeout(ANSWER_TIMEOUT, fast.answers.of(sent)) => answer,
            () = self.link.lost() => return Err(self.link.error()),
        };
        let (stream, messages, sequence) = match answer {
            Ok(Some(FastAnswer::Ended { stream, messages, sequence })) => (stream, messages, sequence),
            Ok(Some(FastAnswer::Refused { reason })) => {
                tracing::debug!(sink = self.sink.name, reason, "a fast batch is published one by one");
                fast.pause.begin();
                return Ok(Ingested::First { messages: 0, sequence: 0 });
            }
            Ok(Some(FastAnswer::Unknown { reason })) => {
                fast.pause.begin();
                return Err(self.unacknowledged(&reason));
            }
            Ok(None) => return Err(self.link.error()),
            Err(_) => {
                fast.pause.begin();
                return Err(self.link.denial().unwrap_or_else(|| self.unacknowledged("no answer")));
            }
        };
        if stream != self.sink.stream {
            let first = indexes.first().and_then(|index| batch.get(*index));
            return Err(first.map_or_else(|| self.link.error(), |first| self.elsewhere(&first, &stream)));
        }
        let before = std::mem::replace(&mut self.last_sequence, sequence);
        if sequence == before + messages {
            if messages == sent.messages {
                fast.pause.forget();
            }
            let messages = usize::try_from(messages).unwrap_or(usize::MAX).min(indexes.len());
            return Ok(Ingested::First { messages, sequence });
        }
        fast.pause.begin();
        if sequence == 0 {
            // Nothing new was stored.
            self.last_sequence = before;
        }
        Ok(Ingested::Some(self.read_back(batch, indexes, before).await?))
    }

    /// Which messages the stream has beyond sequence `after`. None if it does not let us read.
    async fn read_back(
        &mut self,
        batch: &Messages,
        indexes: &[usize],
        after: u64,
    ) -> Result<HashMap<String, u64>, BusError> {
        let Some(subjects) = self.fast.as_ref().map(|fast| fast.subjects.clone()) else {
            return Ok(HashMap::new());
        };
        let mut sent = HashMap::with_capacity(indexes.len());
        for message in indexes.iter().filter_map(|index| batch.get(*index)) {
            if let Ok(outgoing) = self.writer.write(&message) {
                sent.insert(outgoing.id.clone(), outgoing);
            }
        }
        let reading = timeout(TAIL_TIMEOUT, read_back(&self.stream, after, subjects, &sent));
        let read = tokio::select! {
            read = reading => read.map_err(Into::into).flatten(),
            () = self.link.lost() => return Err(self.link.error()),
        };
        Ok(read.unwrap_or_else(|error| {
            tracing::debug!(
                sink = self.sink.name,
                error,
                "cannot read back a batch: it is published one by one"
            );
            self.link.forget_complaint();
            HashMap::new()
        }))
    }

    /// Others write too, or did before.
    fn not_alone(&self) {
        if let Some(fast) = &self.fast {
            fast.pause.begin();
        }
    }

    /// The id under which the stream knows `message`.
    pub(super) fn id(&mut self, message: &Message<'_>) -> Option<String> {
        self.writer.write(message).ok().map(|outgoing| outgoing.id)
    }

    fn unacknowledged(&self, reason: &str) -> BusError {
        let Self { sink, .. } = self;
        BusError::Unreachable {
            name: sink.name.clone(),
            reason: format!("stream `{}` acknowledges nothing of a batch: {reason}", sink.stream),
        }
    }

    /// Publishes `message` and waits for the answer.
    pub(super) async fn publish_alone(&mut self, message: &Message<'_>) -> Result<Stored, StoreRejection> {
        let outgoing = self.writer.write(message).map_err(StoreRejection::Message)?;
        let (subject, publish) = outgoing.into_publish();
        let answer = exchange(&self.jetstream, &self.link, subject, publish).await;
        self.understood(message, answer.map_err(StoreRejection::Bus)?).await
    }

    async fn taken(
        &mut self,
        message: &Message<'_>,
        messages: usize,
        answer: &PublishAck,
    ) -> Result<Stored, StoreRejection> {
        if answer.stream != self.sink.stream {
            return Err(StoreRejection::Bus(self.elsewhere(message, &answer.stream)));
        }
        let before = self.last_sequence;
        if answer.duplicate || answer.sequence != before + messages as u64 {
            self.not_alone();
        }
        if answer.duplicate {
            return self.had_it(message, answer.sequence).await;
        }
        self.last_sequence = answer.sequence;
        Ok(Stored { sequence: answer.sequence, is_duplicate: false })
    }

    /// The stream knows the id. It is made of all that a reader can see, so that it can hardly be another's, unless
    /// somebody else writes such ids.
    async fn had_it(&mut self, message: &Message<'_>, sequence: u64) -> Result<Stored, StoreRejection> {
        let (name, stream) = (&self.sink.name, &self.sink.stream);
        if !self.is_duplicate_told {
            self.is_duplicate_told = true;
            tracing::warn!(
                sink = name,
                stream,
                sequence,
                "the stream has a message already: it was published before, or another daemon publishes the same; copies are \
                 counted"
            );
        }
        let stored = Stored { sequence, is_duplicate: true };
        let (Some(kept), Ok(ours)) = (self.look(sequence).await, self.writer.write(message)) else {
            return Ok(stored);
        };
        let keeps_subjects = self.stream.cached_info().config.subject_transform.is_none();
        if is_same(&kept.subject, &kept.payload, &ours, keeps_subjects) {
            return Ok(stored);
        }
        Err(StoreRejection::Message(format!(
            "stream `{}` takes it for its message {sequence} on `{}`, which has the same `Nats-Msg-Id` and is another one: find \
             out who else publishes there",
            self.sink.stream, kept.subject
        )))
    }

    /// The message that the stream has under `sequence`. None if it is gone, or if we may not look.
    async fn look(&mut self, sequence: u64) -> Option<StreamMessage> {
        if !self.may_look {
            return None;
        }
        let looked = tokio::select! {
            biased;
            looked = self.stream.get_raw_message(sequence) => looked,
            () = self.link.lost() => return None,
        };
        match looked {
            Ok(message) => Some(message),
            Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => None,
            Err(err) => {
                self.may_look = false;
                tracing::warn!(
                    sink = self.sink.name, stream = self.sink.stream, error = %err,
                    "cannot look at messages that the stream says it has already: their ids are trusted"
                );
                self.link.forget_complaint();
                None
            }
        }
    }

    async fn refused(&self, message: &Message<'_>, error: &PublishError) -> StoreRejection {
        let mut subject = String::new();
        self.sink.subject.render(message, &mut subject);
        if error.kind() == PublishErrorKind::StreamNotFound {
            return StoreRejection::Bus(
                stream::untaken(&self.jetstream, &self.link, &self.sink, &subject).await,
            );
        }
        exchange::rejection(&self.link, &self.sink, &subject, message.payload.len(), error)
    }

    fn elsewhere(&self, message: &Message<'_>, elsewhere: &str) -> BusError {
        let mut subject = String::new();
        self.sink.subject.render(message, &mut subject);
        let reason = format!(
            "stream `{elsewhere}` took subject `{subject}`: give the subject to stream `{}`, or configure the other one",
            self.sink.stream
        );
        BusError::Misconfigured { name: self.sink.name.clone(), reason }
    }
}

fn jetstream_error(error: &PublishError) -> Option<&jetstream::Error> {
    std::error::Error::source(error)?.downcast_ref()
}
