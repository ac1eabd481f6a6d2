//! The notes of the engine in the state: what each contains, and what is lost if an unreadable one is removed. Pure.

use std::str::FromStr as _;

use super::{EngineError, admission::ProtectedIds, parked::ParkedCommand, stops::StopRecord};
use crate::command::{audit::SavedChain, policy::Limits};

/// The kind of a note: the part of its name before the first slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
enum NoteKind {
    Limits,
    Paused,
    Recovered,
    Cancelled,
    Protected,
    Audit,
    Parked,
}

impl NoteKind {
    fn of(name: &str) -> Option<Self> {
        Self::from_str(name.split_once('/')?.0).ok()
    }

    /// Why the engine cannot read a note with this content.
    fn problem(self, content: &str) -> Option<serde_json::Error> {
        match self {
            Self::Limits => serde_json::from_str::<Limits>(content).err(),
            Self::Paused | Self::Recovered | Self::Cancelled => {
                serde_json::from_str::<Option<StopRecord>>(content).err()
            }
            Self::Protected => serde_json::from_str::<ProtectedIds>(content).err(),
            Self::Audit => serde_json::from_str::<SavedChain>(content).err(),
            Self::Parked => serde_json::from_str::<ParkedCommand>(content).err(),
        }
    }

    /// What is lost with a note of this kind.
    fn loss(self) -> &'static str {
        match self {
            Self::Limits => {
                "all limits count from zero, and one that has tripped lets commands through: look at what was done before"
            }
            Self::Paused => {
                "the commands are not paused any more: before the daemon starts, pause them again if they are to stay so"
            }
            Self::Recovered => {
                "the commands are not paused any more because of a recovery: before the daemon starts, look at what was lost with it"
            }
            Self::Cancelled => "the command is carried out if it comes: cancel it again if it must not be",
            Self::Protected => {
                "users whom a name of `protect.users` found once, and who have another name by now, are protected no more: see \
                 that its names are right"
            }
            Self::Audit => {
                "a new chain begins, and whether records are missing at the end of the old one cannot be told: keep the audit's \
                 file under another name first"
            }
            Self::Parked => "the parked command is not executed: send it again with a new id",
        }
    }
}

/// What is lost with the note `name`; none if it is not a note of the engine.
pub fn loss_of_note(name: &str) -> Option<&'static str> {
    NoteKind::of(name).map(NoteKind::loss)
}

/// Why the engine cannot read the note `name`; none if it can, or if it is not a note of the engine.
pub fn problem_of_note(name: &str, content: &str) -> Option<serde_json::Error> {
    NoteKind::of(name)?.problem(content)
}

impl EngineError {
    /// The note `name` of the section `commands` is not valid.
    pub(super) fn of_note(name: &str, commands: &str, source: serde_json::Error) -> Self {
        Self::Note {
            note: name.to_owned(),
            commands: commands.to_owned(),
            loss: loss_of_note(name).unwrap_or_default(),
            source,
        }
    }
}
