//! The result of a message, and the trait that receives it.

use std::{fmt, time::Duration};

use super::fault::Fault;

/// The result of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The cluster has it.
    Delivered,
    /// The cluster will never take it, for this reason.
    Rejected(String),
    /// The cluster may have it or not.
    Undelivered(Fault),
}

/// Receives the results of the messages of one client. Each message is identified by its ticket.
pub(crate) trait Deliveries: fmt::Debug + Default + Send + Sync + 'static {
    /// Notes what became of one message.
    fn settle(&self, ticket: usize, verdict: Verdict);

    /// Gives up all messages in flight: the client cannot be used any more, and its later reports are ignored.
    fn give_up(&self, fault: &Fault);

    /// Why the client can no longer be used.
    fn fault(&self) -> Option<Fault>;

    /// For how long no message has been settled while some are in flight. None if none is in flight.
    fn stalled_for(&self) -> Option<Duration>;
}

/// For a client that only reads metadata.
impl Deliveries for () {
    fn settle(&self, _ticket: usize, _verdict: Verdict) {}

    fn give_up(&self, _fault: &Fault) {}

    fn fault(&self) -> Option<Fault> {
        None
    }

    fn stalled_for(&self) -> Option<Duration> {
        None
    }
}
