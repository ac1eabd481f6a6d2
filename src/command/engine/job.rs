//! One command on its way: what it asks for, what was found of whom it names, and who waits for the outcome.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::command::{
    LocalUser, Outcome, execute::Resolved, intake::Ticket, journal::Durable, message::Command,
};

/// One copy of a command.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) found: Found,
    /// Whether it had to wait for others that touch the same: what was found may be so no more.
    pub(super) has_waited: bool,
    pub(super) signed_by: Option<String>,
    pub(super) origin: Origin,
}

/// What was found of those whom a command names, when it came.
#[derive(Debug)]
pub(super) enum Found {
    /// All of them, or what there is of them.
    Subjects(Resolved),
    /// It does not matter: the command has its outcome.
    Ended,
    /// They cannot be made out, perhaps because a command before this one is about to bring them about; or it is not the
    /// time for the command.
    Unknown,
}

/// Where a command came from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A queue.
    Queue {
        /// Where it stood there.
        place: String,
        /// To say what became of it.
        ticket: Ticket,
    },
    /// Somebody of this machine.
    Asked {
        /// Whether they may see the secrets that come up.
        reveals: bool,
        /// Who they are.
        by: LocalUser,
        /// To tell them.
        answer: oneshot::Sender<Answer>,
    },
}

/// What somebody of this machine is told.
#[derive(Debug)]
pub enum Answer {
    /// What became of the command.
    Outcome(Box<Outcome>),
    /// It is not carried out now, and why.
    NotNow(String),
}

/// What is to be said of the message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It need not come again. Who asked is told the outcome.
    Done(Durable, Box<Outcome>),
    /// It is to come again, and why.
    Later(Duration, &'static str),
    /// It was given up, because we stop or because it is not for us to do any more.
    Dropped,
}

/// How the command line is called where people read of it.
const ASKED: &str = "command line";

impl Origin {
    /// Where the command stood.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Queue { place, .. } => place,
            Self::Asked { .. } => ASKED,
        }
    }

    /// Who of this machine asks, if somebody does.
    pub(super) fn local_user(&self) -> Option<&LocalUser> {
        match self {
            Self::Queue { .. } => None,
            Self::Asked { by, .. } => Some(by),
        }
    }

    /// Whether it is still for us to do. May be asked again.
    pub(super) fn begin(&self) -> bool {
        match self {
            Self::Queue { ticket, .. } => ticket.begin(),
            Self::Asked { .. } => true,
        }
    }

    /// Says what became of the message.
    pub(super) async fn settle(self, verdict: Verdict) {
        match (self, verdict) {
            (Self::Queue { ticket, .. }, Verdict::Done(Durable { .. }, _)) => ticket.done().await,
            (Self::Queue { ticket, .. }, Verdict::Later(wait, _)) => ticket.later(wait).await,
            // What is not acknowledged comes again.
            (Self::Queue { .. }, Verdict::Dropped) => {}
            // Who does not listen any more asks again, with the same id.
            (Self::Asked { answer, .. }, Verdict::Done(_, outcome)) => {
                drop(answer.send(Answer::Outcome(outcome)));
            }
            (Self::Asked { answer, .. }, Verdict::Later(_, why)) => {
                drop(answer.send(Answer::NotNow(why.to_owned())));
            }
            (Self::Asked { answer, .. }, Verdict::Dropped) => {
                drop(answer.send(Answer::NotNow("the daemon stops".to_owned())));
            }
        }
    }
}
