//! The NATS sinks, which publish on the subjects of one stream of JetStream: one that delivers at least once, and one that
//! commits messages and checkpoint in atomic batches.
//!
//! Here is what both have in common: how a message goes out, how large it may be, how a batch is sent, and the check. What belongs
//! to a bus rather than to a sink (connection, stream, headers, the exchange of one message, what errors mean) is in the room
//! `bus`.

mod at_least_once;
mod atomic_batch;
mod check;
mod outgoing;
mod size_limits;
mod stored_headers;
mod transactional;

use std::sync::Arc;

use super::{Stall, StallReason};
use crate::bus::nats::link::{Complaint, Link};
pub(super) use at_least_once::Nats;
pub(super) use check::check;
pub(super) use transactional::{TransactionalNats, read_checkpoint};

/// Asks why the connection makes no progress, while the sink may be borrowed.
fn stall_reason(link: Arc<Link>) -> StallReason {
    Box::new(move || {
        let Complaint { class, text } = link.trouble()?;
        Some(Stall { class: class.into(), reason: text })
    })
}
