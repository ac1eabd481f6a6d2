//! A digest of what a command asks for, which tells a copy from another command with the same id.
//!
//! The journal and exports have it. A password may be easy to guess, and a plain digest could be tried against a
//! dictionary: secrets are digested with a key that is not in the state, derived from the org's credential.

use std::fmt;

use ring::hmac;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::command::Subjects;

/// The prefix of a saved digest, by its method. A digest without one was made by the first method, before there were
/// several: a second method must still compare digests of the first.
const FIRST_WAY: &str = "v1:";
/// The purpose of the derived key, so that it is of no use elsewhere.
const PURPOSE: &[u8] = b"oktabus: fingerprints of commands, 1";

/// The key for digests of secrets.
pub struct FingerprintKey {
    key: hmac::Key,
    /// Identifies the key with which a digest was made.
    id: String,
}

impl FingerprintKey {
    /// The key for `credential`: whoever has the credential has no need to guess.
    pub fn from_credential(credential: &SecretString) -> Self {
        let credential = hmac::Key::new(hmac::HMAC_SHA256, credential.expose_secret().as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&credential, PURPOSE).as_ref());
        let id = hex(&hmac::sign(&key, b"id").as_ref()[..4]);
        Self { key, id }
    }

    /// A digest of a message that is not a command.
    pub fn digest(&self, payload: &[u8]) -> String {
        format!("unreadable.{}", hex(hmac::sign(&self.key, payload).as_ref()))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FingerprintKey({})", self.id)
    }
}

/// The content of a command, for comparison: in a canonical form, independent of white space, the order of names,
/// headers and the CloudEvent around it.
#[derive(Clone)]
pub struct Fingerprint {
    /// SHA-256 of what is not secret, in hexadecimal.
    open: String,
    /// The secrets, if there are any.
    secret: Option<SecretSlice<u8>>,
}

impl Fingerprint {
    /// Of a command with this id: its members without the id and without empty ones. `secrets_of` are its secret
    /// parameters.
    pub(super) fn of(id: &str, command: &Map<String, Value>, secrets_of: &[&str]) -> Self {
        let mut secrets = Map::new();
        let mut open = command.clone();
        if let Some(Value::Object(parameters)) = open.get_mut("parameters") {
            for name in secrets_of {
                secrets.extend(parameters.remove(*name).map(|value| ((*name).to_owned(), value)));
            }
        }
        let mut digest = Sha256::new();
        digest.update((id.len() as u64).to_be_bytes());
        digest.update(id);
        digest.update(canonical(&open));
        let open = hex(&digest.finalize());
        let secret = canonical(&secrets);
        let is_any = !secret.is_empty();
        Self { open, secret: is_any.then(|| secret.into()) }
    }

    /// Whether it has secrets.
    pub fn has_secrets(&self) -> bool {
        self.secret.is_some()
    }

    /// What the journal saves: the method, the digest of what is not secret, and for secrets the id of the key and
    /// their digest.
    pub fn to_saved(&self, key: &FingerprintKey) -> String {
        match self.sealed(key) {
            Some(sealed) => format!("{FIRST_WAY}{}.{}.{sealed}", self.open, key.id),
            None => format!("{FIRST_WAY}{}", self.open),
        }
    }

    /// Whether it belongs to the command whose saved fingerprint is `saved`. After the credential was rotated, secrets
    /// cannot be compared, and the rest decides.
    pub fn matches(&self, saved: &str, key: &FingerprintKey) -> bool {
        let mut parts = saved.strip_prefix(FIRST_WAY).unwrap_or(saved).split('.');
        let (open, id, sealed) = (parts.next(), parts.next(), parts.next());
        if open != Some(&self.open) || id.is_some() != self.secret.is_some() {
            return false;
        }
        id != Some(&key.id) || sealed == self.sealed(key).as_deref()
    }

    /// Like [`Self::matches`], without the secrets.
    pub fn matches_open(&self, saved: &str) -> bool {
        let mut parts = saved.strip_prefix(FIRST_WAY).unwrap_or(saved).split('.');
        parts.next() == Some(&self.open) && parts.next().is_some() == self.secret.is_some()
    }

    /// Like [`Self::matches`], for unauthenticated messages: secrets must be equal, and cannot be compared with another
    /// key.
    pub fn matches_exactly(&self, saved: &str, key: &FingerprintKey) -> bool {
        let id = saved.strip_prefix(FIRST_WAY).unwrap_or(saved).split('.').nth(1);
        self.matches(saved, key) && id.is_none_or(|id| id == key.id)
    }

    /// The digest includes the open one, so that equal passwords in two commands cannot be recognised.
    fn sealed(&self, key: &FingerprintKey) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let mut signing = hmac::Context::with_key(&key.key);
        signing.update(self.open.as_bytes());
        signing.update(secret.expose_secret());
        Some(hex(signing.sign().as_ref()))
    }
}

/// What a second key approves: the command whose saved fingerprint is `saved`, and the ids of its subjects, since names
/// may mean others when it is executed.
pub fn of_approval(saved: &str, subjects: &Subjects) -> String {
    let users: Vec<_> = subjects.users.iter().map(|user| &user.id).collect();
    let groups: Vec<_> = subjects.groups.iter().map(|group| &group.id).collect();
    let zone = subjects.zone.as_ref().map(|zone| &zone.id);
    let all = json!([saved, users, groups, subjects.app, zone]);
    format!("{FIRST_WAY}{}", hex(&Sha256::digest(all.to_string())))
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({})", self.open)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The members that are not empty.
fn canonical(members: &Map<String, Value>) -> Vec<u8> {
    let is_said = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    let mut canonical = Vec::new();
    for (name, value) in sorted(members) {
        if name != "id" && is_said(value) {
            push_text(name, &mut canonical);
            push(value, &mut canonical);
        }
    }
    canonical
}

/// Sorted by name.
fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

/// Writes `value` in a form that is the same only for equal values.
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
