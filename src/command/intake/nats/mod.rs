//! Commands from a JetStream stream, read by a durable pull consumer.
//!
//! # How nothing is lost or repeated without need
//!
//! * Every message is acknowledged by itself, and the server confirms the acknowledgement.
//! * The server is told every few seconds that a message is in progress, until the message is settled. Otherwise the
//!   server would deliver it to another consumer.
//! * A broken connection is replaced automatically. Acknowledgements of the old one continue on the new one.
//! * Messages that the server has delivered and that are not held here are delivered again before new ones are fetched.
//! * A deleted consumer is recreated at its last known position. If it was deleted while no daemon ran, all messages of
//!   the stream are delivered again; each says when it was published, so that old ones can be refused.
//! * A recreated stream is another one: nothing that is known of the former is applied to it.

mod acknowledgement;
mod consumer;
mod delivery;
mod pending;
mod session;

use std::{fmt, sync::Arc, time::Duration};

use async_nats::jetstream::AckKind;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use self::{
    acknowledgement::{ConnectionState, ConsumerState, IN_HAND_MAX},
    session::Session,
};
use super::{Delivery, IntakeError};
use crate::{
    bus::{BusError, nats::connection::Connection},
    config::NatsBus,
    retry::RetryPolicy,
};

pub(super) use acknowledgement::NatsAcknowledgement;

/// What to read, and under which name.
#[derive(Debug, Clone)]
pub(super) struct NatsQueue {
    pub(super) name: String,
    pub(super) bus: Arc<NatsBus>,
    pub(super) stream: String,
    pub(super) subject: String,
    pub(super) durable: String,
}

/// How long closing waits for the server.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// When messages that are put back on closing may be delivered again: this consumer no longer fetches then.
const PUT_BACK_FOR: Duration = Duration::from_secs(1);

/// An intake from JetStream.
pub struct NatsIntake {
    queue: NatsQueue,
    state: Arc<ConsumerState>,
    fetching: FetchTask,
}

/// The task that fetches messages, and its results.
struct FetchTask {
    deliveries: mpsc::Receiver<Delivery>,
    /// The first failure, until it is reported.
    failures: mpsc::Receiver<BusError>,
    _task: AbortOnDropHandle<()>,
}

/// A description of the stream and the consumer of `queue`, for people.
pub(super) async fn check(queue: &NatsQueue) -> Result<String, IntakeError> {
    let connection = Connection::open(&queue.name, &queue.bus, 1).await?;
    Ok(consumer::look(&connection, queue).await?)
}

impl NatsIntake {
    pub(super) async fn open(queue: NatsQueue) -> Result<Self, IntakeError> {
        let state = Arc::new(ConsumerState::new());
        let (opened, is_open) = oneshot::channel();
        let fetching = FetchTask::start(&queue, &state, Some(opened));
        match is_open.await {
            Ok(opened) => opened?,
            Err(_) => return Err(ended(&queue).into()),
        }
        Ok(Self { queue, state, fetching })
    }

    /// Cancel-safe: a message is taken only when it is returned.
    pub(super) async fn next(&mut self) -> Result<Delivery, IntakeError> {
        let FetchTask { deliveries, failures, .. } = &mut self.fetching;
        tokio::select! {
            biased;
            delivery = deliveries.recv() => match delivery {
                Some(delivery) => Ok(delivery),
                None => {
                    self.fetching = FetchTask::start(&self.queue, &self.state, None);
                    Err(ended(&self.queue).into())
                }
            },
            Some(failure) = failures.recv() => Err(failure.into()),
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.state.trouble()
    }

    /// Puts back messages that nobody has taken or settled, so that they are delivered again soon, and disconnects.
    pub(super) async fn close(self) {
        let Some(path) = self.state.ack_path() else { return };
        let putting_back = async {
            let left = self.state.pending().put_back_all();
            for reply in left {
                path.acker(reply).ack_with(AckKind::Nak(Some(PUT_BACK_FOR))).await?;
            }
            path.jetstream.client().flush().await.map_err(async_nats::Error::from)
        };
        if !matches!(timeout(CLOSE_PATIENCE, putting_back).await, Ok(Ok(()))) {
            tracing::debug!(
                intake = self.queue.name,
                "not all messages were put back: the server delivers the rest again after the acknowledgement wait"
            );
        }
    }
}

/// The task has panicked, which is a bug.
fn ended(queue: &NatsQueue) -> BusError {
    let reason = "the task that takes messages has ended, and is started again".to_owned();
    BusError::Unreachable { name: queue.name.clone(), reason }
}

impl FetchTask {
    fn start(queue: &NatsQueue, state: &Arc<ConsumerState>, opened: Option<Opened>) -> Self {
        let (delivered, deliveries) = mpsc::channel(IN_HAND_MAX);
        let (failed, failures) = mpsc::channel(1);
        let fetching = take(queue.clone(), Arc::clone(state), delivered, failed, opened);
        Self { deliveries, failures, _task: AbortOnDropHandle::new(tokio::spawn(fetching)) }
    }
}

impl Drop for NatsIntake {
    fn drop(&mut self) {
        self.state.connection.send_replace(ConnectionState::Closed);
    }
}

impl fmt::Debug for NatsIntake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NatsIntake").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// Receives the result of the first session's opening.
type Opened = oneshot::Sender<Result<(), BusError>>;

/// Opens one session after another. If the first is waited for and cannot be opened, there is no other.
async fn take(
    queue: NatsQueue,
    state: Arc<ConsumerState>,
    delivered: mpsc::Sender<Delivery>,
    failed: mpsc::Sender<BusError>,
    mut opened: Option<Opened>,
) {
    let mut backoff = RetryPolicy::QUEUE.backoff();
    loop {
        let session = Session::open(&queue, &state, &delivered).await;
        let error = match (session, opened.take()) {
            (Ok(session), opened) => {
                // The receiver is gone: the task is about to be ended.
                opened.map(|opened| opened.send(Ok(())));
                let since = Instant::now();
                let error = session.run().await;
                // A session that fails right after opening must not be replaced at once.
                if since.elapsed() > RetryPolicy::QUEUE.longest() {
                    backoff.reset();
                }
                error
            }
            (Err(error), Some(opened)) => {
                let _ = opened.send(Err(error));
                return;
            }
            (Err(error), None) => error,
        };
        state.connection.send_replace(ConnectionState::Disconnected(error.to_string()));
        // The earlier one was not taken yet. `trouble` has the last one.
        let _ = failed.try_send(error);
        sleep(backoff.next_wait()).await;
    }
}
