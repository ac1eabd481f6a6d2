//! A connection with all that holds for as long as it does: the stream found in order, the transaction that is being staged,
//! and where the last checkpoint is. Ends with the first failure.

use std::{
    ops::Range,
    sync::{Arc, atomic::AtomicUsize},
};

use async_nats::jetstream::stream::Stream;
use bytes::Bytes;

use super::{
    Place,
    checkpoint::{self, LastCheckpoint},
    commit::Commit,
    sender::Sender,
    standing::Standing,
    transaction::Transaction,
};
use crate::{
    bus::{
        BusError,
        nats::{checkpoints, connection::Connection, link::Link, stream},
    },
    message::{Message, Messages},
    sink::{
        CommitError, CommitReceipt, Rejected, SinkError,
        nats::{
            atomic_batch::{BATCH_HEADERS_BYTES, BATCH_MESSAGES_MAX},
            outgoing::{Outgoing, Writer},
            size_limits::{SizeLimit, SizeLimits},
        },
    },
};

/// Answers awaited at a time: those of a batch that is sent again, of its checkpoint, and of a few requests.
const ANSWERS_MAX: usize = BATCH_MESSAGES_MAX + 8;

/// One session of a sink.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    stream: Stream,
    sender: Sender,
    writer: Writer,
    size_limits: SizeLimits,
    transaction: Transaction,
    standing: Arc<Standing>,
    messages_max: Arc<AtomicUsize>,
}

impl Session {
    /// Connects, finds or creates the stream, and looks whether it has what is needed.
    pub(super) async fn open(place: &Place, messages_max: Arc<AtomicUsize>) -> Result<Self, BusError> {
        let Place { sink, transactions, subjects, checkpoint_subject } = place;
        let connection = Connection::open(&sink.name, &sink.bus, ANSWERS_MAX).await?;
        let stream = stream::find_or_create(&connection, sink, subjects).await?;
        let config = &stream.cached_info().config;
        if !config.allow_atomic_publish {
            stream::require_atomic_batches(&connection, &sink.name)?;
        }
        checkpoints::require(sink, transactions, config)?;
        for warning in checkpoints::warnings(config) {
            tracing::warn!(
                sink = sink.name,
                warning = warning.text,
                "the stream may not keep the checkpoint"
            );
        }
        let size_limits = SizeLimits::new(&connection, config);
        let sender = Sender {
            sink: Arc::clone(sink),
            jetstream: connection.jetstream.clone(),
            link: Arc::clone(&connection.link),
            checkpoint_subject: Arc::clone(checkpoint_subject),
            keeps_beyond_age: config.allow_message_ttl,
        };
        Ok(Self {
            connection,
            stream,
            sender,
            writer: Writer::new(Arc::clone(sink)),
            size_limits,
            transaction: Transaction::default(),
            standing: Arc::default(),
            messages_max,
        })
    }

    /// The last checkpoint. The next commit is taken only if it still is then.
    pub(super) async fn last_checkpoint(&mut self) -> Result<Option<Bytes>, BusError> {
        let Sender { link, sink, checkpoint_subject, .. } = &self.sender;
        let LastCheckpoint { sequence, bytes } =
            checkpoint::read_last(link, sink, &self.stream, checkpoint_subject).await?;
        self.standing.set(sequence);
        Ok(bytes)
    }

    /// Sends the messages of `range`, but for those that can never be stored.
    pub(super) async fn stage(
        &mut self,
        messages: &Arc<Messages>,
        range: Range<usize>,
    ) -> Result<Vec<Rejected>, BusError> {
        self.size_limits.refresh(&self.connection, &self.sender.sink).await;
        let mut rejected = Vec::new();
        let mut taken = Vec::with_capacity(range.len());
        for index in range {
            let Some(message) = messages.get(index) else { continue };
            match self.compose(&message).await? {
                Ok(outgoing) => {
                    if let Some(batch) = self.transaction.batch() {
                        self.sender.stage(batch, outgoing).await?;
                    }
                    taken.push(index);
                }
                Err(reason) => rejected.push(Rejected { index, reason }),
            }
        }
        self.transaction.add(messages, taken);
        Ok(rejected)
    }

    /// Commits what is staged.
    pub(super) async fn commit(&mut self, checkpoint: Bytes) -> Result<CommitReceipt, CommitError> {
        let transaction = std::mem::take(&mut self.transaction);
        let Some(expected) = self.standing.take() else {
            let (name, reason) =
                (self.sender.sink.name.clone(), "it is not known where the last checkpoint is".to_owned());
            return Err(SinkError::from(BusError::Poisoned { name, reason }).into());
        };
        let bytes = self.sender.checkpoint(checkpoint.clone(), expected).bytes() + BATCH_HEADERS_BYTES;
        if let Some(limit) = self.exceeded_by(bytes).await.map_err(SinkError::from)? {
            let reason = format!("the checkpoint: {}: raise that limit", limit.exceeded(bytes));
            return Err(SinkError::from(self.sender.misconfigured(reason)).into());
        }
        let mut commit = Commit {
            sender: self.sender.clone(),
            transaction,
            checkpoint,
            expected,
            standing: Arc::clone(&self.standing),
            messages_max: Arc::clone(&self.messages_max),
        };
        let acknowledgement = commit.send().await?;
        Ok(Box::pin(commit.settle(acknowledgement)))
    }

    /// What the server and the stream take at most of a message with its headers.
    pub(super) fn message_bytes_max(&self) -> Option<usize> {
        self.size_limits.lowest().map(|limit| limit.bytes_max.saturating_sub(BATCH_HEADERS_BYTES))
    }

    /// What is known of the connection.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.connection.link)
    }

    /// Ends the connection. What the client still had to send is not sent.
    pub(super) fn end(&mut self) {
        self.connection.end();
    }

    /// What goes out for `message`, or why nothing can. An error: the session has to end before that is known.
    async fn compose(&mut self, message: &Message<'_>) -> Result<Result<Outgoing, String>, BusError> {
        let outgoing = match self.writer.write(message) {
            Ok(outgoing) => outgoing,
            Err(reason) => return Ok(Err(reason)),
        };
        let bytes = outgoing.bytes();
        let limit = self.exceeded_by(bytes + BATCH_HEADERS_BYTES).await?;
        Ok(limit.map_or(Ok(outgoing), |limit| Err(limit.exceeded(bytes))))
    }

    async fn exceeded_by(&mut self, bytes: usize) -> Result<Option<SizeLimit>, BusError> {
        if self.size_limits.exceeded_by(bytes).is_some() {
            self.size_limits.confirm(&self.connection, &self.sender.sink, bytes).await?;
        }
        Ok(self.size_limits.exceeded_by(bytes))
    }
}
