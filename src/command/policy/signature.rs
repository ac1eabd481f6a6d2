//! Signatures of commands: the header `oktabus-signature: v1;key=<id>;t=<unix seconds>;sig=<base64url>` over `t`, a dot and
//! the payload byte for byte.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::{
    hmac,
    signature::{ED25519, UnparsedPublicKey},
};
use secrecy::ExposeSecret as _;

use super::refusal;
use crate::{
    command::{OutcomeError, message::Headers},
    config::{SIGNED_AHEAD_MAX, SecretError, SignatureAlgorithm, SignatureConfig},
};

/// The header that a signature is in.
pub const SIGNATURE_HEADER: &str = "oktabus-signature";
const VERSION: &str = "v1";

/// The name of a key, by which the audit tells who signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Whose it is.
    pub key: KeyName,
    /// When it was made, as it says.
    pub at: Timestamp,
}

/// The keys that signatures are verified with.
#[derive(Debug, Default)]
pub struct Keys {
    max_age: Duration,
    keys: BTreeMap<String, Key>,
}

enum Key {
    Ed25519(UnparsedPublicKey<Vec<u8>>),
    HmacSha256(hmac::Key),
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ed25519(_) => "Ed25519",
            Self::HmacSha256(_) => "HmacSha256",
        })
    }
}

impl Keys {
    /// Reads the keys that `config` names; none without one. Does blocking I/O on small files.
    pub fn read(config: Option<&SignatureConfig>) -> Result<Self, SecretError> {
        let Some(config) = config else { return Ok(Self::default()) };
        let mut keys = BTreeMap::new();
        for named in &config.keys {
            let key = match &named.algorithm {
                SignatureAlgorithm::Ed25519(public) => {
                    Key::Ed25519(UnparsedPublicKey::new(&ED25519, public.to_vec()))
                }
                SignatureAlgorithm::HmacSha256(secret) => {
                    let secret = secret.read()?;
                    Key::HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()))
                }
            };
            keys.insert(named.id.clone(), key);
        }
        Ok(Self { max_age: config.max_age, keys })
    }

    /// The key that `payload` was signed with, if it is signed at all. A signature that cannot be verified is an error
    /// even where none is required.
    pub(super) fn verify(&self, payload: &[u8], headers: &Headers) -> Result<Option<Signed>, OutcomeError> {
        let mut values = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(SIGNATURE_HEADER))
            .map(|(_, value)| value);
        let signature = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => std::str::from_utf8(value).ok().and_then(Signature::parse),
            (Some(_), Some(_)) => None,
        };
        let signature = signature.ok_or_else(malformed)?;
        let key = self.keys.get(signature.key).ok_or_else(unknown_key)?;
        let signed = [signature.time.as_bytes(), b".", payload].concat();
        let is_good = match key {
            Key::Ed25519(key) => key.verify(&signed, &signature.bytes).is_ok(),
            // Compares in constant time.
            Key::HmacSha256(key) => hmac::verify(key, &signed, &signature.bytes).is_ok(),
        };
        if !is_good {
            return Err(bad());
        }
        Ok(Some(Signed { key: KeyName(signature.key.to_owned()), at: signature.at }))
    }

    /// Whether a signature is not too old at `now`, and not of the future.
    pub(super) fn require_fresh(&self, signed: &Signed, now: Timestamp) -> Result<(), OutcomeError> {
        require_fresh(signed.at, self.max_age, now)
    }
}

struct Signature<'a> {
    key: &'a str,
    /// As it is written, and so signed.
    time: &'a str,
    at: Timestamp,
    bytes: Vec<u8>,
}

impl<'a> Signature<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.split(';').map(str::trim);
        if parts.next()? != VERSION {
            return None;
        }
        let key = parts.next()?.strip_prefix("key=")?;
        let time = parts.next()?.strip_prefix("t=")?;
        let encoded = parts.next()?.strip_prefix("sig=")?;
        if parts.next().is_some() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let at = Timestamp::from_second(time.parse().ok()?).ok()?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
        Some(Self { key, time, at, bytes })
    }
}

fn require_fresh(at: Timestamp, max_age: Duration, now: Timestamp) -> Result<(), OutcomeError> {
    let age = now.duration_since(at);
    if age > jiff::SignedDuration::try_from(max_age).unwrap_or(jiff::SignedDuration::MAX) {
        let message = format!("the signature is of {at}, which is too long ago");
        let remedy = "sign it anew with the same `id`, or raise `signature.max_age` if the queue is slow";
        return Err(refusal("signature_too_old", &message, remedy));
    }
    if age < -jiff::SignedDuration::try_from(SIGNED_AHEAD_MAX).unwrap_or(jiff::SignedDuration::ZERO) {
        let message = format!("the signature is of {at}, which is yet to come");
        return Err(refusal("signature_in_future", &message, "set the signer's clock"));
    }
    Ok(())
}

pub(super) fn missing() -> OutcomeError {
    let remedy = "sign it: the documentation of commands says how";
    refusal("not_signed", "the message has no signature, and one is required", remedy)
}

fn malformed() -> OutcomeError {
    let message = format!("the header `{SIGNATURE_HEADER}` is no signature, or stands twice");
    refusal("bad_signature", &message, "it must be `v1;key=<id>;t=<unix seconds>;sig=<base64url>`")
}

fn unknown_key() -> OutcomeError {
    let remedy = "name one of `signature.keys`";
    refusal("bad_signature", "the key that the signature names is not known here", remedy)
}

fn bad() -> OutcomeError {
    let remedy = "sign `t`, a dot and the payload byte for byte, with the key that `key` names";
    refusal("bad_signature", "the signature does not fit the payload", remedy)
}
