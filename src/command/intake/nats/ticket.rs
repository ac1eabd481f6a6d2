//! What becomes of one message of JetStream.
//!
//! The subject on which a message is acknowledged holds beyond the connection that it came by, so an outcome that is
//! ready while the server restarts is told to it afterwards, and the message does not come again.

use std::{fmt, sync::Arc, time::Duration};

use async_nats::{
    Subject,
    jetstream::{AckKind, message::Acker},
};
use tokio::time::{sleep, timeout};

use super::standing::{Hold, Line, Standing};

/// How long the server may be away for an acknowledgement to be told. Then the message comes again.
const PATIENCE: Duration = Duration::from_secs(30);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One message that was taken from the server.
pub(in crate::command::intake) struct NatsTicket {
    hold: Hold,
    reply: Subject,
    place: String,
}

impl NatsTicket {
    pub(super) fn new(hold: Hold, reply: Subject, place: String) -> Self {
        Self { hold, reply, place }
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

    /// Tells the server `kind` until it answers.
    async fn tell(&self, kind: AckKind) {
        let Hold { shared, sequence, .. } = &self.hold;
        let mut standing = shared.standing.subscribe();
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
        shared.hands().tell(*sequence);
        let is_told = timeout(PATIENCE, telling).await.unwrap_or(false);
        if !is_told {
            tracing::warn!(
                place = self.place,
                "the server was not told what became of a message: it will come again"
            );
        }
        match kind {
            AckKind::Nak(_) if is_told => shared.hands().gave_back(*sequence),
            _ => shared.hands().let_go(*sequence),
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
