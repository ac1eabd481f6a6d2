//! One copy of a command: what it asks for, the message that it came in, and who waits for the outcome.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::command::{
    LocalUser, Outcome, OutcomeError, QueuePlace,
    intake::Acknowledgement,
    message::{Command, Headers},
    policy::Verified,
    record::Durable,
};
use crate::telemetry::traces::CommandTrace;

/// One copy of a command.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) message: Message,
    /// Its trace, until somebody works on it.
    pub(super) trace: Option<CommandTrace>,
    /// Who signed this copy.
    pub(super) verified: Verified,
    /// Why the sender may no longer ask for it, although the command was started: nothing more is sent for it.
    pub(super) refusal: Option<OutcomeError>,
    /// The key that the first copy was signed with.
    pub(super) signed_by: Option<String>,
    /// The second key that has approved the command, if approval is required and given.
    pub(super) approved_by: Option<String>,
    /// Whether the signature, if one is required, is recent.
    pub(super) is_fresh: bool,
    pub(super) origin: Origin,
}

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) payload: Bytes,
    pub(super) headers: Headers,
    /// The id that the bus has for it.
    pub(super) message_id: Option<String>,
    /// When it was written, according to the bus.
    pub(super) published_at: Option<Timestamp>,
}

/// Where a command came from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A queue.
    Queue {
        /// The position in the queue.
        place: QueuePlace,
        /// Settles the message.
        acknowledgement: Acknowledgement,
    },
    /// The state of the daemon, where it waited for its `not_before` or its approval.
    Parked {
        /// The id of the command.
        id: String,
        /// The position in the queue from which it came.
        place: QueuePlace,
    },
    /// The command line of this machine.
    Local {
        /// Whether the user may see secrets in the result.
        reveals: bool,
        /// The user who asks.
        by: LocalUser,
        /// Receives the answer.
        answer: oneshot::Sender<LocalAnswer>,
    },
}

/// The answer to a request of the command line.
#[derive(Debug)]
pub enum LocalAnswer {
    /// The outcome of the command.
    Outcome(Box<Outcome>),
    /// The command is not executed now, with the reason.
    NotNow(String),
    /// The engine ends, and has not come to it.
    Ended,
}

/// How a message is settled.
#[derive(Debug)]
pub(super) enum Settlement {
    /// Acknowledged. The requester gets the outcome.
    Done(Durable, Box<Outcome>),
    /// Acknowledged: its answer was published before, and this is a redelivery rather than a new copy.
    AlreadyAnswered(Durable),
    /// Acknowledged: the state keeps the command until this time.
    Parked(Durable, Timestamp),
    /// Delivered again after this time, with the reason.
    RetryLater(Duration, &'static str),
    /// Abandoned, because the daemon stops or the message now belongs to another consumer.
    Dropped,
}

/// The place of a command that was given by hand, in logs and audit records.
const COMMAND_LINE: &str = "command line";

impl Origin {
    /// The place of the command, for people.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Queue { place, .. } | Self::Parked { place, .. } => &place.place,
            Self::Local { .. } => COMMAND_LINE,
        }
    }

    /// The position of its message, if it came from a queue.
    pub(super) fn queue_place(&self) -> Option<&QueuePlace> {
        match self {
            Self::Queue { place, .. } | Self::Parked { place, .. } => Some(place),
            Self::Local { .. } => None,
        }
    }

    /// The user of this machine who asks, if the command did not come from a queue.
    pub(super) fn local_user(&self) -> Option<&LocalUser> {
        match self {
            Self::Queue { .. } | Self::Parked { .. } => None,
            Self::Local { by, .. } => Some(by),
        }
    }

    /// Whether the outcome is published, in addition to the answer to the requester.
    pub(super) fn is_published(&self) -> bool {
        match self {
            Self::Queue { .. } | Self::Parked { .. } => true,
            Self::Local { .. } => false,
        }
    }

    /// Whether the message still belongs to this consumer. May be called again.
    pub(super) fn begin(&self) -> bool {
        match self {
            Self::Queue { acknowledgement, .. } => acknowledgement.begin(),
            Self::Parked { .. } | Self::Local { .. } => true,
        }
    }

    /// Settles the message.
    pub(super) async fn settle(self, settlement: Settlement) {
        match (self, settlement) {
            (
                Self::Queue { acknowledgement, .. },
                Settlement::Done(Durable { .. }, _)
                | Settlement::AlreadyAnswered(Durable { .. })
                | Settlement::Parked(Durable { .. }, _),
            ) => {
                acknowledgement.ack().await;
            }
            (Self::Queue { acknowledgement, .. }, Settlement::RetryLater(wait, _)) => {
                acknowledgement.retry_later(wait).await;
            }
            // An unacknowledged message is delivered again, and a parked command is loaded at the next start.
            (Self::Queue { .. }, Settlement::Dropped) | (Self::Parked { .. }, _) => {}
            // There is no queue message to acknowledge.
            (Self::Local { .. }, Settlement::AlreadyAnswered(_)) => {}
            // A requester that no longer listens can ask again with the same id.
            (Self::Local { answer, .. }, Settlement::Done(_, outcome)) => {
                drop(answer.send(LocalAnswer::Outcome(outcome)));
            }
            (Self::Local { answer, .. }, Settlement::RetryLater(_, why)) => {
                drop(answer.send(LocalAnswer::NotNow(why.to_owned())));
            }
            (Self::Local { answer, .. }, Settlement::Parked(..)) => {
                drop(answer.send(LocalAnswer::NotNow("it waits in the state".to_owned())));
            }
            (Self::Local { answer, .. }, Settlement::Dropped) => {
                drop(answer.send(LocalAnswer::Ended));
            }
        }
    }

    /// Rejects a message that can never be a command and is in the dead letters.
    pub(super) async fn reject(self) {
        if let Self::Queue { acknowledgement, .. } = self {
            acknowledgement.reject().await;
        }
    }
}
