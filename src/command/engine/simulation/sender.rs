//! The senders of commands in a simulation.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use jiff::Timestamp;
use ring::hmac;
use secrecy::SecretString;
use serde_json::json;

use crate::{
    command::policy::SIGNATURE_HEADER,
    config::{Secret, SignatureAlgorithm, SignatureConfig, SignatureKeyConfig},
};

/// A sender with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Whose key stays.
    Hr,
    /// Whose key may be removed.
    Portal,
}

impl Sender {
    const fn name(self) -> &'static str {
        match self {
            Self::Hr => "hr",
            Self::Portal => "portal",
        }
    }

    const fn secret(self) -> &'static str {
        match self {
            Self::Hr => "0123456789abcdef0123456789abcdef",
            Self::Portal => "fedcba9876543210fedcba9876543210",
        }
    }

    /// The configuration of required signatures: of all senders, or of those whose key stays.
    pub(super) fn config(has_all: bool) -> SignatureConfig {
        let senders = if has_all { &[Self::Hr, Self::Portal][..] } else { &[Self::Hr] };
        let key = |sender: &Self| SignatureKeyConfig {
            id: sender.name().to_owned(),
            algorithm: SignatureAlgorithm::HmacSha256(Secret::Inline(SecretString::from(sender.secret()))),
            allow: Vec::new(),
            approve: Vec::new(),
        };
        let max_age = std::time::Duration::from_secs(86_400);
        SignatureConfig { required: true, max_age, accept_v1: false, keys: senders.iter().map(key).collect() }
    }

    /// The header with the signature of `payload`.
    pub(super) fn sign(self, at: Timestamp, payload: &[u8]) -> (String, Bytes) {
        let claims = json!({
            "alg": "HS256", "kid": self.name(), "b64": false, "crit": ["b64"], "iat": at.as_second(), "aud": "acme/sim",
        });
        let protected = URL_SAFE_NO_PAD.encode(claims.to_string());
        let signed = [protected.as_bytes(), b".", payload].concat();
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.secret().as_bytes()), &signed);
        let value = format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature));
        (SIGNATURE_HEADER.to_owned(), value.into())
    }
}
