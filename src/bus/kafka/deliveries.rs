//! What became of a message, and to whom a client reports it.

use std::{fmt, time::Duration};

use super::fault::Fault;

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The cluster has it.
    Delivered,
    /// The cluster will never take it, for this reason.
    Rejected(String),
    /// The cluster may have it or not.
    Undelivered(Fault),
}

/// Where one client reports what became of its messages. Each is known by the ticket that it was handed over with.
pub(crate) trait Deliveries: fmt::Debug + Default + Send + Sync + 'static {
    /// Notes what became of one message.
    fn settle(&self, ticket: usize, verdict: Verdict);

    /// Gives up all messages on their way: the client is of no more use, whatever it still says.
    fn give_up(&self, fault: &Fault);

    /// Why the client can no longer be used.
    fn fault(&self) -> Option<Fault>;

    /// For how long no message has been settled although some are on their way. None if none is.
    fn stalled_for(&self) -> Option<Duration>;
}

/// For a client that publishes nothing, and only looks.
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
