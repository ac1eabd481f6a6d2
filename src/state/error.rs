//! Why the state cannot be used, classified once.

use std::{io, path::PathBuf};

use super::integrity::StateRefusal;
use crate::permissions::PermissionError;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error("the state directory {0} is in use by another process: two daemons must not share one")]
    Locked(PathBuf),
    /// Nothing was ever kept there.
    #[error(
        "there is no state in {0}: no daemon has run with this configuration yet, or the path is another"
    )]
    Missing(PathBuf),
    /// Something else stands where the directory should be.
    #[error(
        "the state path {0} is not a directory: set `state.path` to a directory, or to a name that is free"
    )]
    NotADirectory(PathBuf),
    /// The directory is somebody else's.
    #[error(
        "the state directory {path} belongs to user {owner}, and this process runs as user {us}: \
         run it as that user (`sudo -u '#{owner}' oktabus …`), or set `state.path` to a directory of its own"
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// A newer version has written it.
    #[error(
        "{what} has format {found}, and this version of oktabus knows formats up to {known}: \
         run the version that wrote it, or a later one"
    )]
    NewerFormat {
        /// What was read.
        what: String,
        /// Its format.
        found: u32,
        /// The newest one that is known.
        known: u32,
    },
    /// The state cannot be trusted, and somebody must say how to go on.
    #[error(transparent)]
    Refused(#[from] Box<StateRefusal>),
    /// A record is damaged.
    #[error("the record of {what} cannot be trusted")]
    Record {
        /// Whose record it is.
        what: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// Somebody else wrote the record.
    #[error(
        "the record of {what} is at generation {found}, not at {expected}: is another daemon using this state?"
    )]
    Regressed {
        /// Whose record it is.
        what: String,
        /// The generation that was expected.
        expected: u64,
        /// The generation that was found.
        found: u64,
    },
    /// More than a record may hold.
    #[error("the record of {what} would have {size_bytes} bytes, more than {limit_bytes}")]
    TooLarge {
        /// Whose record it is.
        what: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The disk is too full to be written to safely.
    #[error(
        "the disk of {path} has {free_bytes} bytes left, fewer than the {needed_bytes} that a commit may need: make room"
    )]
    NoRoom {
        /// The state directory.
        path: PathBuf,
        /// What is left.
        free_bytes: u64,
        /// What is asked for.
        needed_bytes: u64,
    },
    /// The file system is mounted read-only.
    #[error("the file system of {0} is read-only: look into the system's log, and mount it for writing")]
    ReadOnly(PathBuf),
    /// A file or a directory cannot be read or written.
    #[error("cannot {action} {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store cannot be read or written.
    #[error("the store {path} does not work: {reason}")]
    Store {
        /// Where the store is.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The open store is not what its path leads to any more.
    #[error(
        "the store {0} is not the one that this daemon has open: it was removed, moved away or unmounted, and what is written \
         now would be lost, so nothing is: put it back or mount it again, and everything goes on; if it is lost, stop the \
         daemon, and restore a backup with `oktabus state import` or start anew"
    )]
    Displaced(PathBuf),
    /// A recovery was requested for a state that is sound.
    #[error(
        "the state in {0} is sound, and `--recover` is for one that was refused: start without it; to let a route begin \
         elsewhere, use `oktabus state reset`"
    )]
    Sound(PathBuf),
    /// Others could put files into it.
    #[error("the directory {path}, in which the state is kept, cannot be trusted")]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Who could.
        source: PermissionError,
    },
    /// A line of an export cannot be written.
    #[error("a line of the export cannot be written")]
    Unwritable(#[source] io::Error),
    /// The work was interrupted, because the process ends or because of a bug.
    #[error("access to the state was interrupted")]
    Interrupted,
}

/// Why bytes are not a record, or a record is not understood.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// Cut short, or never one of ours.
    #[error("this is not a record of oktabus")]
    Foreign,
    /// Written in a form that this version does not know.
    #[error("the record has format version {0}, which this version of oktabus does not know")]
    Version(u8),
    /// Damaged.
    #[error("the record's checksum is wrong")]
    Checksum,
    /// The payload is not what it should be.
    #[error("the record's content is not understood: {0}")]
    Content(String),
}

/// The record of `what` is whole, and not understood.
pub(super) fn content_error(what: &str, reason: String) -> StateError {
    StateError::Record { what: what.to_owned(), source: RecordError::Content(reason) }
}

/// What to do about an error while the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateClass {
    /// The disk may work again: retry the same commit, and move nothing before it has succeeded.
    Transient,
    /// Going on would break a promise.
    Fatal,
}

impl StateError {
    /// What to do about it while the daemon runs.
    pub fn class(&self) -> StateClass {
        match self {
            Self::NoRoom { .. }
            | Self::ReadOnly(_)
            | Self::Io { .. }
            | Self::Store { .. }
            | Self::Displaced(_) => StateClass::Transient,
            Self::Locked(_)
            | Self::Missing(_)
            | Self::NotADirectory(_)
            | Self::Owner { .. }
            | Self::NewerFormat { .. }
            | Self::Refused(_)
            | Self::Record { .. }
            | Self::Regressed { .. }
            | Self::TooLarge { .. }
            | Self::Sound(_)
            | Self::Exposed { .. }
            | Self::Unwritable(_)
            | Self::Interrupted => StateClass::Fatal,
        }
    }
}
