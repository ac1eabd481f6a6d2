//! One command on its way: what it asks for, what was found of whom it names, and who waits for the outcome.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::command::{Failed, Outcome, Subjects, intake::Ticket, message::Command};

/// One copy of a command.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) found: Found,
    pub(super) signed_by: Option<String>,
    pub(super) origin: Origin,
}

/// What was found of those whom a command names, when it came.
#[derive(Debug)]
pub(super) enum Found {
    /// All of them, or what there is of them.
    Subjects(Subjects),
    /// It does not matter: the command has its outcome.
    Ended,
    /// It was not looked for: another copy is at work.
    Copy,
    /// They cannot be made out; perhaps because a command before this one is about to bring them about.
    Unknown(Box<Failed>),
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
    Asked(oneshot::Sender<Answer>),
}

/// What somebody of this machine is told.
#[derive(Debug)]
pub enum Answer {
    /// What became of the command.
    Outcome(Box<Outcome>),
    /// It is not to be carried out now.
    NotNow(&'static str),
}

/// What is to be said of the message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It need not come again.
    Done(crate::command::journal::Durable),
    /// It is to come again.
    Later(Duration, &'static str),
    /// It was given up because we stop.
    Dropped,
}

/// How `origin` is called where people read of it.
pub(super) const ASKED: &str = "command line";

impl Origin {
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Queue { place, .. } => place,
            Self::Asked(_) => ASKED,
        }
    }

    /// Says what became of the message. Who asked has been answered, or is told why not.
    pub(super) async fn settle(self, verdict: Verdict) {
        match (self, verdict) {
            (Self::Queue { ticket, .. }, Verdict::Done(_)) => ticket.done().await,
            (Self::Queue { ticket, .. }, Verdict::Later(wait, _)) => ticket.later(wait).await,
            (Self::Asked(answer), Verdict::Later(_, why)) => {
                // Who does not listen any more asks again, with the same id.
                let _ = answer.send(Answer::NotNow(why));
            }
            (Self::Queue { .. } | Self::Asked(_), _) => {}
        }
    }
}
