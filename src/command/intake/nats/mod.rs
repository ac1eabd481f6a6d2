//! Commands from a JetStream stream, read by a durable pull consumer.
//!
//! # How nothing is lost or repeated without need
//!
//! * Every message is acknowledged by itself, and the acknowledgement is confirmed by the server.
//! * The server is told every few seconds that a message is not forgotten, from when it is taken until its ticket is used
//!   up. Otherwise it would give it to another.
//! * A broken connection is replaced without being asked. Tickets of the old one go on by the new one.
//! * What the server handed out, and nobody here has, comes again before anything new is taken.
//! * A consumer that somebody deletes is created anew where it stood when we last looked.

mod consumer;
mod hands;
mod resume;
mod session;
mod shelf;
mod standing;
mod ticket;

use std::{fmt, sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{AckKind, message::Acker},
};
use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::{
    session::{Session, sequence},
    shelf::{Shelf, Taken},
    standing::{Shared, Standing},
};
use super::{Delivery, IntakeError, Ticket, too_large};
use crate::{config::NatsBus, sink::nats::connection::Connection, stream::Backoff};

pub(super) use ticket::NatsTicket;

/// What to read, and under which name.
#[derive(Debug, Clone)]
pub(super) struct NatsQueue {
    pub(super) name: String,
    pub(super) bus: Arc<NatsBus>,
    pub(super) stream: String,
    pub(super) subject: String,
    pub(super) durable: String,
}

/// How long it takes until a lost connection is replaced: at first, and at most.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How long closing waits for the server.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// When what is given back may come again: by then we do not ask any more.
const GIVEN_BACK_FOR: Duration = Duration::from_secs(1);

/// An intake from JetStream.
pub struct NatsIntake {
    queue: NatsQueue,
    shared: Arc<Shared>,
    shelf: Arc<Shelf>,
    _keeping: AbortOnDropHandle<()>,
}

/// What the stream and the consumer of `queue` are like, for a person.
pub(super) async fn check(queue: &NatsQueue) -> Result<String, IntakeError> {
    let connection = Connection::open(&queue.name, &queue.bus, 1).await?;
    Ok(consumer::look(&connection, queue).await?)
}

impl NatsIntake {
    pub(super) async fn open(queue: NatsQueue) -> Result<Self, IntakeError> {
        let (shared, shelf) = (Arc::new(Shared::new()), Arc::new(Shelf::default()));
        let session = Session::open(&queue, &shared, &shelf).await?;
        let keeping = keep(queue.clone(), Arc::clone(&shared), Arc::clone(&shelf), session);
        let keeping = AbortOnDropHandle::new(tokio::spawn(keeping));
        Ok(Self { queue, shared, shelf, _keeping: keeping })
    }

    pub(super) async fn next(&mut self) -> Result<Delivery, IntakeError> {
        let taken = self.shelf.next().await?;
        Ok(self.delivery(taken))
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// Gives back what nobody has asked for or come to an end with, so that it need not be waited for, and lets go of the
    /// server.
    pub(super) async fn close(self) {
        let Some(line) = self.shared.line() else { return };
        let giving_back = async {
            let left = self.shared.hands().give_back();
            for reply in left {
                let acker = Acker::new(line.jetstream.clone(), Some(reply));
                acker.ack_with(AckKind::Nak(Some(GIVEN_BACK_FOR))).await?;
            }
            line.jetstream.client().flush().await.map_err(async_nats::Error::from)
        };
        if !matches!(timeout(CLOSE_PATIENCE, giving_back).await, Ok(Ok(()))) {
            tracing::debug!(
                intake = self.queue.name,
                "not everything was given back: it comes when the server misses it"
            );
        }
    }

    fn delivery(&self, Taken { message, hold }: Taken) -> Delivery {
        let sequence = sequence(&message);
        let place = format!("{}@{sequence}", self.queue.stream);
        // Without it it came from no consumer, and then nobody waits for a word about it.
        let reply = message.reply.clone().unwrap_or_else(|| "".into());
        let async_nats::Message { payload, headers, .. } = message.message;
        let headers = headers.unwrap_or_default();
        Delivery {
            published_at: None,
            unfit: match payload.len() {
                0 => Some("it has no payload".to_owned()),
                bytes => too_large(bytes),
            },
            payload,
            message_id: headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned()),
            headers: listed(&headers),
            ticket: Ticket::nats(NatsTicket::new(hold, reply, place.clone())),
            place,
        }
    }
}

impl Drop for NatsIntake {
    fn drop(&mut self) {
        self.shared.standing.send_replace(Standing::Closed);
    }
}

impl fmt::Debug for NatsIntake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NatsIntake").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// Replaces one session by the next, for as long as the intake is there.
async fn keep(queue: NatsQueue, shared: Arc<Shared>, shelf: Arc<Shelf>, session: Session) {
    let mut session = Some(session);
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX, fastrand::u64(..));
    loop {
        let error = match session.take() {
            Some(session) => {
                backoff.reset();
                session.run().await
            }
            None => match Session::open(&queue, &shared, &shelf).await {
                Ok(opened) => {
                    session = Some(opened);
                    continue;
                }
                Err(error) => error,
            },
        };
        shared.standing.send_replace(Standing::Apart(error.to_string()));
        shelf.fail(error);
        sleep(backoff.next_wait()).await;
    }
}

fn listed(headers: &HeaderMap) -> crate::command::message::Headers {
    let pairs = headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| (name.to_string(), Bytes::copy_from_slice(value.as_str().as_bytes())))
    });
    pairs.collect()
}
