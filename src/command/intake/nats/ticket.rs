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

use super::standing::{Hold, Line, Shared, Standing};

/// How long the server may be away for an acknowledgement to be told. Then the message comes again.
const PATIENCE: Duration = Duration::from_secs(30);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One message that was taken from the server.
pub(in crate::command::intake) struct NatsTicket {
    shared: Arc<Shared>,
    reply: Subject,
    place: String,
    hold: Option<Hold>,
}

impl NatsTicket {
    pub(super) fn new(shared: Arc<Shared>, reply: Subject, place: String, hold: Hold) -> Self {
        Self { shared, reply, place, hold: Some(hold) }
    }

    /// Acknowledges it, and waits for the server's word.
    pub(in crate::command::intake) async fn done(self) {
        self.tell(AckKind::Ack).await;
    }

    /// Has the server give it again after `wait`.
    pub(in crate::command::intake) async fn later(mut self, wait: Duration) {
        // A word that it is not forgotten would make the wait another.
        self.hold = None;
        self.tell(AckKind::Nak(Some(wait))).await;
    }

    /// Has the server never give it again.
    pub(in crate::command::intake) async fn poison(self) {
        self.tell(AckKind::Term).await;
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
        if !timeout(PATIENCE, telling).await.unwrap_or(false) {
            tracing::warn!(
                place = self.place,
                "the server was not told what became of a message: it will come again"
            );
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
