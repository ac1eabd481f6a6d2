//! A state that is not trusted: what was found, what that means, and the recovery modes.

use std::{fmt, path::PathBuf};

use jiff::Timestamp;

/// A state that is not trusted. Nothing was changed; the operator must choose a [`RecoveryMode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRefusal {
    /// The state directory.
    pub directory: PathBuf,
    /// What was found.
    pub error: IntegrityError,
    /// When the witness was written, if there is one that can be read.
    pub witnessed_at: Option<Timestamp>,
}

/// Why a state is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntegrityError {
    /// There are witnesses of a store, and no store.
    Gone,
    /// There is a store, and all that was in it is gone.
    Emptied,
    /// The store is older than what is known of it.
    Behind {
        /// What is older: a route, or the store as a whole.
        what: String,
        /// Where the store is.
        found: u64,
        /// Where it was.
        known: u64,
    },
    /// The witness or the tally belongs to another store.
    Other {
        /// The store's id.
        found: String,
        /// The id that is known.
        known: String,
    },
    /// The store cannot be opened.
    Unreadable(String),
    /// A record in it is damaged.
    Damaged(String),
    /// There is a store, and neither witness nor tally to compare it with.
    Unwitnessed,
}

/// How to go on, by its word on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryMode {
    /// From the cursors in the witness.
    Witness,
    /// With the store as it is.
    Store,
    /// From a point in time.
    Since,
    /// With what is new from now on.
    Now,
}

impl StateRefusal {
    /// The modes that are possible, the safest one first.
    pub fn recovery_modes(&self) -> Vec<RecoveryMode> {
        let witness = self.witnessed_at.map(|_| RecoveryMode::Witness);
        let store = match self.error {
            IntegrityError::Behind { .. } | IntegrityError::Other { .. } | IntegrityError::Unwitnessed => {
                Some(RecoveryMode::Store)
            }
            IntegrityError::Gone
            | IntegrityError::Emptied
            | IntegrityError::Unreadable(_)
            | IntegrityError::Damaged(_) => None,
        };
        witness.into_iter().chain(store).chain([RecoveryMode::Since, RecoveryMode::Now]).collect()
    }

    fn meaning(&self) -> &'static str {
        match self.error {
            IntegrityError::Gone => {
                "the cursors are lost, or the state directory is not the one that was used before"
            }
            IntegrityError::Emptied => "the cursors are lost: the store's file was emptied or replaced",
            IntegrityError::Behind { .. } => {
                "the store has lost its latest commits, or an older copy of it was put back: \
                 going on would deliver again what was delivered since"
            }
            IntegrityError::Other { .. } => "files of two different states are mixed in this directory",
            IntegrityError::Unreadable(_) | IntegrityError::Damaged(_) => {
                "the store's files are damaged: look at the disk before you trust it again"
            }
            IntegrityError::Unwitnessed => {
                "whether this is the latest store or an older copy of it cannot be told: its witnesses are missing"
            }
        }
    }
}

impl fmt::Display for IntegrityError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter.write_str("there was a store here, and there is none now"),
            Self::Emptied => formatter.write_str("there is a store, and there is nothing in it"),
            Self::Behind { what, found, known } => {
                write!(formatter, "{what} is at {found}, and was at {known} or later")
            }
            Self::Other { found, known } => {
                write!(formatter, "the store is {found}, and what is known is of the store {known}")
            }
            Self::Unreadable(reason) => write!(formatter, "the store cannot be opened: {reason}"),
            Self::Damaged(reason) => write!(formatter, "a record in the store is damaged: {reason}"),
            Self::Unwitnessed => formatter.write_str("there is a store without witness and without tally"),
        }
    }
}

impl fmt::Display for StateRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "the state in {} is not trusted", self.directory.display())?;
        writeln!(formatter, "  found:   {}", self.error)?;
        write!(formatter, "  meaning: {}", self.meaning())
    }
}

impl std::error::Error for StateRefusal {}
