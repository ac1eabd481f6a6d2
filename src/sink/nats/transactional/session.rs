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
    checkpoint::{self, LastCheckpoint, NextCheckpoint},
    commit::Commit,
    refusal,
    sender::Sender,
    standing::Standing,
    stored_in_part::TailReader,
    transaction::Transaction,
    uncounted::{Places, Uncounted},
};
use crate::{
    bus::{
        BusError,
        nats::{checkpoints, connection::Connection, exchange, link::Link, stream, stream_warnings},
    },
    message::{Message, Messages},
    sink::{
        CommitError, CommitReceipt, Rejected, SinkError,
        nats::{
            atomic_batch::{AtomicBatch, BATCH_HEADERS_BYTES, BATCH_MESSAGES_MAX, BatchOwner},
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
    /// What the messages' subjects match.
    subjects: String,
    sender: Sender,
    writer: Writer,
    size_limits: SizeLimits,
    transaction: Transaction,
    standing: Arc<Standing>,
    /// The checkpoint that was read last.
    last: Option<LastCheckpoint>,
    /// Where the stream may hold messages that no checkpoint counts.
    places: Places,
    /// Those that it holds. None: they were not looked for, which is done before anything is sent.
    uncounted: Option<Uncounted>,
    messages_max: Arc<AtomicUsize>,
}

/// A message that is ready.
enum Composed {
    ToSend(Outgoing),
    /// The stream has it.
    IsStored,
    /// It can never be stored, for this reason.
    Rejected(String),
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
        let warnings = checkpoints::warnings(config);
        stream_warnings::log_news(&sink.name, "the stream may not keep the checkpoint", &warnings);
        let size_limits = SizeLimits::new(&connection, config);
        let sender = Sender {
            sink: Arc::clone(sink),
            jetstream: connection.jetstream.clone(),
            link: Arc::clone(&connection.link),
            checkpoint_subject: Arc::clone(checkpoint_subject),
            owner: BatchOwner::called(checkpoint_subject),
            keeps_beyond_age: config.allow_message_ttl,
        };
        Ok(Self {
            connection,
            stream,
            subjects: subjects.clone(),
            transaction: Transaction::new(&sender.owner),
            sender,
            writer: Writer::new(Arc::clone(sink)),
            size_limits,
            standing: Arc::default(),
            last: None,
            places: Places::default(),
            uncounted: None,
            messages_max,
        })
    }

    /// The last checkpoint. The next commit is taken only if it still is then.
    pub(super) async fn last_checkpoint(&mut self) -> Result<Option<Bytes>, BusError> {
        let Sender { link, sink, checkpoint_subject, .. } = &self.sender;
        let last = checkpoint::read_last(link, sink, &self.stream, checkpoint_subject).await?;
        self.standing.set(last.sequence);
        (self.places, self.uncounted) = (last.uncounted.clone(), None);
        let bytes = last.bytes.clone();
        self.last = Some(last);
        Ok(bytes)
    }

    /// Writes the last checkpoint once more, so that it has another sequence, and whatever is on its way by the old one is
    /// refused as a whole. What the stream holds after that is all there will be.
    pub(super) async fn fence(&mut self) -> Result<(), SinkError> {
        let Some(LastCheckpoint { sequence, bytes: Some(bytes), uncounted }) = self.last.take() else {
            // No messages were ever sent that would be taken.
            return Ok(());
        };
        self.standing.take();
        let next = NextCheckpoint { bytes, expected: sequence, uncounted };
        let size = next.bytes.len();
        let batch = AtomicBatch::of(&self.sender.owner);
        let sent = match self.sender.commit(batch, next).await? {
            Ok(acknowledgement) => exchange::answer(&self.sender.link, acknowledgement).await?,
            Err(err) => Err(err),
        };
        match sent {
            Ok(answer) => {
                self.standing.set(answer.sequence);
                Ok(())
            }
            Err(err) => match refusal::of_checkpoint(&self.sender, size, &err).await {
                CommitError::Sink(error) => Err(error),
                CommitError::Fenced(reason) | CommitError::Refused { reason, .. } => {
                    Err(BusError::Poisoned { name: self.sender.sink.name.clone(), reason }.into())
                }
            },
        }
    }

    /// Sends the messages of `range`, but for those that can never be stored, and those that the stream has.
    pub(super) async fn stage(
        &mut self,
        messages: &Arc<Messages>,
        range: Range<usize>,
    ) -> Result<Vec<Rejected>, BusError> {
        self.size_limits.refresh(&self.connection, &self.sender.sink).await;
        self.uncounted().await?;
        let mut rejected = Vec::new();
        let mut taken = Vec::with_capacity(range.len());
        for index in range {
            let Some(message) = messages.get(index) else { continue };
            match self.compose(&message).await? {
                Composed::ToSend(outgoing) => {
                    if let Some(batch) = self.transaction.batch() {
                        self.sender.stage(batch, outgoing).await?;
                    }
                    taken.push(index);
                }
                Composed::IsStored => {}
                Composed::Rejected(reason) => rejected.push(Rejected { index, reason }),
            }
        }
        self.transaction.add(messages, taken);
        Ok(rejected)
    }

    /// Commits what is staged.
    pub(super) async fn commit(&mut self, checkpoint: Bytes) -> Result<CommitReceipt, CommitError> {
        let transaction = std::mem::replace(&mut self.transaction, Transaction::new(&self.sender.owner));
        let uncounted = self.uncounted().await.map_err(SinkError::from)?.places();
        let Some(expected) = self.standing.take() else {
            let (name, reason) =
                (self.sender.sink.name.clone(), "it is not known where the last checkpoint is".to_owned());
            return Err(SinkError::from(BusError::Poisoned { name, reason }).into());
        };
        let checkpoint = NextCheckpoint { bytes: checkpoint, expected, uncounted };
        let bytes = self.sender.checkpoint(checkpoint.clone()).bytes() + BATCH_HEADERS_BYTES;
        if let Some(limit) = self.exceeded_by(bytes).await.map_err(SinkError::from)? {
            let reason = format!("the checkpoint: {}: raise that limit", limit.exceeded(bytes));
            return Err(SinkError::from(self.sender.misconfigured(reason)).into());
        }
        let mut commit = Commit {
            sender: self.sender.clone(),
            transaction,
            checkpoint,
            standing: Arc::clone(&self.standing),
            messages_max: Arc::clone(&self.messages_max),
        };
        let acknowledgement = commit.send().await?;
        Ok(Box::pin(commit.settle(acknowledgement)))
    }

    /// What the stream holds and no checkpoint counts, looked for if that is not known.
    async fn uncounted(&mut self) -> Result<&mut Uncounted, BusError> {
        let found = match self.uncounted.take() {
            Some(known) => known,
            None => {
                let Sender { link, sink, owner, .. } = &self.sender;
                let reader = TailReader { link, sink, stream: &self.stream, subjects: &self.subjects, owner };
                reader.run(&self.places).await?
            }
        };
        Ok(self.uncounted.insert(found))
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

    /// What becomes of `message`. An error: the session has to end before that is known.
    async fn compose(&mut self, message: &Message<'_>) -> Result<Composed, BusError> {
        let outgoing = match self.writer.write(message) {
            Ok(outgoing) => outgoing,
            Err(reason) => return Ok(Composed::Rejected(reason)),
        };
        // Before its size is looked at: limits may have been lowered since.
        if self.uncounted().await?.take(&outgoing.id) {
            return Ok(Composed::IsStored);
        }
        let bytes = outgoing.bytes();
        let limit = self.exceeded_by(bytes + BATCH_HEADERS_BYTES).await?;
        Ok(match limit {
            Some(limit) => Composed::Rejected(limit.exceeded(bytes)),
            None => Composed::ToSend(outgoing),
        })
    }

    async fn exceeded_by(&mut self, bytes: usize) -> Result<Option<SizeLimit>, BusError> {
        if self.size_limits.exceeded_by(bytes).is_some() {
            self.size_limits.confirm(&self.connection, &self.sender.sink, bytes).await?;
        }
        Ok(self.size_limits.exceeded_by(bytes))
    }
}
