//! What the server answers to a message that was sent, and what that means: stored, there already, or refused. Keeps no
//! order and no count.

use std::sync::Arc;

use async_nats::jetstream::{
    self,
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    message::StreamMessage,
    publish::PublishAck,
    stream::{LastRawMessageErrorKind, Stream},
};

use crate::{
    bus::{
        BusError,
        nats::{
            exchange::{self, PublishResult, exchange},
            link::Link,
            rejection::StoreRejection,
            stream,
        },
    },
    config::NatsSink,
    message::Message,
    sink::nats::outgoing::{Outgoing, Writer},
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

/// Understands the answers of one session.
#[derive(Debug)]
pub(super) struct Answers {
    sink: Arc<NatsSink>,
    jetstream: jetstream::Context,
    link: Arc<Link>,
    stream: Stream,
    writer: Writer,
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
    ) -> Self {
        let writer = Writer::new(Arc::clone(&sink));
        Self { sink, jetstream, link, stream, writer, may_look: true, is_duplicate_told: false }
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
            Ok(answer) => self.taken(message, &answer).await,
            Err(err) => Err(self.refused(message, &err).await),
        }
    }

    /// What the server answers to `message`, which ends an atomic batch, for all messages of it.
    pub(super) async fn of_batch(
        &mut self,
        message: &Message<'_>,
        acknowledgement: PublishAckFuture,
    ) -> Result<Stored, Unstored> {
        let answer = exchange::answer(&self.link, acknowledgement).await;
        let err = match answer.map_err(|err| Unstored::Refused(StoreRejection::Bus(err)))? {
            Ok(answer) => return self.taken(message, &answer).await.map_err(Unstored::Refused),
            Err(err) => err,
        };
        match jetstream_error(&err) {
            Some(err) => Err(Unstored::Batch(err.clone())),
            None => Err(Unstored::Refused(self.refused(message, &err).await)),
        }
    }

    /// Publishes `message` and waits for the answer.
    pub(super) async fn publish_alone(&mut self, message: &Message<'_>) -> Result<Stored, StoreRejection> {
        let outgoing = self.writer.write(message).map_err(StoreRejection::Message)?;
        let (subject, publish) = outgoing.into_publish();
        let answer = exchange(&self.jetstream, &self.link, subject, publish).await;
        self.understood(message, answer.map_err(StoreRejection::Bus)?).await
    }

    async fn taken(&mut self, message: &Message<'_>, answer: &PublishAck) -> Result<Stored, StoreRejection> {
        if answer.stream != self.sink.stream {
            return Err(self.went_elsewhere(message, &answer.stream));
        }
        if answer.duplicate {
            return self.had_it(message, answer.sequence).await;
        }
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
        if is_same(&kept, &ours, self.stream.cached_info().config.subject_transform.is_none()) {
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

    fn went_elsewhere(&self, message: &Message<'_>, elsewhere: &str) -> StoreRejection {
        let mut subject = String::new();
        self.sink.subject.render(message, &mut subject);
        let reason = format!(
            "stream `{elsewhere}` took subject `{subject}`: give the subject to stream `{}`, or configure the other one",
            self.sink.stream
        );
        StoreRejection::Bus(BusError::Misconfigured { name: self.sink.name.clone(), reason })
    }
}

fn is_same(kept: &StreamMessage, ours: &Outgoing, keeps_subjects: bool) -> bool {
    kept.payload == ours.payload && (!keeps_subjects || *kept.subject == *ours.subject)
}

fn jetstream_error(error: &PublishError) -> Option<&jetstream::Error> {
    std::error::Error::source(error)?.downcast_ref()
}
