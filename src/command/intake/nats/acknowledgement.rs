//! The settlement of one JetStream message, and the state that outlives a connection.
//!
//! The acknowledgement subject of a message stays valid after a reconnect, so the acknowledgement of an outcome that is
//! ready during a restart of the server is sent afterwards, and the message is not delivered again.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{
    Subject,
    jetstream::{self, AckKind, message::Acker},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::pending::{AckPending, DeliveryId};
use crate::bus::nats::link::Link;

/// The most unsettled messages.
pub(super) const IN_HAND_MAX: usize = 256;
/// How long an acknowledgement waits for an unreachable server. After that the message is delivered again.
const PATIENCE: Duration = Duration::from_secs(30);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Shared by all connections of an intake and its acknowledgements.
#[derive(Debug)]
pub(super) struct ConsumerState {
    pub(super) connection: watch::Sender<ConnectionState>,
    /// A permit for each further message that may be taken.
    pub(super) room: Arc<Semaphore>,
    pending: Mutex<AckPending>,
    /// Why the server delivers no more messages although it is connected.
    standstill: Mutex<Option<String>>,
}

/// The state of the connection.
#[derive(Debug)]
pub(super) enum ConnectionState {
    Connected(Arc<AckPath>),
    /// Disconnected for this reason; it will be connected again.
    Disconnected(String),
    /// Closed for good.
    Closed,
}

/// A connection, for acknowledgements.
#[derive(Debug)]
pub(super) struct AckPath {
    pub(super) jetstream: jetstream::Context,
    pub(super) link: Arc<Link>,
}

impl AckPath {
    /// An acknowledger for the subject `reply`.
    pub(super) fn acker(&self, reply: Subject) -> Acker {
        Acker::new(self.jetstream.clone(), Some(reply))
    }
}

impl ConsumerState {
    pub(super) fn new() -> Self {
        Self {
            connection: watch::Sender::new(ConnectionState::Disconnected("not connected yet".to_owned())),
            room: Arc::new(Semaphore::new(IN_HAND_MAX)),
            pending: Mutex::default(),
            standstill: Mutex::default(),
        }
    }

    /// The unsettled messages. Do not keep the lock while waiting.
    pub(super) fn pending(&self) -> MutexGuard<'_, AckPending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets why the server delivers no more messages, if it does not.
    pub(super) fn stand_still(&self, why: Option<String>) {
        *self.standstill.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why no messages come, unless there are none.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.connection.borrow() {
            ConnectionState::Connected(_) => {
                self.standstill.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            ConnectionState::Disconnected(why) => Some(why.clone()),
            ConnectionState::Closed => Some("closed".to_owned()),
        }
    }

    /// The connection for acknowledgements, if there is one now.
    pub(super) fn ack_path(&self) -> Option<Arc<AckPath>> {
        match &*self.connection.borrow() {
            ConnectionState::Connected(path) => Some(Arc::clone(path)),
            ConnectionState::Disconnected(_) | ConnectionState::Closed => None,
        }
    }
}

/// One message that was taken from the server. The server is told that it is in progress as long as this exists.
pub(in crate::command::intake) struct NatsAcknowledgement {
    state: Arc<ConsumerState>,
    id: DeliveryId,
    reply: Subject,
    place: String,
    _room: OwnedSemaphorePermit,
}

impl NatsAcknowledgement {
    /// Records the delivery of the message at `sequence` of the stream, with the acknowledgement subject `reply`.
    pub(super) fn new(
        state: &Arc<ConsumerState>,
        sequence: u64,
        reply: Subject,
        place: String,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let id = state.pending().deliver(sequence, reply.clone());
        Self { state: Arc::clone(state), id, reply, place, _room: room }
    }

    /// Acknowledges the message, and waits for the server's confirmation.
    pub(in crate::command::intake) async fn ack(self) {
        self.tell(AckKind::Ack).await;
    }

    /// Has the server deliver the message again after `wait`.
    pub(in crate::command::intake) async fn retry_later(self, wait: Duration) {
        self.tell(AckKind::Nak(Some(wait))).await;
    }

    /// Has the server never deliver the message again.
    pub(in crate::command::intake) async fn reject(self) {
        self.tell(AckKind::Term).await;
    }

    async fn tell(&self, kind: AckKind) {
        self.state.pending().tell(self.id);
        let is_told = timeout(PATIENCE, self.tell_persistently(kind)).await.unwrap_or(false);
        if !is_told {
            tracing::warn!(
                place = self.place,
                "a message could not be acknowledged: the server will deliver it again if it is still in the stream"
            );
        }
        let mut pending = self.state.pending();
        match kind {
            AckKind::Nak(_) if is_told => pending.put_back(self.id),
            _ => pending.forget(self.id),
        }
    }

    /// Sends `kind` to the server until it confirms. Returns whether it did.
    async fn tell_persistently(&self, kind: AckKind) -> bool {
        let mut connection = self.state.connection.subscribe();
        loop {
            let path = match &*connection.borrow_and_update() {
                ConnectionState::Connected(path) => Some(Arc::clone(path)),
                ConnectionState::Disconnected(_) => None,
                ConnectionState::Closed => return false,
            };
            // The sequence may belong to another message by now, which was not read yet.
            if !self.state.pending().is_of_stream(self.id) {
                return false;
            }
            if let Some(path) = path {
                let acker = path.acker(self.reply.clone());
                let told = tokio::select! {
                    told = acker.double_ack_with(kind) => told.is_ok(),
                    () = path.link.lost() => false,
                };
                if told {
                    return true;
                }
            }
            tokio::select! {
                _ = connection.changed() => {}
                () = sleep(TELL_AGAIN_AFTER) => {}
            }
        }
    }
}

impl Drop for NatsAcknowledgement {
    fn drop(&mut self) {
        self.state.pending().drop_silently(self.id);
    }
}

impl fmt::Debug for NatsAcknowledgement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NatsAcknowledgement").field("place", &self.place).finish_non_exhaustive()
    }
}
