//! Messages that can never be commands, with the reason, in files of JSON lines of bounded size. Anybody who can write
//! to the queue can cause one, and it may have a password in it: only what `redaction` leaves is kept.

mod redaction;

use jiff::Timestamp;
use serde::Serialize;

use super::{message::Headers, milliseconds};
use crate::{
    config::FileStem,
    sink::{DeadLetterFiles, DeadLettersError},
    state::DeadLetterDirectory,
    telemetry::metrics,
};

use redaction::{Header, Payload};

/// The dead letters of a section.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    commands: String,
    letters: Letters,
}

#[derive(Debug, Clone)]
enum Letters {
    Kept(DeadLetterFiles),
    /// In a simulation: a disk would bring real time into it.
    #[cfg(test)]
    Forgotten,
}

/// A dead letter before it is written.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// The place in the queue.
    pub place: &'a str,
    /// Why it can never be a command.
    pub reason: &'a str,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its bytes.
    pub payload: &'a [u8],
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "milliseconds::serialize")]
    at: Timestamp,
    place: &'a str,
    reason: &'a str,
    headers: Vec<Header<'a>>,
    /// The size of the original payload.
    bytes: usize,
    #[serde(flatten)]
    payload: Payload,
}

impl DeadLetters {
    /// The dead letters of the section `name` under `directory`. Creates nothing until there is one.
    pub fn new(directory: &DeadLetterDirectory, name: &str) -> Self {
        let DeadLetterDirectory { path, commands_bytes_max, .. } = directory;
        let letters = DeadLetterFiles::new(path, &FileStem::of_dead_letters(name), *commands_bytes_max);
        Self { commands: name.to_owned(), letters: Letters::Kept(letters) }
    }

    /// Dead letters that are discarded.
    #[cfg(test)]
    pub(crate) fn forgotten(name: &str) -> Self {
        Self { commands: name.to_owned(), letters: Letters::Forgotten }
    }

    /// Appends `letter` and returns when it is durable.
    pub async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), DeadLettersError> {
        let line = render(letter);
        let removed = match &self.letters {
            Letters::Kept(letters) => letters.keep(line).await?,
            #[cfg(test)]
            Letters::Forgotten => 0,
        };
        metrics::command_dead_letters_dropped(&self.commands, removed);
        Ok(())
    }
}

fn render(DeadLetter { place, reason, headers, payload }: DeadLetter<'_>) -> Vec<u8> {
    let (headers, bytes) = (redaction::headers(headers), payload.len());
    let payload = redaction::payload(payload);
    let line = Line { at: Timestamp::now(), place, reason, headers, bytes, payload };
    // It has only strings, a number and a time, so serialization cannot fail.
    let mut line = serde_json::to_vec(&line).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn lines(kept: &str) -> Vec<Value> {
        kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn what_is_kept_has_the_reason_and_of_the_message_no_more_than_may_be_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dead-letters/commands.provisioning.jsonl");
        let directory = DeadLetterDirectory::at(directory.path().join("dead-letters"));
        let letters = DeadLetters::new(&directory, "provisioning");
        let headers = vec![
            ("ce_type".to_owned(), Bytes::from_static(b"x")),
            ("authorization".to_owned(), Bytes::from_static(b"s3cret")),
        ];
        let payloads: [&[u8]; 3] = [
            b"{\"action\":\"user.set_password\",\"parameters\":{\"user\":\"ada\",\"pasword\":\"s3cret\"}}",
            b"{\"user\":\"ada\",\"password\":\"s3cret",
            b"\xff\xfe",
        ];
        for payload in payloads {
            let letter = DeadLetter { place: "orders/3@42", reason: "no id", headers: &headers, payload };
            letters.keep(letter).await.unwrap();
        }
        let text = std::fs::read_to_string(path).unwrap();
        let kept = lines(&text);
        let command: Value = serde_json::from_str(kept[0]["payload"].as_str().unwrap()).unwrap();
        let parameters = json!({ "user": "ada", "pasword": "[redacted]" });
        assert_eq!(command, json!({ "action": "user.set_password", "parameters": parameters }));
        assert_eq!((&kept[0]["place"], &kept[0]["reason"]), (&json!("orders/3@42"), &json!("no id")));
        assert_eq!(
            kept[0]["headers"],
            json!([{ "name": "ce_type", "value": "x" }, { "name": "authorization", "value": "[redacted]" }])
        );
        assert_eq!(kept[1]["beginning"], r#"{"user":"*","password":"*"#);
        assert_eq!((&kept[1]["bytes"], &kept[2]["bytes"]), (&json!(payloads[1].len()), &json!(2)));
        assert!(kept[1].get("payload").is_none());
        assert!(!text.contains("s3cret"));
    }

    #[tokio::test]
    async fn a_flood_stays_within_what_it_may_have() {
        let directory = tempfile::tempdir().unwrap();
        let bounded = DeadLetterDirectory {
            commands_bytes_max: 1 << 20,
            ..DeadLetterDirectory::at(directory.path().to_owned())
        };
        let letters = DeadLetters::new(&bounded, "hr");
        let large = json!({ "name": "x".repeat(900), "user": vec!["x".repeat(900); 200] }).to_string();
        for _ in 0..40 {
            let payload = large.as_bytes();
            letters
                .keep(DeadLetter { place: "q", reason: "no id", headers: &Vec::new(), payload })
                .await
                .unwrap();
        }
        let files = std::fs::read_dir(directory.path()).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!((500_000..=1 << 20).contains(&bytes), "{bytes}");
    }
}
