//! Exactly once: messages and the checkpoint of their route are one atomic batch of the stream.
//!
//! * The checkpoint is the last message of its batch, on a subject of the route's own. It takes the place of the one before it
//!   (a roll-up of the subject), so that a stream holds one checkpoint a route however long it runs.
//! * It says which sequence the last checkpoint has to have. The stream looks under lock when it commits, so whoever does not
//!   know the last checkpoint stores nothing. Whoever fences writes the last checkpoint once more: a batch of a stopped writer,
//!   or of a lost connection of ours, is before that, or is refused when it arrives.
//! * A server whose room ends while it stores a batch keeps a part of it, without the checkpoint. So the messages of a route bear
//!   batch ids of the route's own, and behind a fence those are looked for that are behind the last checkpoint: they are not sent
//!   again. A checkpoint that does not count all of them says where the others are.
//! * A connection is used until it breaks and never after, and what its client had queued ends with it.
//! * Messages are sent when they are staged, and the server gives a batch up that it has not heard of for ten seconds. So what
//!   is staged is kept in mind, and sent again in another batch if the commit comes late or finds its batch given up.
//! * `Nats-Msg-Id` is kept, for readers and so that a replay right after a delivery adds nothing to the stream. Nothing here
//!   rests on it: where the stream has an id already, because a replay was before us, or holds the message of another route
//!   or mode, it would refuse the whole batch for as long as its duplicate window lasts. The messages then go out with ids that
//!   end in something new.
//! * The limits of a stream (messages of a batch, batches at a time) are reported as errors that pass; the caller tries again.

mod checkpoint;
mod commit;
mod refusal;
mod sender;
mod session;
mod standing;
mod stored_in_part;
mod transaction;
mod uncounted;

use std::{
    future::ready,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};

use self::session::Session;
use super::{atomic_batch::BATCH_MESSAGES_MAX, stall_reason};
use crate::{
    bus::{
        BusError,
        nats::{checkpoints, connection::Connection, stream},
    },
    config::{NatsSink, NatsTransactions},
    message::{Messages, Origin},
    sink::{CommitError, CommitReceipt, KeptCheckpoint, Rejected, SinkError, StallReason, TransactionalSink},
};

/// Reads the checkpoint of the route of `origin`. Disturbs nobody and creates nothing. None: there is none.
pub(in crate::sink) async fn read_checkpoint(
    sink: &NatsSink,
    transactions: &NatsTransactions,
    origin: &Origin,
) -> Result<Option<KeptCheckpoint>, BusError> {
    let mut connection = Connection::open(&sink.name, &sink.bus, 1).await?;
    let Some(stream) = stream::find(&connection, &sink.name, &sink.stream).await? else { return Ok(None) };
    let subject = checkpoints::subject_of(transactions, &sink.stream, &origin.route_identity());
    let last = checkpoint::read_last(&connection.link, sink, &stream, &subject).await;
    connection.end();
    let place = place_of_checkpoint(&sink.stream, &subject);
    let place_id = id_of_checkpoint_place(&sink.stream, &subject);
    Ok(last?.bytes.map(|bytes| KeptCheckpoint { bytes, place, place_id }))
}

fn place_of_checkpoint(stream: &str, subject: &str) -> String {
    format!(
        "the last message of the subject `{subject}` in the stream `{stream}`, which `nats stream purge {stream} --subject \
         {subject}` removes"
    )
}

fn id_of_checkpoint_place(stream: &str, subject: &str) -> String {
    format!("jetstream {stream} {subject}")
}

/// Where the messages and the checkpoint of a route go.
#[derive(Debug)]
struct Place {
    sink: Arc<NatsSink>,
    transactions: NatsTransactions,
    /// What the messages' subjects match.
    subjects: String,
    checkpoint_subject: Arc<str>,
}

/// The sink of one route.
#[derive(Debug)]
pub(in crate::sink) struct TransactionalNats {
    place: Place,
    /// Messages that a batch may have, the checkpoint not counted.
    messages_max: Arc<AtomicUsize>,
    session: Box<Session>,
}

impl TransactionalNats {
    /// Connects, and finds or creates the stream.
    pub(in crate::sink) async fn open(
        sink: &NatsSink,
        transactions: &NatsTransactions,
        origin: &Origin,
    ) -> Result<Self, SinkError> {
        let checkpoint_subject =
            checkpoints::subject_of(transactions, &sink.stream, &origin.route_identity()).into();
        let place = Place {
            sink: Arc::new(sink.clone()),
            transactions: transactions.clone(),
            subjects: sink.subject.wildcard(Some(origin)),
            checkpoint_subject,
        };
        // The next one is staged while one is awaited.
        let messages_max = (sink.unacknowledged_max / 2).clamp(1, BATCH_MESSAGES_MAX - 1);
        let messages_max = Arc::new(AtomicUsize::new(messages_max));
        let session = Box::new(Session::open(&place, Arc::clone(&messages_max)).await?);
        Ok(Self { place, messages_max, session })
    }
}

impl TransactionalSink for TransactionalNats {
    fn last_checkpoint(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SinkError>> {
        async move { Ok(self.session.last_checkpoint().await?) }.boxed()
    }

    fn fence(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        self.session.fence().boxed()
    }

    fn stage<'a>(
        &'a mut self,
        messages: &'a Arc<Messages>,
        range: Range<usize>,
    ) -> BoxFuture<'a, Result<Vec<Rejected>, SinkError>> {
        async move { Ok(self.session.stage(messages, range).await?) }.boxed()
    }

    fn commit(&mut self, checkpoint: Bytes) -> BoxFuture<'_, Result<CommitReceipt, CommitError>> {
        self.session.commit(checkpoint).boxed()
    }

    fn checkpoint_place(&self) -> String {
        place_of_checkpoint(&self.place.sink.stream, &self.place.checkpoint_subject)
    }

    fn checkpoint_place_id(&self) -> String {
        id_of_checkpoint_place(&self.place.sink.stream, &self.place.checkpoint_subject)
    }

    fn messages_max(&self) -> usize {
        self.messages_max.load(Ordering::Relaxed)
    }

    fn message_bytes_max(&self) -> Option<usize> {
        self.session.message_bytes_max()
    }

    fn stall_reason(&self) -> StallReason {
        stall_reason(self.session.link())
    }

    /// Begins a new session.
    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            self.session.end();
            *self.session = Session::open(&self.place, Arc::clone(&self.messages_max)).await?;
            Ok(())
        }
        .boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.session.end();
        ready(()).boxed()
    }
}
