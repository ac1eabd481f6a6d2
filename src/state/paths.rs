//! Where the parts of a state are.
//!
//! ```text
//! <state.path>/store/            sled: cursors, the journal and notes
//! <state.path>/tally             how many commits were acknowledged
//! <state.path>/witness.json      where the routes stood a few seconds ago; or at `state.witness`
//! <state.path>/dead-letters/     not read here
//! <state.path>/control.sock      of the room `control`
//! ```

use std::path::PathBuf;

use super::{StateError, disk};
use crate::config::{DeadLettersConfig, StateConfig};

/// Where the parts of a state are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePaths {
    /// The state directory.
    pub directory: PathBuf,
    /// The witness, in the directory or on another disk.
    pub witness: PathBuf,
    /// What dead letters may have.
    pub dead_letters: DeadLettersConfig,
}

/// Where dead letters are kept, and how many: on the disk of the state, which they must not fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterDirectory {
    /// The directory.
    pub path: PathBuf,
    /// What those of one route may have.
    pub route_bytes_max: u64,
    /// What those of the commands of one name may have.
    pub commands_bytes_max: u64,
}

impl DeadLetterDirectory {
    /// A directory with the usual bounds.
    pub fn at(path: PathBuf) -> Self {
        Self::with(path, &DeadLettersConfig::default())
    }

    fn with(path: PathBuf, config: &DeadLettersConfig) -> Self {
        let DeadLettersConfig { route_bytes_max, commands_bytes_max, .. } = *config;
        Self { path, route_bytes_max, commands_bytes_max }
    }
}

impl StatePaths {
    /// A state of which everything is in `directory`.
    pub fn within(directory: PathBuf) -> Self {
        let witness = directory.join("witness.json");
        Self { directory, witness, dead_letters: DeadLettersConfig::default() }
    }

    pub(super) fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    pub(super) fn tally(&self) -> PathBuf {
        self.directory.join("tally")
    }

    /// Refuses a directory that a daemon of this user could not use, if there is one. Creates and changes nothing.
    pub fn require_usable(&self) -> Result<(), StateError> {
        disk::require_closed(disk::parent(&self.witness))?;
        if !self.directory.exists() {
            return disk::require_closed_way(&self.directory);
        }
        if !self.directory.is_dir() {
            return Err(StateError::NotADirectory(self.directory.clone()));
        }
        disk::require_own(&self.directory)?;
        disk::require_room(&self.directory)
    }

    /// Where dead letters are kept.
    pub fn dead_letters(&self) -> DeadLetterDirectory {
        DeadLetterDirectory::with(self.directory.join("dead-letters"), &self.dead_letters)
    }
}

impl From<&StateConfig> for StatePaths {
    fn from(config: &StateConfig) -> Self {
        let within = Self { dead_letters: config.dead_letters.clone(), ..Self::within(config.path.clone()) };
        match &config.witness {
            Some(witness) => Self { witness: witness.clone(), ..within },
            None => within,
        }
    }
}
