//! The contract of a sink that commits messages and their checkpoint at a stroke: exactly once.
//!
//! * A sink belongs to one route. [`TransactionalFactory::open`] connects it and disturbs nobody.
//! * The bus keeps one checkpoint a route, as bytes that mean nothing here. It is the truth: whoever writes begins with
//!   [`TransactionalSink::last_checkpoint`], and so does whoever does not know whether a commit was applied.
//! * [`TransactionalSink::fence`] comes before the first message is staged. From then on whoever wrote before, this process
//!   included, commits nothing any more. It is asked for the last checkpoint after that: what it says then is final.
//! * A bus may have stored a part of a batch without its checkpoint. The sink finds that out and leaves those messages out of what is
//!   staged; they count as delivered with the commit that leaves them out.
//! * A transaction is any number of [`TransactionalSink::stage`] and one [`TransactionalSink::commit`]. All of it becomes visible to readers that see
//!   what is committed, or nothing does. One without messages is allowed.
//! * The next transaction may be staged while the receipt of the last commit is outstanding; the sink waits by itself where
//!   its bus wants that. Receipts are awaited in their order, and one at most is outstanding when `commit` is called.
//! * After any error the caller gives up what it staged, and begins anew with `recover`, `last_checkpoint` and `fence`. An error never
//!   says that nothing was committed, but for [`CommitError::Refused`].
//! * Futures may be dropped half way; nothing but `recover` or `close` follows then.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Rejected, SinkError, StallReason};
use crate::message::{Messages, Origin};

/// Resolves when the bus has said what became of a commit.
pub type CommitReceipt = BoxFuture<'static, Result<(), CommitError>>;

/// A commit of which it is not proved that it was applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The bus refuses one of the messages for what it is, and has told so. Nothing was committed.
    #[error("the bus refuses a message: {reason}")]
    Refused {
        /// Why.
        reason: String,
        /// The ids of the messages that it refuses, as far as it has told which; the others may be in order.
        ids: Vec<String>,
    },
    /// Somebody else writes for this route: this sink commits nothing any more until it fences.
    #[error("another writer has taken the route over: {0}")]
    Fenced(String),
    /// The bus cannot be used; the commit may have been applied.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// The checkpoint of a route, as its bus keeps it.
#[derive(Debug)]
pub struct KeptCheckpoint {
    /// Means nothing here.
    pub bytes: Bytes,
    /// Where it is and how it is removed, for people.
    pub place: String,
    /// The same for records, as in [`TransactionalSink::checkpoint_place_id`].
    pub place_id: String,
}

/// A sink of one route whose bus commits at a stroke.
pub trait TransactionalSink: fmt::Debug + Send {
    /// The checkpoint that was committed last for this route, whoever wrote it. Reads alone. Before `fence` it may be one
    /// that is not the last any more. None: there is none.
    fn last_checkpoint(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SinkError>>;

    /// Takes the route over from whoever wrote before.
    fn fence(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Adds these messages, in their order, to the transaction. Gives those that can never be delivered, as far as that is
    /// known before the bus is asked: they are no part of it. Waits for room. What a bus refuses while more is staged is told by
    /// `commit`.
    fn stage<'a>(
        &'a mut self,
        messages: &'a Arc<Messages>,
        range: Range<usize>,
    ) -> BoxFuture<'a, Result<Vec<Rejected>, SinkError>>;

    /// Commits what was staged together with `checkpoint`.
    fn commit(&mut self, checkpoint: Bytes) -> BoxFuture<'_, Result<CommitReceipt, CommitError>>;

    /// Where the checkpoint is and how it is removed, for people.
    fn checkpoint_place(&self) -> String;

    /// The same for records, which are compared with it later: the topic, or the stream and the subject. Not the server or its name
    /// in the configuration: a bus that was restored on other machines has what the old one had, up to an older time.
    fn checkpoint_place_id(&self) -> String;

    /// Messages that a transaction may have.
    fn messages_max(&self) -> usize;

    /// Bytes that the bus takes at most of a message with its key, headers and envelope, as far as it has said so.
    fn message_bytes_max(&self) -> Option<usize>;

    /// Asks why the bus's client makes no progress, as far as it knows.
    fn stall_reason(&self) -> StallReason;

    /// Gives up what is staged and connects again, without disturbing anybody.
    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Lets go of the bus; what is staged is given up.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Opens the transactional sink of a route: the configuration does, or a simulation.
pub trait TransactionalFactory: fmt::Debug + Send + Sync {
    /// Connects, and checks what must hold.
    fn open<'a>(
        &'a self,
        origin: &'a Arc<Origin>,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalSink>, SinkError>>;
}
