//! What becomes of one message of JetStream.
//!
//! The subject on which a message is acknowledged holds beyond the connection that it came by, so an outcome that is
//! ready while the server restarts is told to it afterwards, and the message does not come again.

use std::{fmt, sync::Arc, time::Duration};

use async_nats::{
    Subject,
    jetstream::{AckKind, message::Acker},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

use super::standing::{Line, Shared, Standing};

/// How long the server may be away for an acknowledgement to be told. Then the message comes again.
const PATIENCE: Duration = Duration::from_secs(30);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One message that was taken from the server.
pub(in crate::command::intake) struct NatsTicket {
    shared: Arc<Shared>,
    reply: Subject,
    sequence: u64,
    place: String,
    _room: OwnedSemaphorePermit,
}

impl NatsTicket {
    pub(super) fn new(
        shared: Arc<Shared>,
        reply: Subject,
        sequence: u64,
        place: String,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self { shared, reply, sequence, place, _room: room }
    }

    /// Acknowledges it, and waits for the server's word.
    pub(in crate::command::intake) async fn done(self) {
        self.tell(AckKind::Ack).await;
    }

    /// Has the server give it again after `wait`.
    pub(in crate::command::intake) async fn later(self, wait: Duration) {
        self.tell(AckKind::Nak(Some(wait))).await;
    }

    /// Has the server never give it again.
    pub(in crate::command::intake) async fn poison(self) {
        self.tell(AckKind::Term).await;
    }

    /// Has the server wait longer. What is not told now is told the next time.
    pub(in crate::command::intake) async fn working(&self) {
        if let Some(line) = self.shared.line()
            && let Err(err) = self.acker(&line).ack_with(AckKind::Progress).await
        {
            tracing::debug!(place = self.place, %err, "the server was not told that work goes on");
        }
    }

    /// Tells the server `kind` until it answers.
    async fn tell(&self, kind: AckKind) {
        let mut standing = self.shared.standing.subscribe();
        let telling = async {
            loop {
                let line = match &*standing.borrow_and_update() {
                    Standing::Connected(line) => Some(Arc::clone(line)),
                    Standing::Apart(_) => None,
                    Standing::Closed => return false,
                };
                if let Some(line) = line {
                    let acker = self.acker(&line);
                    let told = tokio::select! {
                        told = acker.double_ack_with(kind) => told.is_ok(),
                        () = line.link.lost() => false,
                    };
                    if told {
                        return true;
                    }
                }
                tokio::select! {
                    _ = standing.changed() => {}
                    () = sleep(TELL_AGAIN_AFTER) => {}
                }
            }
        };
        self.shared.hands().tell(self.sequence);
        let is_told = timeout(PATIENCE, telling).await.unwrap_or(false);
        if !is_told {
            tracing::warn!(
                place = self.place,
                "the server was not told what became of a message: it will come again"
            );
        }
        match kind {
            AckKind::Nak(_) if is_told => self.shared.hands().gave_back(self.sequence),
            _ => self.shared.hands().let_go(self.sequence),
        }
    }

    fn acker(&self, line: &Line) -> Acker {
        Acker::new(line.jetstream.clone(), Some(self.reply.clone()))
    }
}

impl fmt::Debug for NatsTicket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NatsTicket").field("place", &self.place).finish_non_exhaustive()
    }
}
