//! What becomes of one message of JetStream, and what outlives a connection for its sake.
//!
//! The subject on which a message is acknowledged holds beyond the connection that it came by, so an outcome that is
//! ready while the server restarts is told to it afterwards, and the message does not come again.

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

/// Messages that are taken from the server and of which it is not said what became of them.
pub(super) const IN_HAND_MAX: usize = 256;
/// How long the server may be away for an acknowledgement to be told. Then the message comes again.
const PATIENCE: Duration = Duration::from_secs(30);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Shared by all connections of one intake, and its acknowledgements.
#[derive(Debug)]
pub(super) struct ConsumerState {
    pub(super) connection: watch::Sender<ConnectionState>,
    /// A permit for each message that may still be taken.
    pub(super) room: Arc<Semaphore>,
    pending: Mutex<AckPending>,
    /// Why the server gives no more messages though it is there.
    standstill: Mutex<Option<String>>,
}

/// How the intake stands with the server.
#[derive(Debug)]
pub(super) enum ConnectionState {
    Connected(Arc<AckPath>),
    /// It will be connected again; this is why it is not.
    Disconnected(String),
    /// It will not.
    Closed,
}

/// A connection as acknowledgements see it.
#[derive(Debug)]
pub(super) struct AckPath {
    pub(super) jetstream: jetstream::Context,
    pub(super) link: Arc<Link>,
}

impl AckPath {
    /// To say something on `reply`.
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

    /// What the server waits for. Not to be kept locked while waiting.
    pub(super) fn pending(&self) -> MutexGuard<'_, AckPending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why the server gives no more messages, if it does not.
    pub(super) fn stand_still(&self, why: Option<String>) {
        *self.standstill.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why no messages come, if it is not that there are none.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.connection.borrow() {
            ConnectionState::Connected(_) => {
                self.standstill.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            ConnectionState::Disconnected(why) => Some(why.clone()),
            ConnectionState::Closed => Some("closed".to_owned()),
        }
    }

    /// Where to acknowledge, if there is a connection just now.
    pub(super) fn ack_path(&self) -> Option<Arc<AckPath>> {
        match &*self.connection.borrow() {
            ConnectionState::Connected(path) => Some(Arc::clone(path)),
            ConnectionState::Disconnected(_) | ConnectionState::Closed => None,
        }
    }
}

/// One message that was taken from the server. As long as this is there, the server is told that it is in progress.
pub(in crate::command::intake) struct NatsAcknowledgement {
    state: Arc<ConsumerState>,
    id: DeliveryId,
    reply: Subject,
    place: String,
    _room: OwnedSemaphorePermit,
}

impl NatsAcknowledgement {
    /// Notes that the message, which stands at `sequence` in the stream and is acknowledged at `reply`, was delivered.
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

    /// Acknowledges it, and waits for the server's word.
    pub(in crate::command::intake) async fn ack(self) {
        self.tell(AckKind::Ack).await;
    }

    /// Has the server give it again after `wait`.
    pub(in crate::command::intake) async fn retry_later(self, wait: Duration) {
        self.tell(AckKind::Nak(Some(wait))).await;
    }

    /// Has the server never give it again.
    pub(in crate::command::intake) async fn reject(self) {
        self.tell(AckKind::Term).await;
    }

    async fn tell(&self, kind: AckKind) {
        self.state.pending().tell(self.id);
        let is_told = timeout(PATIENCE, self.tell_persistently(kind)).await.unwrap_or(false);
        if !is_told {
            tracing::warn!(
                place = self.place,
                "the server was not told what became of a message: it will come again if it is still there"
            );
        }
        let mut pending = self.state.pending();
        match kind {
            AckKind::Nak(_) if is_told => pending.put_back(self.id),
            _ => pending.forget(self.id),
        }
    }

    /// Tells the server `kind` until it answers. Whether it did.
    async fn tell_persistently(&self, kind: AckKind) -> bool {
        let mut connection = self.state.connection.subscribe();
        loop {
            let path = match &*connection.borrow_and_update() {
                ConnectionState::Connected(path) => Some(Arc::clone(path)),
                ConnectionState::Disconnected(_) => None,
                ConnectionState::Closed => return false,
            };
            // The sequence may be that of another message by now, which nobody has seen yet.
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
