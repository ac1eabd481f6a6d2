//! NATS JetStream: messages on the subjects of one stream, in order and once.
//!
//! # How order and once are kept
//!
//! * Many messages are on their way at a time, and none that must not be stored before another that is: see `order`.
//! * The first failure ends the session and its connection; the next one begins with what was not delivered. Nothing
//!   that the old connection had queued can be sent behind it.
//! * Each message has an id of its own in `Nats-Msg-Id`, made of all that a reader can see of it, so the stream drops a
//!   second copy within its duplicate window, and nothing else.
//! * The mark of a batch is the stream's sequence after it. A new session reads the ids that the stream holds beyond
//!   the mark and does not publish those messages again, so that once holds beyond the duplicate window too.
//!
//! What belongs to a bus rather than to a sink (connection, stream, headers, the exchange of one message, what errors mean)
//! is in the room `bus`.

mod acknowledgements;
mod answer;
mod check;
mod order;
mod outgoing;
mod session;
mod tail;

use std::sync::Arc;

pub(super) use check::check;
use session::Session;

use super::{Receipt, SinkError};
use crate::{
    config::NatsSink,
    message::{Messages, Origin},
    state::SinkMark,
};

/// The sink of one route.
#[derive(Debug)]
pub struct Nats {
    sink: Arc<NatsSink>,
    subjects: String,
    session: Box<Session>,
}

impl Nats {
    /// Connects, finds or creates the stream, and takes up after `mark`.
    pub(super) async fn open(
        sink: &NatsSink,
        origin: &Origin,
        mark: Option<&SinkMark>,
    ) -> Result<Self, SinkError> {
        let sink = Arc::new(sink.clone());
        let subjects = sink.subject.wildcard(Some(origin));
        let sequence = match mark {
            Some(SinkMark::JetStream { stream, sequence }) if *stream == sink.stream => Some(*sequence),
            _ => None,
        };
        let session = Box::new(Session::open(&sink, &subjects, sequence).await?);
        Ok(Self { sink, subjects, session })
    }

    /// The sequence after which messages of this sink are to be looked for, should it be opened again.
    pub(super) fn mark(&self) -> SinkMark {
        SinkMark::JetStream { stream: self.sink.stream.clone(), sequence: self.session.sequence() }
    }

    /// Hands over the messages of `batch` from the one at `from` on.
    pub(super) async fn publish(&mut self, batch: &Arc<Messages>, from: usize) -> Receipt {
        self.session.publish(batch, from).await
    }

    /// What the server and the stream take at most of a message with its headers.
    pub(super) fn message_bytes_max(&self) -> Option<usize> {
        self.session.message_bytes_max()
    }

    /// What keeps messages from being delivered, as far as the server or the client said so.
    pub(super) fn complaints(&self) -> impl Fn() -> Option<String> + Send + Sync + use<> {
        let link = self.session.link();
        move || link.trouble()
    }

    /// Begins a new session after what is delivered.
    pub(super) async fn recover(&mut self) -> Result<(), SinkError> {
        self.session.end();
        *self.session = Session::open(&self.sink, &self.subjects, Some(self.session.sequence())).await?;
        Ok(())
    }

    /// Ends the session.
    pub(super) fn close(mut self) {
        self.session.end();
    }
}
