//! A commit from the moment at which its checkpoint is sent to the answer that settles it.
//!
//! A batch that the server has given up, has no room for, or does not take for the sake of an id, is not stored. Its messages
//! are sent again in another one, with the same expected sequence, so that at most one of all attempts is ever stored. There
//! the server is asked for an answer to each message, because only that says what is wrong with one. An attempt without an
//! answer is not repeated: the caller finds out what became of it, and the next session what the server may have stored of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishAckFuture, PublishError},
    publish::PublishAck,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    checkpoint::NextCheckpoint,
    refusal::{self, is_taken, jetstream_error},
    sender::{Answered, Sender},
    standing::Standing,
    transaction::Transaction,
};
use crate::{
    bus::nats::{
        connection::ANSWER_TIMEOUT,
        exchange::{self, PublishResult},
    },
    sink::{CommitError, SinkError, nats::atomic_batch::AtomicBatch},
};

/// How often the messages of one commit are sent.
const ATTEMPTS_MAX: u32 = 4;
/// What is waited at least before a stream with too many batches is asked again, and more each time.
const PAUSE_MS: u64 = 200;

/// One commit.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) sender: Sender,
    pub(super) transaction: Transaction,
    pub(super) checkpoint: NextCheckpoint,
    /// Where the sequence of this one goes.
    pub(super) standing: Arc<Standing>,
    /// Messages that a batch may have, as far as the server has refused more.
    pub(super) messages_max: Arc<AtomicUsize>,
}

impl Commit {
    /// Sends the checkpoint, and before it what the server may have given up.
    pub(super) async fn send(&mut self) -> Result<PublishAckFuture, CommitError> {
        let sent = self.send_first().await;
        self.halt_after(sent)
    }

    /// Waits until it is known what became of it.
    pub(super) async fn settle(mut self, acknowledgement: PublishAckFuture) -> Result<(), CommitError> {
        let settled = self.until_settled(acknowledgement).await;
        self.halt_after(settled)
    }

    async fn send_first(&mut self) -> Result<PublishAckFuture, CommitError> {
        let batch = match self.transaction.take_batch() {
            Some(batch) => batch,
            None => self.sender.stage_all(&self.transaction).await.map_err(SinkError::from)?,
        };
        self.send_checkpoint(batch).await
    }

    async fn send_checkpoint(&self, batch: AtomicBatch) -> Result<PublishAckFuture, CommitError> {
        let sending = self.sender.commit(batch, self.checkpoint.clone()).await;
        match sending.map_err(SinkError::from)? {
            Ok(acknowledgement) => Ok(acknowledgement),
            Err(err) => Err(refusal::of_checkpoint(&self.sender, self.checkpoint.bytes.len(), &err).await),
        }
    }

    async fn until_settled(&mut self, acknowledgement: PublishAckFuture) -> Result<(), CommitError> {
        let mut answer = self.answer(acknowledgement).await?;
        let mut with_new_ids = false;
        for attempt in 1..ATTEMPTS_MAX {
            let Err(err) = &answer else { break };
            match jetstream_error(err).map(jetstream::Error::error_code) {
                Some(ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH) => {}
                Some(ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE) => with_new_ids = true,
                Some(ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT) => self.pause(attempt).await?,
                _ => break,
            }
            let sink = &self.sender.sink.name;
            tracing::debug!(sink, error = %err, attempt, "the messages are sent again in another batch");
            answer = self.send_again(with_new_ids).await?;
        }
        match answer {
            Ok(answer) => self.committed(&answer, with_new_ids),
            Err(err) => Err(self.refused(&err).await),
        }
    }

    async fn answer(&self, acknowledgement: PublishAckFuture) -> Result<PublishResult, CommitError> {
        Ok(exchange::answer(&self.sender.link, acknowledgement).await.map_err(SinkError::from)?)
    }

    /// Sends everything in another batch. The checkpoint follows only if the server has taken each message; otherwise the answer
    /// is that to the first it did not take.
    async fn send_again(&self, with_new_ids: bool) -> Result<PublishResult, CommitError> {
        let staged = self.sender.stage_all_answered(&self.transaction, with_new_ids).await;
        let (batch, answers) = staged.map_err(SinkError::from)?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        for Answered { subject, bytes, answer } in answers {
            let answer = match answer {
                Ok(acknowledgement) => timeout_at(deadline, self.answer(acknowledgement)).await,
                Err(err) => Ok(Ok(Err(err))),
            };
            let Ok(answer) = answer else {
                let reason = format!("stream `{}` acknowledges nothing", self.sender.sink.stream);
                return Err(SinkError::from(self.sender.unreachable(reason)).into());
            };
            match answer? {
                Err(err) if is_taken(&err) => {}
                Err(err) if refusal::is_of_batch(&err) => return Ok(Err(err)),
                Err(err) => return Err(refusal::of_message(&self.sender, &subject, bytes, &err).await),
                Ok(_) => {
                    let reason = format!(
                        "the server that has stream `{}` stores messages of a batch one by one: update it",
                        self.sender.sink.stream
                    );
                    return Err(SinkError::from(self.sender.misconfigured(reason)).into());
                }
            }
        }
        let acknowledgement = self.send_checkpoint(batch).await?;
        self.answer(acknowledgement).await
    }

    async fn pause(&self, attempt: u32) -> Result<(), CommitError> {
        let pause = PAUSE_MS * u64::from(attempt);
        let pause = Duration::from_millis(fastrand::u64(pause..2 * pause));
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.sender.link.halted() => Err(SinkError::from(self.sender.link.error()).into()),
        }
    }

    fn committed(&self, answer: &PublishAck, with_new_ids: bool) -> Result<(), CommitError> {
        let Sender { sink, checkpoint_subject, .. } = &self.sender;
        if answer.stream != sink.stream {
            let reason = format!(
                "stream `{}` took the checkpoint on `{checkpoint_subject}`: give the subject to stream `{}`",
                answer.stream, sink.stream
            );
            return Err(SinkError::from(self.sender.misconfigured(reason)).into());
        }
        if with_new_ids {
            tracing::warn!(
                sink = sink.name,
                stream = sink.stream,
                "the stream had messages with ids of the ones that were to be committed, as after a replay: these are stored \
                 beside them, with ids that are longer"
            );
        }
        self.standing.set(answer.sequence);
        Ok(())
    }

    async fn refused(&self, err: &PublishError) -> CommitError {
        let is_too_large = jetstream_error(err)
            .is_some_and(|err| err.error_code() == ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH);
        if is_too_large {
            self.messages_max.store((self.transaction.len() / 2).max(1), Ordering::Relaxed);
        }
        refusal::of_checkpoint(&self.sender, self.checkpoint.bytes.len(), err).await
    }

    /// After a failure of the bus nothing more is sent over this connection, and whoever asks is told why.
    fn halt_after<T>(&self, done: Result<T, CommitError>) -> Result<T, CommitError> {
        if let Err(CommitError::Sink(SinkError::Bus(error))) = &done {
            self.sender.link.halt(error);
        }
        done
    }
}
