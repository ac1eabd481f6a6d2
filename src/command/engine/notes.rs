//! What is lost with a note of the engine that cannot be read and is removed. Pure.

use super::EngineError;

/// What follows if the note `name` is removed; none if the engine keeps no such note.
pub fn loss_of_note(name: &str) -> Option<&'static str> {
    Some(match name.split_once('/')?.0 {
        "limits" => {
            "all limits count from zero, and one that has tripped lets commands through: look at what was done before"
        }
        "paused" => {
            "the commands are not paused any more: before the daemon starts, pause them again if they are to stay so"
        }
        "recovered" => {
            "the commands are not paused any more because of a recovery: before the daemon starts, look at what was lost with it"
        }
        "cancelled" => "the command is carried out if it comes: cancel it again if it must not be",
        "protected" => {
            "users whom a name of `protect.users` found once, and who have another name by now, are protected no more: see \
             that its names are right"
        }
        "audit" => {
            "a new chain begins, and whether records are missing at the end of the old one cannot be told: keep the audit's \
             file under another name first"
        }
        "parked" => "the command that waited is not carried out: send it anew, with a new id",
        _ => return None,
    })
}

impl EngineError {
    /// The note `name` of `commands` is not one of ours.
    pub(super) fn of_note(name: &str, commands: &str, source: serde_json::Error) -> Self {
        Self::Note {
            note: name.to_owned(),
            commands: commands.to_owned(),
            loss: loss_of_note(name).unwrap_or_default(),
            source,
        }
    }
}
