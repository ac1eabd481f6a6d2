//! What is kept of a message that is not a command. Pure.
//!
//! A name does not tell whether a member is secret: a typo (`pasword`) may be the reason why it is no command. So only
//! values under names that are known to be harmless are kept, and all other texts and numbers are removed. Of bytes
//! that are not JSON, the beginning is kept with nothing but punctuation and known names. There is no digest, either:
//! if all else is known, it would let somebody guess a password.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::command::{Action, message::Headers};

/// Names whose texts and numbers are kept: members of commands and CloudEvents, and harmless parameters. Nested members
/// are judged by their own names.
const OPEN_NAMES: [&str; 41] = [
    // A command.
    "id",
    "action",
    "parameters",
    "not_before",
    "expires_at",
    "reply_to",
    "reason",
    "requested_by",
    "expect",
    // A CloudEvent around it.
    "specversion",
    "type",
    "source",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "partitionkey",
    "data",
    // Parameters.
    "user",
    "users",
    "group",
    "groups",
    "app",
    "apps",
    "factor",
    "name",
    "description",
    "ip",
    "since",
    "until",
    "limit",
    "filter",
    "q",
    "search",
    "status",
    "profile",
    // Of a profile.
    "login",
    "email",
    "firstName",
    "lastName",
    "displayName",
];
/// Headers whose values are kept.
const OPEN_HEADERS: [&str; 4] = ["content-type", "nats-msg-id", "nats-expected-stream", "oktabus-signature"];
const OPEN_HEADER_PREFIXES: [&str; 2] = ["ce_", "ce-"];

const REDACTED: &str = "[redacted]";
/// The most characters of a text, a name or the value of a header.
const TEXT_CHARS_MAX: usize = 1_024;
/// The most bytes of a message.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// The most bytes of a payload that is not JSON.
const BEGINNING_BYTES_MAX: usize = 512;
const HEADERS_MAX: usize = 32;

/// The redacted payload.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Payload {
    /// JSON as text, redacted and possibly truncated.
    Payload(String),
    /// The beginning of a payload that is not JSON, with only punctuation and known names.
    Beginning(String),
}

/// A redacted header.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Header<'a> {
    name: &'a str,
    value: String,
}

/// The redacted `payload`.
pub(super) fn payload(payload: &[u8]) -> Payload {
    match serde_json::from_slice(payload) {
        Ok(value) => {
            let mut text = open(value, false).to_string();
            text.truncate(text.floor_char_boundary(PAYLOAD_BYTES_MAX));
            Payload::Payload(text)
        }
        Err(_) => {
            let beginning = &payload[..payload.len().min(BEGINNING_BYTES_MAX)];
            Payload::Beginning(shape(&String::from_utf8_lossy(beginning)))
        }
    }
}

/// The redacted `headers`, limited in number.
pub(super) fn headers(headers: &Headers) -> Vec<Header<'_>> {
    let shown = |(name, value): &(String, bytes::Bytes)| {
        let name = name.to_ascii_lowercase();
        let is_open = OPEN_HEADERS.contains(&&*name)
            || OPEN_HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if is_open { shortened(&String::from_utf8_lossy(value)) } else { REDACTED.to_owned() }
    };
    let kept = headers.iter().take(HEADERS_MAX);
    kept.map(|header| Header {
        name: &header.0[..header.0.floor_char_boundary(TEXT_CHARS_MAX)],
        value: shown(header),
    })
    .collect()
}

/// The redacted `value`; `is_open` says whether its name is known to be harmless.
fn open(value: Value, is_open: bool) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let value = open(value, OPEN_NAMES.contains(&&*name));
                (shortened(&name), value)
            };
            Value::Object(members.into_iter().map(member).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| open(item, is_open)).collect()),
        Value::String(text) if is_open => Value::String(shortened(&text)),
        Value::Number(number) if is_open => Value::Number(number),
        Value::Null | Value::Bool(_) => value,
        Value::String(_) | Value::Number(_) => Value::String(REDACTED.to_owned()),
    }
}

/// `text` with `*` for each word that is neither a known name nor an action.
fn shape(text: &str) -> String {
    const PUNCTUATION: &str = "{}[]:,\" \t\r\n";
    let is_known = |word: &str| {
        OPEN_NAMES.contains(&word)
            || matches!(word, "password" | "recovery_question")
            || Action::named(word).is_some()
    };
    let mut shape = String::new();
    for piece in text.split_inclusive(|c| PUNCTUATION.contains(c)) {
        let word = piece.trim_end_matches(|c| PUNCTUATION.contains(c));
        shape.push_str(if word.is_empty() || is_known(word) { word } else { "*" });
        shape.push_str(&piece[word.len()..]);
    }
    shape
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::command::Action;

    const SECRET: &str = "hunter2-correct-horse";

    fn kept(bytes: &[u8]) -> String {
        match payload(bytes) {
            Payload::Payload(text) | Payload::Beginning(text) => text,
        }
    }

    #[test]
    fn no_name_is_open_that_has_secrets() {
        for name in Action::ALL.iter().flat_map(|action| action.secrets().iter().copied()).chain([
            "answer",
            "credentials",
            "value",
            "data_base64",
        ]) {
            assert!(!OPEN_NAMES.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_left_out_wherever_it_stands_and_however_its_name_is_spelled() {
        let places = [
            json!({ "parameters": { "user": "ada", "password": SECRET } }),
            json!({ "parameters": { "user": "ada", "Passwort": SECRET } }),
            json!({ "parameters": { "recovery_question": { "question": "?", "answer": SECRET } } }),
            json!({ "parameters": { "profile": { "login": "ada", "pin": SECRET } } }),
            json!({ "data": { "parameters": { "credentials": { "password": { "value": SECRET } } } } }),
            json!({ "data_base64": SECRET }),
            json!([[SECRET]]),
            json!(SECRET),
        ];
        for message in places {
            let kept = kept(message.to_string().as_bytes());
            assert!(!kept.contains(SECRET) && kept.contains(REDACTED), "{kept}");
            let cut_short = &message.to_string()[..message.to_string().len() - 1];
            assert!(!self::kept(cut_short.as_bytes()).contains("hunter2"), "{cut_short}");
        }
        assert_eq!(
            kept(br#"{"parameters":{"password":123456}}"#),
            r#"{"parameters":{"password":"[redacted]"}}"#
        );
    }

    #[test]
    fn what_says_who_wanted_what_is_kept() {
        let command = json!({
            "action": "user.suspend", "parameters": { "users": ["ada@acme.com", "bob"], "send_email": false },
            "reason": "left", "requested_by": "hr",
        });
        assert_eq!(kept(command.to_string().as_bytes()), command.to_string());
    }

    #[test]
    fn what_is_no_json_shows_its_shape_alone() {
        let form = format!("action=user.set_password&password={SECRET}");
        assert_eq!(kept(form.as_bytes()), "*");
        let cut_short = format!(r#"{{"action": "user.set_password", "parameters": {{"password": "{SECRET}"#);
        assert_eq!(
            kept(cut_short.as_bytes()),
            r#"{"action": "user.set_password", "parameters": {"password": "*"#
        );
        let wide: Vec<u8> = form.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(kept(&wide), "*");
        assert_eq!(kept(b""), "");
    }

    #[test]
    fn much_is_kept_of_no_message() {
        let long = json!({ "name": "x".repeat(200_000), "users": vec!["u".repeat(900); 250] }).to_string();
        assert!(kept(long.as_bytes()).len() <= PAYLOAD_BYTES_MAX);
        assert!(kept(&vec![b','; 200_000]).len() <= BEGINNING_BYTES_MAX);
        let many = vec![("ce-id".to_owned(), bytes::Bytes::from("x".repeat(9_000))); 100];
        let headers = headers(&many);
        assert!(
            headers.len() == HEADERS_MAX && headers.iter().all(|header| header.value.len() <= TEXT_CHARS_MAX)
        );
    }

    proptest! {
        #[test]
        fn no_word_of_what_is_no_json_is_kept_unless_it_is_a_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = format!("{SECRET}\u{0}{}", String::from_utf8_lossy(&bytes));
            prop_assert!(!kept(text.as_bytes()).contains("hunter2"));
        }
    }
}
