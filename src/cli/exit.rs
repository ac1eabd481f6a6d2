//! Exit codes, after `sysexits.h`: scripts and service supervisors rely on them.

use std::process::ExitCode;

use crate::{
    admin::AdminError, app::AppError, command::engine::EngineError, doorbell::DoorbellError,
    route::RouteError, search::SearchError, state::StateError,
};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// The work was done with a bad result: a command that was refused or failed.
    Failed,
    /// The arguments or the configuration are invalid.
    Usage,
    /// The state cannot be trusted.
    StateRefused,
    /// Okta or a bus could not be used in a check, the admin address is taken, or the disk of the state has no room.
    Unavailable,
    /// A bug.
    Bug,
    /// The work was done, and its result could not be written to standard output.
    Unprinted,
    /// A second signal to stop.
    Interrupted,
}

impl Exit {
    /// This code, or [`Exit::Unprinted`] if only the printing failed.
    pub(super) fn unless_unprinted(self, is_unprinted: bool) -> Self {
        if self == Self::Done && is_unprinted { Self::Unprinted } else { self }
    }

    /// The code that the operating system gets.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::StateRefused => 65,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::Unprinted => 74,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&RouteError> for Exit {
    fn from(err: &RouteError) -> Self {
        match err {
            RouteError::Key { .. } | RouteError::Redaction { .. } => Self::Usage,
            RouteError::State(_) | RouteError::Link { .. } | RouteError::Checkpoint { .. } => {
                Self::StateRefused
            }
            RouteError::Superseded { .. } => Self::Unavailable,
        }
    }
}

impl From<&StateError> for Exit {
    fn from(err: &StateError) -> Self {
        match err {
            // The state is intact: with free space the same command works.
            StateError::NoRoom { .. } => Self::Unavailable,
            _ => Self::StateRefused,
        }
    }
}

impl From<&EngineError> for Exit {
    fn from(err: &EngineError) -> Self {
        match err {
            EngineError::State(err) => Self::from(err),
            EngineError::NotRecorded { .. } | EngineError::NotSaved { .. } => Self::Unavailable,
            EngineError::Record { .. } | EngineError::Note { .. } => Self::StateRefused,
            EngineError::Key(_)
            | EngineError::Credential(_)
            | EngineError::Sink(_)
            | EngineError::Unknown(_)
            | EngineError::UnknownLimit { .. }
            | EngineError::TooManyCancelled { .. }
            | EngineError::ImpossibleId { .. }
            | EngineError::AlreadyEnded { .. } => Self::Usage,
        }
    }
}

impl From<&AppError> for Exit {
    fn from(err: &AppError) -> Self {
        match err {
            AppError::Route(err) => Self::from(err),
            AppError::Search(SearchError::Route(err)) => Self::from(err),
            AppError::Commands(err) => Self::from(err),
            AppError::Search(SearchError::Compose(_)) => Self::Usage,
            AppError::State(_) | AppError::Search(_) => Self::StateRefused,
            // The address may become free, or may not exist yet while the machine boots: a supervisor should retry.
            AppError::Admin(AdminError::Listen { source, .. })
                if source.kind() != std::io::ErrorKind::PermissionDenied =>
            {
                Self::Unavailable
            }
            AppError::Client(_) | AppError::Sink(_) | AppError::Admin(_) | AppError::NothingToCatchUp => {
                Self::Usage
            }
            AppError::Doorbell(DoorbellError::Listen { source, .. })
                if source.kind() != std::io::ErrorKind::PermissionDenied =>
            {
                Self::Unavailable
            }
            AppError::Doorbell(_) => Self::Usage,
            #[cfg(feature = "otlp")]
            AppError::Traces(_) => Self::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_state_that_cannot_be_trusted() {
        let full = || StateError::NoRoom { path: "state".into(), free_bytes: 1, needed_bytes: 2 };
        assert_eq!(Exit::from(&full()), Exit::Unavailable);
        assert_eq!(Exit::from(&EngineError::State(full())), Exit::Unavailable);
        assert_eq!(Exit::from(&StateError::Missing("state".into())), Exit::StateRefused);
    }
}
