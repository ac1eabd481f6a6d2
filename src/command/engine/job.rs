//! One copy of a command on its way: what it asks for, the message that it came in, and who waits for the outcome.

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

/// One copy of a command.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) message: Message,
    /// By whom this copy is signed.
    pub(super) verified: Verified,
    /// Why its sender may not ask for it any more, though it was begun: nothing more is sent for it.
    pub(super) refusal: Option<OutcomeError>,
    /// The key that the first copy was signed with.
    pub(super) signed_by: Option<String>,
    /// The second key that has approved it, if one must and has.
    pub(super) approved_by: Option<String>,
    /// Whether its signature, if it needs one, is of a time near now.
    pub(super) is_fresh: bool,
    pub(super) origin: Origin,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) payload: Bytes,
    pub(super) headers: Headers,
    /// What the bus itself knows it by.
    pub(super) message_id: Option<String>,
    /// When the bus says that it was written.
    pub(super) published_at: Option<Timestamp>,
}

/// Where a command came from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A queue.
    Queue {
        /// Where it stood there.
        place: QueuePlace,
        /// To say what became of it.
        acknowledgement: Acknowledgement,
    },
    /// Our own state, where it has waited for its `not_before`.
    Parked {
        /// The command.
        id: String,
        /// Where it stood in the queue.
        place: QueuePlace,
    },
    /// Somebody of this machine.
    Local {
        /// Whether they may see the secrets that come up.
        reveals: bool,
        /// Who they are.
        by: LocalUser,
        /// To tell them.
        answer: oneshot::Sender<LocalAnswer>,
    },
}

/// What somebody of this machine is told.
#[derive(Debug)]
pub enum LocalAnswer {
    /// What became of the command.
    Outcome(Box<Outcome>),
    /// It is not carried out now, and why.
    NotNow(String),
}

/// What is to be said of the message.
#[derive(Debug)]
pub(super) enum Settlement {
    /// It need not come again. Who asked is told the outcome.
    Done(Durable, Box<Outcome>),
    /// It need not come again: its answer was published before, and it is no copy that somebody sent.
    AlreadyAnswered(Durable),
    /// It need not come again: the state has it until then.
    Parked(Durable, Timestamp),
    /// It is to come again, and why.
    RetryLater(Duration, &'static str),
    /// It was given up, because we stop or because it is not for us to do any more.
    Dropped,
}

/// How the command line is called where people read of it.
const COMMAND_LINE: &str = "command line";

impl Origin {
    /// Where the command stood.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Queue { place, .. } | Self::Parked { place, .. } => &place.place,
            Self::Local { .. } => COMMAND_LINE,
        }
    }

    /// The message that it came in, if that was of a queue.
    pub(super) fn queue_place(&self) -> Option<&QueuePlace> {
        match self {
            Self::Queue { place, .. } | Self::Parked { place, .. } => Some(place),
            Self::Local { .. } => None,
        }
    }

    /// Who of this machine asks, if somebody does.
    pub(super) fn local_user(&self) -> Option<&LocalUser> {
        match self {
            Self::Queue { .. } | Self::Parked { .. } => None,
            Self::Local { by, .. } => Some(by),
        }
    }

    /// Whether an outcome is published, beside what is told to who asked.
    pub(super) fn is_published(&self) -> bool {
        match self {
            Self::Queue { .. } | Self::Parked { .. } => true,
            Self::Local { .. } => false,
        }
    }

    /// Whether it is still for us to do. May be asked again.
    pub(super) fn begin(&self) -> bool {
        match self {
            Self::Queue { acknowledgement, .. } => acknowledgement.begin(),
            Self::Parked { .. } | Self::Local { .. } => true,
        }
    }

    /// Says what became of the message.
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
            // What is not acknowledged comes again, and what is parked is there at the next start.
            (Self::Queue { .. }, Settlement::Dropped) | (Self::Parked { .. }, _) => {}
            // It came by no queue.
            (Self::Local { .. }, Settlement::AlreadyAnswered(_)) => {}
            // Who does not listen any more asks again, with the same id.
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
                drop(answer.send(LocalAnswer::NotNow("the daemon stops".to_owned())));
            }
        }
    }

    /// The message can never be a command, and is in the dead letters.
    pub(super) async fn reject(self) {
        if let Self::Queue { acknowledgement, .. } = self {
            acknowledgement.reject().await;
        }
    }
}
