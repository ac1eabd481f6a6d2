//! Messages that can never be commands, kept with their bytes and the reason, one file of JSON lines for the commands of
//! a name.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Serialize;

use super::{message::Headers, milliseconds};
use crate::{
    config::FileStem,
    sink::{DeadLettersError, append_dead_letters},
};

/// The dead letters of the commands of one name.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    path: PathBuf,
}

/// One of them, before it is kept.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// Where it stood in the queue.
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
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    #[serde(flatten)]
    value: Value<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Value<'a> {
    Value(&'a str),
    ValueBase64(String),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Payload<'a> {
    Payload(&'a str),
    PayloadBase64(String),
}

impl DeadLetters {
    /// The dead letters of the commands `name` under `directory`. Touches nothing until there is one.
    pub fn new(directory: &Path, name: &str) -> Self {
        Self { path: directory.join(format!("{}.jsonl", FileStem::of_dead_letters(name))) }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `letter` and returns when it is on the disk.
    pub async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), DeadLettersError> {
        append_dead_letters(&self.path, render(letter)).await
    }
}

fn render(DeadLetter { place, reason, headers, payload }: DeadLetter<'_>) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| {
        let value = match std::str::from_utf8(value) {
            Ok(text) => Value::Value(text),
            Err(_) => Value::ValueBase64(STANDARD.encode(value)),
        };
        Header { name, value }
    });
    let payload = match std::str::from_utf8(payload) {
        Ok(text) => Payload::Payload(text),
        Err(_) => Payload::PayloadBase64(STANDARD.encode(payload)),
    };
    let line = Line { at: Timestamp::now(), place, reason, headers: headers.collect(), payload };
    // Strings and a time alone: there is nothing in it that could fail to be JSON.
    let mut line = serde_json::to_vec(&line).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn what_is_kept_has_its_bytes_headers_and_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(&directory.path().join("dead-letters"), "provisioning");
        let headers = vec![
            ("ce_type".to_owned(), Bytes::from_static(b"x")),
            ("raw".to_owned(), Bytes::from_static(b"\xff")),
        ];
        for payload in [&b"{\"a\":\n1"[..], b"\xff\xfe"] {
            let letter = DeadLetter { place: "orders/3@42", reason: "not JSON", headers: &headers, payload };
            letters.keep(letter).await.unwrap();
        }
        assert_eq!(letters.path(), directory.path().join("dead-letters/commands.provisioning.jsonl"));
        let kept = std::fs::read_to_string(letters.path()).unwrap();
        let lines: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["payload"], "{\"a\":\n1");
        assert_eq!(lines[0]["place"], "orders/3@42");
        assert_eq!(lines[0]["reason"], "not JSON");
        assert_eq!(
            lines[0]["headers"],
            json!([{ "name": "ce_type", "value": "x" }, { "name": "raw", "value_base64": "/w==" }])
        );
        assert_eq!(lines[1]["payload_base64"], "//4=");
        assert_eq!(lines[1].get("payload"), None);
    }
}
