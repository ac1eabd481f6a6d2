//! Commands from a JetStream stream, read by a durable pull consumer.
//!
//! # How nothing is lost or repeated without need
//!
//! * Every message is acknowledged by itself, and the acknowledgement is confirmed by the server.
//! * The server is told every few seconds that a message is not forgotten: here while nobody has asked for it, by the
//!   ticket while it is worked on. Otherwise it would give it to another.
//! * A broken connection is replaced. Tickets of the old one go on by the new one.
//! * A consumer that somebody deletes is created anew where it stood when we last looked.

mod consumer;
mod session;
mod shelf;
mod standing;
mod ticket;

use std::{fmt, sync::Arc};

use async_nats::{HeaderMap, header::NATS_MESSAGE_ID};
use bytes::Bytes;

use self::{
    session::Session,
    shelf::Taken,
    standing::{Shared, Standing},
};
use super::{Delivery, IntakeError, Ticket, too_large};
use crate::config::NatsBus;

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

/// An intake from JetStream.
pub struct NatsIntake {
    queue: NatsQueue,
    shared: Arc<Shared>,
    /// None after the connection was lost.
    session: Option<Box<Session>>,
}

impl NatsIntake {
    pub(super) async fn open(queue: NatsQueue) -> Result<Self, IntakeError> {
        let shared = Arc::new(Shared::new());
        let session = Some(Box::new(Session::open(&queue, &shared).await?));
        Ok(Self { queue, shared, session })
    }

    /// Cancel-safe: a session that is half open is dropped, and a message is only taken when it is given.
    pub(super) async fn next(&mut self) -> Result<Delivery, IntakeError> {
        let session = match &self.session {
            Some(session) => session,
            None => self.session.insert(Box::new(Session::open(&self.queue, &self.shared).await?)),
        };
        match session.next().await {
            Ok(taken) => Ok(self.delivery(taken)),
            Err(err) => {
                self.session = None;
                Err(err.into())
            }
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        match &self.session {
            Some(session) => session.trouble(),
            None => Some("not connected".to_owned()),
        }
    }

    pub(super) fn close(self) {
        drop(self);
    }

    fn delivery(&self, Taken { message, room }: Taken) -> Delivery {
        let (stream, sequence) = match message.info() {
            Ok(info) => (info.stream.to_owned(), info.stream_sequence),
            Err(_) => (self.queue.stream.clone(), 0),
        };
        let place = format!("{stream}@{sequence}");
        let (message, _) = message.split();
        let headers = message.headers.unwrap_or_default();
        // Without it it came from no consumer, and then nobody waits for a word about it.
        let reply = message.reply.unwrap_or_else(|| "".into());
        Delivery {
            unfit: match message.payload.len() {
                0 => Some("it has no payload".to_owned()),
                bytes => too_large(bytes),
            },
            payload: message.payload,
            message_id: headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned()),
            headers: listed(&headers),
            ticket: Ticket::nats(NatsTicket::new(Arc::clone(&self.shared), reply, place.clone(), room)),
            place,
        }
    }
}

impl Drop for NatsIntake {
    fn drop(&mut self) {
        self.session = None;
        self.shared.standing.send_replace(Standing::Closed);
    }
}

impl fmt::Debug for NatsIntake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NatsIntake").field("queue", &self.queue).finish_non_exhaustive()
    }
}

fn listed(headers: &HeaderMap) -> super::Headers {
    let pairs = headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| (name.to_string(), Bytes::copy_from_slice(value.as_str().as_bytes())))
    });
    pairs.collect()
}
