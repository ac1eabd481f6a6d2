//! At least once, and nearly never twice: messages on the subjects of one stream, in order.
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

mod acknowledgements;
mod answer;
mod fast_batch;
mod found;
mod order;
mod pause;
mod read_back;
mod session;
mod tail;

use std::{future::ready, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use self::{pause::FastPause, session::Session};
use super::stall_reason;
use crate::{
    config::NatsSink,
    message::{Messages, Origin},
    sink::{Receipt, Sink, SinkError, StallReason},
    state::SinkMark,
};

/// The sink of one route.
#[derive(Debug)]
pub(in crate::sink) struct Nats {
    sink: Arc<NatsSink>,
    subjects: String,
    pause: FastPause,
    session: Box<Session>,
}

impl Nats {
    /// Connects, finds or creates the stream, and takes up after `mark`.
    pub(in crate::sink) async fn open(
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
        let pause = FastPause::default();
        let session = Box::new(Session::open(&sink, &subjects, sequence, &pause).await?);
        Ok(Self { sink, subjects, pause, session })
    }
}

impl Sink for Nats {
    /// The sequence after which messages of this sink are to be looked for, should it be opened again.
    fn mark(&self) -> Option<SinkMark> {
        let (stream, sequence) = (self.sink.stream.clone(), self.session.sequence());
        Some(SinkMark::JetStream { stream, sequence })
    }

    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        async move { Ok(self.session.publish(batch, from).await) }.boxed()
    }

    /// What the server and the stream take at most of a message with its headers.
    fn message_bytes_max(&self) -> Option<usize> {
        self.session.message_bytes_max()
    }

    fn stall_reason(&self) -> StallReason {
        stall_reason(self.session.link())
    }

    /// Begins a new session after what is delivered.
    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            self.session.end();
            let sequence = Some(self.session.sequence());
            *self.session = Session::open(&self.sink, &self.subjects, sequence, &self.pause).await?;
            Ok(())
        }
        .boxed()
    }

    /// Ends the session.
    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.session.end();
        ready(()).boxed()
    }
}
