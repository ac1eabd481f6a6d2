//! Awaits what the server says of each message, in the order in which they were sent, and settles batch after batch.
//!
//! After the first failure nothing later counts as delivered: no more is sent, what is on its way is awaited for a
//! bounded time, and every batch from there on fails. Sends nothing itself.

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{connection::ANSWER_TIMEOUT, link::Link, refusal::Refusal};
use crate::{
    config::NatsSink,
    event::Batch,
    sink::{Failure, Receipt, Rejected, Settled, SinkError},
    state::SinkMark,
};

/// How far handing over may run ahead of the settling task; what is unacknowledged has its own limit.
const STEPS_MAX: usize = 1_024;

/// What became of a message when it was handed over.
#[derive(Debug)]
pub(super) enum HandedOver {
    /// It was sent, and this will be the server's answer.
    Sent(PublishAckFuture),
    /// It is in the stream already, under this sequence.
    Stored(u64),
    /// It can never be stored.
    Rejected(String),
    /// It could not be sent, and nothing after it was.
    Failed(SinkError),
}

enum Step {
    Begin { batch: Arc<Batch>, from: usize },
    Message(HandedOver),
    End { lowest_stored: Option<u64>, answer: oneshot::Sender<Result<Settled, Failure>> },
}

/// The task that settles batches, as seen by the one that hands messages over.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    steps: mpsc::Sender<Step>,
    link: Arc<Link>,
    sequence: Arc<AtomicU64>,
    _settling: AbortOnDropHandle<()>,
}

impl Acknowledgements {
    /// Starts settling. `sequence` is that of the last message proved to be in the stream.
    pub(super) fn start(sink: Arc<NatsSink>, link: Arc<Link>, sequence: u64) -> Self {
        let (steps, to_do) = mpsc::channel(STEPS_MAX);
        let sequence = Arc::new(AtomicU64::new(sequence));
        let settling = Settling {
            sink,
            link: Arc::clone(&link),
            sequence: Arc::clone(&sequence),
            batch: BatchProgress::default(),
            failed_at: None,
        };
        let settling = tokio::spawn(settling.run(to_do));
        Self { steps, link, sequence, _settling: AbortOnDropHandle::new(settling) }
    }

    /// The messages of `batch` from the one at `from` on follow.
    pub(super) async fn begin(&self, batch: &Arc<Batch>, from: usize) {
        self.step(Step::Begin { batch: Arc::clone(batch), from }).await;
    }

    /// The next message of the batch.
    pub(super) async fn message(&self, handed_over: HandedOver) {
        self.step(Step::Message(handed_over)).await;
    }

    /// The batch is handed over. `lowest_stored` is the sequence of the first message that is in the stream already
    /// and belongs to a later batch.
    pub(super) async fn end(&self, from: usize, lowest_stored: Option<u64>) -> Receipt {
        let (answer, settled) = oneshot::channel();
        self.step(Step::End { lowest_stored, answer }).await;
        let link = Arc::clone(&self.link);
        Box::pin(async move {
            let given_up =
                |_| Err(Failure { first_undelivered: from, rejected: Vec::new(), error: link.error() });
            settled.await.unwrap_or_else(given_up)
        })
    }

    /// The sequence up to which everything that was sent is settled.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    async fn step(&self, step: Step) {
        // Fails only when the settling task is gone, and then the receipt says so.
        let _ = self.steps.send(step).await;
    }
}

struct Settling {
    sink: Arc<NatsSink>,
    link: Arc<Link>,
    sequence: Arc<AtomicU64>,
    batch: BatchProgress,
    failed_at: Option<Instant>,
}

/// How far the batch has come that is being settled.
#[derive(Default)]
struct BatchProgress {
    batch: Option<Arc<Batch>>,
    next: usize,
    rejected: Vec<Rejected>,
    failure: Option<(usize, SinkError)>,
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

    fn begin(&mut self, batch: Arc<Batch>, from: usize) {
        let failure = self.failed_at.map(|_| (from, self.link.error()));
        self.batch = BatchProgress { batch: Some(batch), next: from, rejected: Vec::new(), failure };
    }

    async fn message(&mut self, handed_over: HandedOver) {
        let index = self.batch.next;
        self.batch.next += 1;
        if let Some(failed_at) = self.failed_at {
            return self.await_the_rest(failed_at, handed_over).await;
        }
        let stored = match handed_over {
            HandedOver::Sent(acknowledgement) => self.acknowledged(index, acknowledgement).await,
            HandedOver::Stored(sequence) => Ok(sequence),
            HandedOver::Rejected(reason) => Err(Refusal::Message(reason)),
            HandedOver::Failed(error) => Err(Refusal::Sink(error)),
        };
        match stored {
            Ok(sequence) => drop(self.sequence.fetch_max(sequence, Ordering::AcqRel)),
            Err(Refusal::Message(reason)) => self.batch.rejected.push(Rejected { index, reason }),
            Err(Refusal::Sink(error)) => {
                self.link.halt(&error);
                self.failed_at = Some(Instant::now());
                self.batch.failure = Some((index, error));
            }
        }
    }

    async fn acknowledged(&self, index: usize, acknowledgement: PublishAckFuture) -> Result<u64, Refusal> {
        let answer = tokio::select! {
            biased;
            answer = acknowledgement.into_future() => answer,
            () = self.link.lost() => return Err(Refusal::Sink(self.link.error())),
        };
        match answer {
            Ok(answer) if answer.stream == self.sink.stream => Ok(answer.sequence),
            Ok(answer) => Err(self.went_elsewhere(index, &answer.stream)),
            Err(error) => Err(self.refused(index, &error)),
        }
    }

    /// After a failure the messages behind it may be stored or not; once they are through, publishing them again in
    /// order cannot be overtaken by them.
    async fn await_the_rest(&self, failed_at: Instant, handed_over: HandedOver) {
        let HandedOver::Sent(acknowledgement) = handed_over else { return };
        tokio::select! {
            biased;
            _ = timeout_at(failed_at + ANSWER_TIMEOUT, acknowledgement.into_future()) => {}
            () = self.link.lost() => {}
        }
    }

    fn end(&mut self, lowest_stored: Option<u64>) -> Result<Settled, Failure> {
        let BatchProgress { rejected, failure, .. } = std::mem::take(&mut self.batch);
        if let Some((first_undelivered, error)) = failure {
            return Err(Failure { first_undelivered, rejected, error });
        }
        // The mark stays below what a later batch will find stored, so that a restart finds it again.
        let settled = self.sequence.load(Ordering::Acquire);
        let sequence = lowest_stored.map_or(settled, |lowest| settled.min(lowest - 1));
        let mark = SinkMark::JetStream { stream: self.sink.stream.clone(), sequence };
        Ok(Settled { rejected, mark: Some(mark) })
    }

    /// A message that we may not publish is met with silence; the complaint came beside it.
    fn refused(&self, index: usize, error: &PublishError) -> Refusal {
        match self.link.denial() {
            Some(denial) if error.kind() == PublishErrorKind::TimedOut => Refusal::Sink(denial),
            _ => {
                let (subject, size_bytes) = self.subject_and_size(index);
                Refusal::of_publish(&self.sink, &subject, size_bytes, error)
            }
        }
    }

    fn went_elsewhere(&self, index: usize, elsewhere: &str) -> Refusal {
        let (subject, _) = self.subject_and_size(index);
        let reason = format!(
            "stream `{elsewhere}` took subject `{subject}`: give the subject to stream `{}`, or configure the other one",
            self.sink.stream
        );
        Refusal::Sink(SinkError::Misconfigured { sink: self.sink.name.clone(), reason })
    }

    /// For a person; made only when something went wrong.
    fn subject_and_size(&self, index: usize) -> (String, usize) {
        let mut subject = String::new();
        let Some(message) = self.batch.batch.as_deref().and_then(|batch| batch.get(index)) else {
            return (subject, 0);
        };
        self.sink.subject.render(&message, &mut subject);
        (subject, message.payload.len())
    }
}
