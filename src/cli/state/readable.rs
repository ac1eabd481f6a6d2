//! Whether those who keep entries and notes in the state would understand them, which the state itself does not know. Reads
//! an export as it is written, and keeps nothing of it but what is not understood.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    command::{audit::KeptChain, engine::StopRecord, policy::Limits, record::Record},
    search::{NOTES, SavedProgress},
    state::Entry,
};

/// How many are named.
const NAMED_MAX: usize = 20;

/// What of an export is not understood.
#[derive(Debug, Default)]
pub(super) struct Readable {
    unread: Vec<u8>,
    named: Vec<String>,
    count: u64,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Command {
        id: String,
        entry: Entry,
    },
    Note {
        name: String,
        content: String,
    },
    #[serde(other)]
    Other,
}

impl Readable {
    /// How many entries and notes are not understood.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them, and what is wrong with each.
    pub(super) fn named(&self) -> &[String] {
        &self.named
    }

    fn read(&mut self, line: &[u8]) {
        let (what, problem) = match serde_json::from_slice(line) {
            Ok(Line::Command { id, entry }) => {
                (format!("the entry of command {id}"), Record::decode(&entry.content).err())
            }
            Ok(Line::Note { name, content }) => {
                (format!("the note {name}"), problem_of_note(&name, &content))
            }
            Ok(Line::Other) => return,
            Err(err) => ("a line of the export".to_owned(), Some(err)),
        };
        let Some(problem) = problem else { return };
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("{what}: {problem}"));
        }
    }
}

/// What keeps the owner of the note `name` from understanding it.
fn problem_of_note(name: &str, content: &str) -> Option<serde_json::Error> {
    if name.starts_with(NOTES) {
        return serde_json::from_str::<SavedProgress>(content).err();
    }
    match name.split_once('/')?.0 {
        "limits" => serde_json::from_str::<Limits>(content).err(),
        "paused" | "cancelled" => serde_json::from_str::<Option<StopRecord>>(content).err(),
        "protected" => serde_json::from_str::<BTreeMap<String, BTreeSet<String>>>(content).err(),
        "audit" => serde_json::from_str::<KeptChain>(content).err(),
        "parked" => serde_json::from_str::<BTreeMap<String, IgnoredAny>>(content).err(),
        _ => None,
    }
}

impl io::Write for Readable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.unread.extend_from_slice(piece);
            if self.unread.ends_with(b"\n") {
                let line = std::mem::take(&mut self.unread);
                self.read(&line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_its_owner_would_refuse_is_named_and_nothing_else() {
        let entry = |id: &str, content: &str| {
            let entry = serde_json::json!({ "received_at": "2026-01-01T00:00:00Z", "content": content });
            serde_json::json!({ "kind": "command", "id": id, "generation": 1, "entry": entry }).to_string()
        };
        let note = |name: &str, content: &str| {
            serde_json::json!({ "kind": "note", "name": name, "generation": 1, "content": content })
                .to_string()
        };
        let sound = Record::new("user.get", "f", None, jiff::Timestamp::UNIX_EPOCH).encode().unwrap();
        let lines = [
            "{\"kind\":\"end\",\"lines\":1}".to_owned(),
            entry("hr/good", &sound),
            entry("hr/spoiled", "{\"stage\":\"from the future\"}"),
            note("paused/hr", "null"),
            note("paused/it", "\"from the future\""),
            note("audit/hr", "{}"),
            note("protected/hr", "{\"boss\":[\"00u1\"]}"),
            note("replay/1", "anything"),
        ];
        let export = lines.map(|line| line + "\n").concat();
        let mut readable = Readable::default();
        // Pieces end anywhere.
        for piece in export.as_bytes().chunks(7) {
            readable.write_all(piece).unwrap();
        }
        let named = readable.named().join("\n");
        assert_eq!(readable.count(), 3, "{named}");
        for what in ["the entry of command hr/spoiled: ", "the note paused/it: ", "the note audit/hr: "] {
            assert!(named.contains(what), "{named}");
        }
    }
}
