//! Why the commands of a section cannot continue. All other failures are retried, or are outcomes.

use okta_client::SourceError;

use super::UnknownCommands;
use crate::{command::message::ID_BYTES_MAX, config::KeyError, sink::SinkError, state::StateError};

/// The commands of a section cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state cannot be trusted.
    #[error(transparent)]
    State(#[from] StateError),
    /// A journal entry is not valid.
    #[error("the journal's entry of command {id} cannot be understood: was it written by a later version?")]
    Record {
        /// The id of the command.
        id: String,
        /// The problem.
        source: serde_json::Error,
    },
    /// A note is not valid.
    #[error(
        "the note `{note}` of the state cannot be understood, and nothing is carried out for {commands} until it can: run the \
         version of oktabus that wrote it, or stop the daemon and give the note up with `oktabus state remove-note {note}`; \
         then {loss}"
    )]
    Note {
        /// Its name.
        note: String,
        /// The name of the section.
        commands: String,
        /// What is lost with it.
        loss: &'static str,
        /// The problem.
        source: serde_json::Error,
    },
    /// Too many commands are cancelled.
    #[error("{max} commands are cancelled and have not come to their end: `pause` stops all at once")]
    TooManyCancelled {
        /// The limit.
        max: usize,
    },
    /// The audit cannot be written, and must have the action before it is done.
    #[error(
        "{standing}: it must be in the audit first, which cannot be written now; the log and `/status` say why. Try again once it can"
    )]
    NotRecorded {
        /// What remains as it was.
        standing: &'static str,
    },
    /// The state cannot be written.
    #[error(
        "{standing}: the state cannot be written now; the log and `/status` say why. It is retried, and done once it is saved"
    )]
    NotSaved {
        /// What remains as it was.
        standing: &'static str,
    },
    /// No command can have this id.
    #[error(
        "no command can have the id `{id}`: ids have 1 to {ID_BYTES_MAX} bytes, and no control characters"
    )]
    ImpossibleId {
        /// The beginning of it.
        id: String,
    },
    /// The command has an outcome, and cannot be cancelled.
    #[error("the command {id} has ended: {standing}")]
    AlreadyEnded {
        /// The id of the command.
        id: String,
        /// The status of its outcome.
        standing: &'static str,
    },
    /// The section cannot be determined.
    #[error(transparent)]
    Unknown(#[from] UnknownCommands),
    /// No such limit.
    #[error("there is no limit `{limit}`; there are {known}")]
    UnknownLimit {
        /// The limit that was asked for.
        limit: String,
        /// The limits of the section.
        known: String,
    },
    /// The org's credential cannot be read.
    #[error(transparent)]
    Credential(SourceError),
    /// A key of signatures cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sink of the outcomes or of the audit cannot be used by this binary.
    #[error(transparent)]
    Sink(#[from] SinkError),
}
