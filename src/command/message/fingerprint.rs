//! A digest of what a command asks for, by which a copy is told from another command that has the same id.
//!
//! The journal keeps it, and so do exports. A password may be easy to guess, and a digest of it could be tried against a
//! dictionary: what is secret is digested with a key that is not in the state, made from the org's own credential.

use std::fmt;

use ring::hmac;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::command::Subjects;

/// How what is kept begins, by the way in which it was digested. What has none was digested in the first way, before there
/// were several: a second way will have to go on comparing what the first has kept.
const FIRST_WAY: &str = "v1:";
/// What keys are made for, so that they are of no use for anything else.
const PURPOSE: &[u8] = b"oktabus: fingerprints of commands, 1";

/// What the secrets of commands are digested with.
pub struct FingerprintKey {
    key: hmac::Key,
    /// By which it is known whether a digest was made with it.
    id: String,
}

impl FingerprintKey {
    /// The key that goes with `credential`: whoever has that needs no guesses.
    pub fn from_credential(credential: &SecretString) -> Self {
        let credential = hmac::Key::new(hmac::HMAC_SHA256, credential.expose_secret().as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&credential, PURPOSE).as_ref());
        let id = hex(&hmac::sign(&key, b"id").as_ref()[..4]);
        Self { key, id }
    }

    /// A digest of a message that is no command, in place of a fingerprint.
    pub fn digest(&self, payload: &[u8]) -> String {
        format!("unreadable.{}", hex(hmac::sign(&self.key, payload).as_ref()))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FingerprintKey({})", self.id)
    }
}

/// What a command asks for, to be compared: everything it says, in an order and a spelling of its own, whatever the white
/// space, the order of names, the headers and the CloudEvent around it.
#[derive(Clone)]
pub struct Fingerprint {
    /// SHA-256 of what is not secret, in hexadecimal.
    open: String,
    /// What is secret, if anything is.
    secret: Option<SecretSlice<u8>>,
}

impl Fingerprint {
    /// Of a command with this id: its members but the id, those that say nothing left out. `secrets_of` are its parameters
    /// whose values are secrets.
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

    /// Whether there is something secret in it.
    pub fn has_secrets(&self) -> bool {
        self.secret.is_some()
    }

    /// What the journal keeps: the way of digesting, the digest of what is open, and with secrets the key's id and their digest.
    pub fn to_kept(&self, key: &FingerprintKey) -> String {
        match self.sealed(key) {
            Some(sealed) => format!("{FIRST_WAY}{}.{}.{sealed}", self.open, key.id),
            None => format!("{FIRST_WAY}{}", self.open),
        }
    }

    /// Whether it is that of the command of which the journal keeps `kept`. What is secret cannot be compared once the
    /// credential has been exchanged: then what is open decides.
    pub fn is_kept(&self, kept: &str, key: &FingerprintKey) -> bool {
        let mut parts = kept.strip_prefix(FIRST_WAY).unwrap_or(kept).split('.');
        let (open, id, sealed) = (parts.next(), parts.next(), parts.next());
        if open != Some(&self.open) || id.is_some() != self.secret.is_some() {
            return false;
        }
        id != Some(&key.id) || sealed == self.sealed(key).as_deref()
    }

    /// The same of what is no secret alone.
    pub fn is_openly(&self, kept: &str) -> bool {
        let mut parts = kept.strip_prefix(FIRST_WAY).unwrap_or(kept).split('.');
        parts.next() == Some(&self.open) && parts.next().is_some() == self.secret.is_some()
    }

    /// The same of what nobody vouches for: what is secret must be equal, and cannot be compared with another key.
    pub fn is_exactly(&self, kept: &str, key: &FingerprintKey) -> bool {
        let id = kept.strip_prefix(FIRST_WAY).unwrap_or(kept).split('.').nth(1);
        self.is_kept(kept, key) && id.is_none_or(|id| id == key.id)
    }

    /// The open digest goes with it, so that equal passwords of two commands cannot be told.
    fn sealed(&self, key: &FingerprintKey) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let mut signing = hmac::Context::with_key(&key.key);
        signing.update(self.open.as_bytes());
        signing.update(secret.expose_secret());
        Some(hex(signing.sign().as_ref()))
    }
}

/// What a second key approves: the command of which the journal keeps `kept`, and those whom it is about by their ids, since
/// names may mean others by the time it is carried out.
pub fn of_approval(kept: &str, subjects: &Subjects) -> String {
    let users: Vec<_> = subjects.users.iter().map(|user| &user.id).collect();
    let groups: Vec<_> = subjects.groups.iter().map(|group| &group.id).collect();
    let zone = subjects.zone.as_ref().map(|zone| &zone.id);
    let all = json!([kept, users, groups, subjects.app, zone]);
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

/// The members that say something.
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
