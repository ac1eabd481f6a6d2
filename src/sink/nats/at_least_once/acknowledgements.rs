//! Awaits what the server says of each message, in the order in which they were sent, and settles batch after batch.
//!
//! After the first failure nothing later counts as delivered: no more is sent, what is on its way is awaited for a
//! bounded time, and every batch from there on fails. Sends nothing itself but the messages of a batch that were not stored
//! with it: one by one, each behind the answer to the one before it.

use std::{
    collections::HashMap,
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_nats::jetstream::{ErrorCode, context::PublishAckFuture};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    answer::{Answers, Ingested, Stored, Unstored},
    fast_batch::FastSent,
    found::FoundUnsettled,
};
use crate::{
    bus::{
        BusError,
        nats::{connection::ANSWER_TIMEOUT, link::Link, rejection::StoreRejection},
    },
    config::NatsSink,
    message::Messages,
    sink::{BatchError, Receipt, Rejected, Settled},
    state::SinkMark,
    telemetry::metrics,
};

/// What became of a message when it was handed over.
#[derive(Debug)]
pub(super) enum HandedOver {
    /// It was sent, and this will be the server's answer.
    Sent(PublishAckFuture),
    /// It was sent as part of a batch, whose last message follows.
    Staged,
    /// It was sent as the last of an atomic batch, and this will be the server's answer for all of them.
    Committed(PublishAckFuture),
    /// It was sent as the last of a fast batch, and there will be an answer for all of them.
    Ingested(FastSent),
    /// It is in the stream already, under this sequence.
    Stored(u64),
    /// It can never be stored.
    Rejected(String),
    /// It could not be sent, and nothing after it was.
    Failed(BusError),
}

enum Step {
    Begin { batch: Arc<Messages>, from: usize },
    Message(HandedOver),
    End { lowest_stored: Option<u64>, answer: oneshot::Sender<Result<Settled, BatchError>> },
}

/// The task that settles batches, as seen by the one that hands messages over.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    steps: mpsc::Sender<Step>,
    link: Arc<Link>,
    sequence: Arc<AtomicU64>,
    found: FoundUnsettled,
    /// Batches handed over, the one at hand included.
    batches: u64,
    /// Messages handed over.
    handed_over: u64,
    /// How many of them are settled, all before them included.
    settled: watch::Receiver<u64>,
    batch_messages_max: Arc<AtomicUsize>,
    _settling: AbortOnDropHandle<()>,
}

impl Acknowledgements {
    /// Starts settling. `sequence` is that of the last message proved to be in the stream.
    pub(super) fn start(sink: Arc<NatsSink>, link: Arc<Link>, answers: Answers, sequence: u64) -> Self {
        // What is on its way has its own limit, and this must not be a lower one.
        let (steps, to_do) = mpsc::channel(sink.unacknowledged_max.max(1));
        let sequence = Arc::new(AtomicU64::new(sequence));
        let found = FoundUnsettled::default();
        let batch_messages_max = Arc::new(AtomicUsize::new(usize::MAX));
        let (settled_sender, settled) = watch::channel(0);
        let settling = Settling {
            sink,
            link: Arc::clone(&link),
            answers,
            sequence: Arc::clone(&sequence),
            found: found.clone(),
            batches: 0,
            batch: BatchProgress::default(),
            failed_at: None,
            done: 0,
            settled: settled_sender,
            batch_messages_max: Arc::clone(&batch_messages_max),
        };
        let settling = tokio::spawn(settling.run(to_do));
        let _settling = AbortOnDropHandle::new(settling);
        Self {
            steps,
            link,
            sequence,
            found,
            batches: 0,
            handed_over: 0,
            settled,
            batch_messages_max,
            _settling,
        }
    }

    /// The messages of `batch` from the one at `from` on follow.
    pub(super) async fn begin(&mut self, batch: &Arc<Messages>, from: usize) {
        self.batches += 1;
        self.step(Step::Begin { batch: Arc::clone(batch), from }).await;
    }

    /// The next message of the batch.
    pub(super) async fn message(&mut self, handed_over: HandedOver) {
        self.handed_over += 1;
        if let HandedOver::Stored(sequence) = handed_over {
            self.found.add(self.batches, sequence);
        }
        self.step(Step::Message(handed_over)).await;
    }

    /// The batch is handed over. `lowest_stored` is the sequence of the first message that is in the stream already
    /// and belongs to a later batch.
    pub(super) async fn end(&self, from: usize, lowest_stored: Option<u64>) -> Receipt {
        let (answer, settled) = oneshot::channel();
        self.step(Step::End { lowest_stored, answer }).await;
        let link = Arc::clone(&self.link);
        Box::pin(async move {
            let given_up = |_| {
                Err(BatchError { first_undelivered: from, rejected: Vec::new(), error: link.error().into() })
            };
            settled.await.unwrap_or_else(given_up)
        })
    }

    /// The sequence up to which everything that was sent or found is settled.
    pub(super) fn sequence(&self) -> u64 {
        let settled = self.sequence.load(Ordering::Acquire);
        self.found.lowest().map_or(settled, |lowest| settled.min(lowest - 1))
    }

    /// How many messages were handed over.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// How many of them are settled.
    pub(super) fn settled(&self) -> u64 {
        *self.settled.borrow()
    }

    /// Waits until the first `count` messages are settled. False if nothing more is to be sent. Cancel-safe.
    pub(super) async fn until_settled(&mut self, count: u64) -> bool {
        tokio::select! {
            biased;
            () = self.link.halted() => false,
            settled = self.settled.wait_for(|settled| *settled >= count) => settled.is_ok(),
        }
    }

    /// How many messages the server takes in an atomic batch, as far as it has refused more.
    pub(super) fn batch_messages_max(&self) -> usize {
        self.batch_messages_max.load(Ordering::Relaxed)
    }

    async fn step(&self, step: Step) {
        // Fails only when the settling task is gone, and then the receipt says so.
        let _ = self.steps.send(step).await;
    }
}

struct Settling {
    sink: Arc<NatsSink>,
    link: Arc<Link>,
    answers: Answers,
    sequence: Arc<AtomicU64>,
    found: FoundUnsettled,
    batches: u64,
    batch: BatchProgress,
    failed_at: Option<Instant>,
    /// Messages of which the fate is known.
    done: u64,
    settled: watch::Sender<u64>,
    batch_messages_max: Arc<AtomicUsize>,
}

/// How far the batch has come that is being settled.
#[derive(Default)]
struct BatchProgress {
    batch: Option<Arc<Messages>>,
    next: usize,
    /// Messages of a batch that is not yet answered.
    staged: Vec<usize>,
    rejected: Vec<Rejected>,
    duplicates: u64,
    failure: Option<(usize, BusError)>,
}

impl Settling {
    async fn run(mut self, mut steps: mpsc::Receiver<Step>) {
        while let Some(step) = steps.recv().await {
            match step {
                Step::Begin { batch, from } => self.begin(batch, from),
                Step::Message(handed_over) => self.message(handed_over).await,
                Step::End { lowest_stored, answer } => {
                    // Whoever dropped the receipt does not want to know.
                    let _ = answer.send(self.end(lowest_stored));
                }
            }
        }
    }

    fn begin(&mut self, batch: Arc<Messages>, from: usize) {
        self.batches += 1;
        let failure = self.failed_at.map(|_| (from, self.link.error()));
        self.batch = BatchProgress { batch: Some(batch), next: from, failure, ..BatchProgress::default() };
    }

    async fn message(&mut self, handed_over: HandedOver) {
        let index = self.batch.next;
        self.batch.next += 1;
        self.done += 1;
        if let Some(failed_at) = self.failed_at {
            return self.await_the_rest(failed_at, handed_over).await;
        }
        match handed_over {
            HandedOver::Staged => return self.batch.staged.push(index),
            HandedOver::Sent(acknowledgement) => self.sent(index, acknowledgement).await,
            HandedOver::Committed(acknowledgement) => self.committed(index, acknowledgement).await,
            HandedOver::Ingested(sent) => self.ingested(index, &sent).await,
            HandedOver::Stored(sequence) => self.note(index, Ok(Stored { sequence, is_duplicate: false })),
            HandedOver::Rejected(reason) => self.note(index, Err(StoreRejection::Message(reason))),
            HandedOver::Failed(error) => {
                // Nobody will tell what becomes of what was staged before it.
                let first = self.batch.staged.first().copied().unwrap_or(index);
                self.note(first, Err(StoreRejection::Bus(error)));
            }
        }
        if self.failed_at.is_none() && self.batch.staged.is_empty() {
            self.settled.send_replace(self.done);
        }
    }

    async fn sent(&mut self, index: usize, acknowledgement: PublishAckFuture) {
        let Some(message) = self.batch.batch.as_deref().and_then(|batch| batch.get(index)) else { return };
        let stored = self.answers.of(&message, acknowledgement).await;
        self.note(index, stored);
    }

    /// The answer for all messages of an atomic batch. If it is refused for whatever reason, nothing of it is stored, and
    /// each message gets an answer of its own.
    async fn committed(&mut self, index: usize, acknowledgement: PublishAckFuture) {
        let staged = std::mem::take(&mut self.batch.staged);
        let first = staged.first().copied().unwrap_or(index);
        let batch = self.batch.batch.clone();
        let Some(message) = batch.as_deref().and_then(|batch| batch.get(index)) else { return };
        match self.answers.of_batch(&message, staged.len() + 1, acknowledgement).await {
            Ok(stored) => self.note(index, Ok(stored)),
            Err(Unstored::Refused(refusal)) => self.note(first, Err(refusal)),
            Err(Unstored::Batch(error)) => {
                tracing::debug!(sink = self.sink.name, %error, "a batch is published one by one");
                if error.error_code() == ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH {
                    self.batch_messages_max.store(staged.len().div_ceil(2), Ordering::Relaxed);
                }
                for index in staged.into_iter().chain([index]) {
                    let Some(message) = batch.as_deref().and_then(|batch| batch.get(index)) else { continue };
                    let stored = self.answers.publish_alone(&message).await;
                    self.note(index, stored);
                    if self.failed_at.is_some() {
                        return;
                    }
                }
            }
        }
    }

    /// The answer for all messages of a fast batch. Those that it does not prove get an answer of their own.
    async fn ingested(&mut self, index: usize, sent: &FastSent) {
        let mut indexes = std::mem::take(&mut self.batch.staged);
        indexes.push(index);
        let Some(batch) = self.batch.batch.clone() else { return };
        let ingested = match self.answers.of_fast_batch(&batch, &indexes, sent).await {
            Ok(ingested) => ingested,
            Err(error) => {
                let first = indexes.first().copied().unwrap_or(index);
                return self.note(first, Err(StoreRejection::Bus(error)));
            }
        };
        let (rest, found) = match ingested {
            Ingested::First { messages, sequence } => {
                let (stored, rest) = indexes.split_at(messages);
                if let Some(last) = stored.last() {
                    self.note(*last, Ok(Stored { sequence, is_duplicate: false }));
                }
                (rest, HashMap::new())
            }
            Ingested::Some(found) => (&*indexes, found),
        };
        for index in rest {
            let Some(message) = batch.get(*index) else { continue };
            let sequence = self.answers.id(&message).and_then(|id| found.get(&id));
            let stored = match sequence {
                Some(sequence) => Ok(Stored { sequence: *sequence, is_duplicate: false }),
                None => self.answers.publish_alone(&message).await,
            };
            self.note(*index, stored);
            if self.failed_at.is_some() {
                return;
            }
        }
    }

    fn note(&mut self, index: usize, stored: Result<Stored, StoreRejection>) {
        match stored {
            Ok(stored) => {
                self.sequence.fetch_max(stored.sequence, Ordering::AcqRel);
                self.batch.duplicates += u64::from(stored.is_duplicate);
            }
            Err(StoreRejection::Message(reason)) => self.batch.rejected.push(Rejected { index, reason }),
            Err(StoreRejection::Bus(error)) => {
                self.link.halt(&error);
                self.failed_at = Some(Instant::now());
                self.batch.staged.clear();
                // What is behind it comes again, and is rejected again.
                self.batch.rejected.retain(|rejected| rejected.index < index);
                self.batch.failure = Some((index, error));
            }
        }
    }

    /// After a failure the messages behind it may be stored or not; once they are through, publishing them again in
    /// order cannot be overtaken by them.
    async fn await_the_rest(&self, failed_at: Instant, handed_over: HandedOver) {
        let (HandedOver::Sent(acknowledgement) | HandedOver::Committed(acknowledgement)) = handed_over else {
            return;
        };
        tokio::select! {
            biased;
            _ = timeout_at(failed_at + ANSWER_TIMEOUT, acknowledgement.into_future()) => {}
            () = self.link.lost() => {}
        }
    }

    fn end(&mut self, lowest_stored: Option<u64>) -> Result<Settled, BatchError> {
        let BatchProgress { batch, rejected, duplicates, failure, .. } = std::mem::take(&mut self.batch);
        if let Some(batch) = batch.filter(|_| duplicates > 0) {
            metrics::sink_duplicates(&batch.origin().route, duplicates);
        }
        if let Some((first_undelivered, error)) = failure {
            return Err(BatchError { first_undelivered, rejected, error: error.into() });
        }
        self.found.settle(self.batches);
        // The mark stays below what a later batch will find stored, so that a restart finds it again.
        let settled = self.sequence.load(Ordering::Acquire);
        let sequence = lowest_stored.map_or(settled, |lowest| settled.min(lowest - 1));
        let mark = SinkMark::JetStream { stream: self.sink.stream.clone(), sequence };
        Ok(Settled { rejected, mark: Some(mark) })
    }
}
