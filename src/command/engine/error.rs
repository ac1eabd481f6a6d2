//! Why the commands of a name cannot go on: everything else is waited for, or is an outcome.

use super::UnknownCommands;
use crate::{
    config::{KeyError, SecretError},
    sink::SinkError,
    state::StateError,
};

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
    /// The note of the limits is not one of ours.
    #[error(
        "what is kept of the limits of {commands} cannot be understood: was it written by a later version?"
    )]
    Limits {
        /// The name of the commands.
        commands: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The note of the audit's chain is not one of ours.
    #[error(
        "what is kept of the audit of {commands} cannot be understood: was it written by a later version?"
    )]
    AuditChain {
        /// The name of the commands.
        commands: String,
        /// What is wrong with it.
        source: serde_json::Error,
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
    Credential(#[from] SecretError),
    /// A key of signatures cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sink of the outcomes or of the audit cannot be used by this binary.
    #[error(transparent)]
    Sink(#[from] SinkError),
}
