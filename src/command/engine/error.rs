//! Why the commands of a name cannot go on: everything else is waited for, or is an outcome.

use okta_client::SourceError;

use super::UnknownCommands;
use crate::{command::message::ID_BYTES_MAX, config::KeyError, sink::SinkError, state::StateError};

/// Commands cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state cannot be trusted.
    #[error(transparent)]
    State(#[from] StateError),
    /// An entry of the journal is not one of ours.
    #[error("the journal's entry of command {id} cannot be understood: was it written by a later version?")]
    Record {
        /// The command.
        id: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A note is not one of ours.
    #[error(
        "the note `{note}` of the state cannot be understood, and nothing is carried out for {commands} until it can: run the \
         version of oktabus that wrote it, or stop the daemon and give the note up with `oktabus state remove-note {note}`; \
         then {loss}"
    )]
    Note {
        /// Its name.
        note: String,
        /// The name of the commands.
        commands: String,
        /// What is lost with it.
        loss: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is no room for another one.
    #[error("{max} commands are cancelled and have not come to their end: `pause` stops all at once")]
    TooManyCancelled {
        /// How many there may be.
        max: usize,
    },
    /// The audit takes nothing, and must have this before it is done.
    #[error(
        "{standing}: the audit must have it first, and takes nothing now; the log and `/status` say why, so ask again once it does"
    )]
    NotRecorded {
        /// How it stands.
        standing: &'static str,
    },
    /// The state takes nothing yet.
    #[error(
        "{standing}: the state takes nothing now, and the log and `/status` say why; it is tried on, and done once it is saved"
    )]
    NotSaved {
        /// How it stands.
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
    /// The command has its outcome, and cannot be cancelled.
    #[error("the command {id} has ended: {standing}")]
    AlreadyEnded {
        /// The command.
        id: String,
        /// How it ended.
        standing: &'static str,
    },
    /// Which commands are meant cannot be said.
    #[error(transparent)]
    Unknown(#[from] UnknownCommands),
    /// There is no such limit.
    #[error("there is no limit `{limit}`; there are {known}")]
    UnknownLimit {
        /// What was asked for.
        limit: String,
        /// Those that there are.
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
