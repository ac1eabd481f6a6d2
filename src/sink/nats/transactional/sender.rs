//! Sends the messages of a route and its checkpoints over the connection of one session, each within a time limit. Judges no
//! answer.

use std::{sync::Arc, time::Duration};

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{
        self,
        context::{PublishAckFuture, PublishError},
    },
};
use tokio::time::timeout;

use super::{
    checkpoint::{self, NextCheckpoint},
    transaction::Transaction,
};
use crate::{
    bus::{
        BusError,
        nats::{connection::ANSWER_TIMEOUT, link::Link},
    },
    config::NatsSink,
    sink::nats::{
        atomic_batch::{AtomicBatch, BatchOwner},
        outgoing::{Outgoing, Writer},
    },
};

/// How long the client may take to have room for one more message.
const ROOM_TIMEOUT: Duration = ANSWER_TIMEOUT;

/// What sends for one route, as long as its session lasts.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) sink: Arc<NatsSink>,
    pub(super) jetstream: jetstream::Context,
    pub(super) link: Arc<Link>,
    /// The subject of the checkpoint.
    pub(super) checkpoint_subject: Arc<str>,
    /// The route, whose batches these are.
    pub(super) owner: BatchOwner,
    /// Whether the stream keeps a message beyond its age where that is asked for.
    pub(super) keeps_beyond_age: bool,
}

/// A message of which the server will say whether it has taken it.
pub(super) struct Answered {
    pub(super) subject: String,
    pub(super) bytes: usize,
    pub(super) answer: Result<PublishAckFuture, PublishError>,
}

impl Sender {
    /// Sends one message of `batch`.
    pub(super) async fn stage(&self, batch: &mut AtomicBatch, outgoing: Outgoing) -> Result<(), BusError> {
        let client = self.jetstream.client();
        let staged = self.in_time(batch.stage(&client, outgoing)).await?;
        staged.map_err(|err| self.unreachable(err.to_string()))
    }

    /// Sends all messages of `transaction` in a new batch.
    pub(super) async fn stage_all(&self, transaction: &Transaction) -> Result<AtomicBatch, BusError> {
        let mut batch = AtomicBatch::of(&self.owner);
        let mut writer = Writer::new(Arc::clone(&self.sink));
        for outgoing in transaction.messages().filter_map(|message| writer.write(&message).ok()) {
            self.stage(&mut batch, outgoing).await?;
        }
        Ok(batch)
    }

    /// Sends all messages of `transaction` in a new batch and asks for an answer to each; `with_new_ids`: the stream has seen none
    /// of their ids.
    pub(super) async fn stage_all_answered(
        &self,
        transaction: &Transaction,
        with_new_ids: bool,
    ) -> Result<(AtomicBatch, Vec<Answered>), BusError> {
        let mut batch = AtomicBatch::of(&self.owner);
        let mut writer = Writer::new(Arc::clone(&self.sink));
        let mut answers = Vec::with_capacity(transaction.len());
        for mut outgoing in transaction.messages().filter_map(|message| writer.write(&message).ok()) {
            if with_new_ids {
                let id = format!("{}#{}", outgoing.id, batch.next_message());
                outgoing.headers.insert(NATS_MESSAGE_ID, id);
            }
            let (subject, bytes) = (outgoing.subject.clone(), outgoing.payload.len());
            let answer = self.in_time(batch.stage_answered(&self.jetstream, outgoing)).await?;
            answers.push(Answered { subject, bytes, answer });
        }
        Ok((batch, answers))
    }

    /// Sends `checkpoint`, with which all of `batch` becomes visible if the checkpoint before it is still the last.
    pub(super) async fn commit(
        &self,
        batch: AtomicBatch,
        checkpoint: NextCheckpoint,
    ) -> Result<Result<PublishAckFuture, PublishError>, BusError> {
        let outgoing = self.checkpoint(checkpoint);
        self.in_time(batch.commit(&self.jetstream, outgoing)).await
    }

    /// The message of a checkpoint.
    pub(super) fn checkpoint(&self, checkpoint: NextCheckpoint) -> Outgoing {
        checkpoint::written(&self.checkpoint_subject, checkpoint, self.keeps_beyond_age)
    }

    pub(super) fn unreachable(&self, reason: String) -> BusError {
        BusError::Unreachable { name: self.sink.name.clone(), reason }
    }

    pub(super) fn misconfigured(&self, reason: String) -> BusError {
        BusError::Misconfigured { name: self.sink.name.clone(), reason }
    }

    /// What `sending` gives, unless nothing more is to be sent or the client has no room for it.
    async fn in_time<T>(&self, sending: impl Future<Output = T>) -> Result<T, BusError> {
        tokio::select! {
            biased;
            () = self.link.halted() => Err(self.link.error()),
            sent = timeout(ROOM_TIMEOUT, sending) => {
                sent.map_err(|_| self.unreachable("the server takes nothing more over this connection".to_owned()))
            }
        }
    }
}
