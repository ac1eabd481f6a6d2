//! A digest of what a command asks for, by which a copy is told from another command that has the same id.

use std::{fmt, num::NonZeroU32};

use ring::{
    digest,
    pbkdf2::{self, PBKDF2_HMAC_SHA256},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// How much a guess at a secret costs: some 20 ms, and so much for each command that has one.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(99_999);

/// SHA-256 of what a command asks for, by PBKDF2 if there is a secret in it: everything it says, in an order and a spelling of
/// its own, whatever the white space, the order of names, the headers and the CloudEvent around it. In hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({})", self.0)
    }
}

/// What a command asks for. May have secrets in it, and so is neither shown nor kept.
pub(super) struct Asked(Vec<u8>);

impl Asked {
    /// The members of a command but its id, those that say nothing left out.
    pub(super) fn of(command: &Map<String, Value>) -> Self {
        let is_said = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Object(members) => !members.is_empty(),
            _ => true,
        };
        let mut canonical = Vec::new();
        for (name, value) in sorted(command) {
            if name != "id" && is_said(value) {
                push_text(name, &mut canonical);
                push(value, &mut canonical);
            }
        }
        Self(canonical)
    }

    /// The digest; `id` makes it of no use to look secrets up in a table. The journal keeps it, and a password may be easy
    /// to guess: of a command that `has_secret`, each guess is made to cost.
    pub(super) fn fingerprint(&self, id: &str, has_secret: bool) -> Fingerprint {
        if has_secret {
            let mut digest = [0; digest::SHA256_OUTPUT_LEN];
            pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, id.as_bytes(), &self.0, &mut digest);
            return Fingerprint(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        let mut digest = Sha256::new();
        digest.update((id.len() as u64).to_be_bytes());
        digest.update(id);
        digest.update(&self.0);
        Fingerprint(format!("{:x}", digest.finalize()))
    }
}

/// By name, however the map is ordered.
fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

/// Writes `value` so that two values give the same bytes only if they are the same.
fn push(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
        Value::Number(number) => {
            out.push(b'd');
            push_text(&number.to_string(), out);
        }
        Value::String(text) => {
            out.push(b's');
            push_text(text, out);
        }
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                push(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (name, value) in sorted(members) {
                out.push(b'k');
                push_text(name, out);
                push(value, out);
            }
            out.push(b'}');
        }
    }
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
