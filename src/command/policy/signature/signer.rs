//! Signs commands in the form that is verified here: a detached JWS with key, time and audience. Does blocking I/O on
//! the signer's small file; sends nothing.

use std::path::Path;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use okta_client::pem;
use ring::{hmac, signature::Ed25519KeyPair};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{KeyName, SIGNATURE_HEADER, Signatures, audience, keys::Algorithm};
use crate::{
    command::{Action, OutcomeError},
    config::{
        ActionPattern, CommandsConfig, KeyError, Secret, SecretError, SignatureAlgorithm, SignatureKeyConfig,
    },
};

/// A signer: one of the configured keys, with its private part.
#[derive(Debug)]
pub struct Signer {
    key: KeyName,
    audience: String,
    with: SigningKey,
    /// Empty: everything that the section allows.
    allow: Vec<ActionPattern>,
    /// Whether it may approve anything.
    approves: bool,
}

/// What is needed to sign.
#[derive(Debug)]
enum SigningKey {
    Ed25519(Box<Ed25519KeyPair>),
    HmacSha256(hmac::Key),
}

/// Why a file cannot be used to sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The signer's file cannot be read, or others may read it.
    #[error("nothing can be signed")]
    Unreadable(#[from] SecretError),
    /// A configured key cannot be read, so it is unknown whether the signer's key belongs to it.
    #[error("nothing can be signed, since the keys of `signature.keys` cannot be read")]
    Keys(#[from] KeyError),
    /// The section has no keys.
    #[error("the commands `{0}` have no `signature.keys`: nobody would verify the signature")]
    NoKeys(String),
    /// The named key is not one of the section.
    #[error("the commands `{commands}` have no key `{given}`: `signature.keys` has {known}")]
    UnknownKey {
        /// The name of the section.
        commands: String,
        /// The name that was given.
        given: String,
        /// The names of the section's keys.
        known: String,
    },
    /// The key in the file is none of the candidates.
    #[error(
        "what {file} has is not the signing half of {keys}: it must be the private key of Ed25519 in PEM (PKCS#8), \
         unencrypted, or the shared secret"
    )]
    NotTheKey {
        /// The file.
        file: String,
        /// The candidates.
        keys: String,
    },
}

impl Signer {
    /// The signer whose private key or shared secret is in `file`, for the section of `config`: under the name `key`,
    /// or under the first matching name in `signature.keys`. Verifies one signature, so that a wrong file is reported
    /// before anything is sent.
    pub fn read(config: &CommandsConfig, file: &Path, key: Option<&str>) -> Result<Self, SignerError> {
        let known = config.signature.as_ref().map(|signature| &*signature.keys).unwrap_or_default();
        if known.is_empty() {
            return Err(SignerError::NoKeys(config.name.clone()));
        }
        let wanted: Vec<_> = known.iter().filter(|known| key.is_none_or(|key| known.id == key)).collect();
        if wanted.is_empty() {
            return Err(SignerError::UnknownKey {
                commands: config.name.clone(),
                given: key.unwrap_or_default().to_owned(),
                known: listed(known.iter()),
            });
        }
        let signatures = Signatures::read(config)?;
        let secret = Secret::File(file.to_owned());
        let text = secret.read()?;
        let fitting = wanted.iter().find_map(|named| {
            let signer = Self::of(config, named, text.expose_secret())?;
            signer.is_verified_by(&signatures).then_some(signer)
        });
        fitting.ok_or_else(|| SignerError::NotTheKey {
            file: secret.to_string(),
            keys: listed(wanted.iter().copied()),
        })
    }

    fn of(config: &CommandsConfig, named: &SignatureKeyConfig, text: &str) -> Option<Self> {
        let with = match &named.algorithm {
            SignatureAlgorithm::Ed25519(_) => SigningKey::Ed25519(Box::new(private_key(text)?)),
            SignatureAlgorithm::HmacSha256(_) => {
                SigningKey::HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
            }
        };
        let (key, allow) = (KeyName(named.id.clone()), named.allow.clone());
        Some(Self { key, audience: audience(config), with, allow, approves: !named.approve.is_empty() })
    }

    fn is_verified_by(&self, signatures: &Signatures) -> bool {
        let header = (SIGNATURE_HEADER.to_owned(), self.sign(b"{}", Timestamp::now()).into());
        signatures.verify(b"{}", &vec![header]).is_ok()
    }

    /// Fails if the key's own `allow` excludes `action`.
    pub fn require_allowed(&self, action: Action) -> Result<(), OutcomeError> {
        let is_allowed = self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.allows(action));
        if is_allowed { Ok(()) } else { Err(super::refusals::not_allowed_to_key(action, &self.key)) }
    }

    /// Fails if the key may not approve anything.
    pub fn require_approver(&self) -> Result<(), OutcomeError> {
        if self.approves { Ok(()) } else { Err(super::refusals::no_approver(&self.key)) }
    }

    /// The value of the header [`SIGNATURE_HEADER`] for a message with these bytes that is signed at `now`.
    pub fn sign(&self, payload: &[u8], now: Timestamp) -> String {
        let claims = json!({
            "alg": self.with.algorithm().name(),
            "kid": self.key.as_str(),
            "b64": false,
            "crit": ["b64"],
            "iat": now.as_second(),
            "aud": self.audience,
        });
        let protected = URL_SAFE_NO_PAD.encode(claims.to_string());
        let signature = self.with.sign(&[protected.as_bytes(), b".", payload].concat());
        format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl SigningKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::HmacSha256(_) => Algorithm::HmacSha256,
        }
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(signed).as_ref().to_vec(),
            Self::HmacSha256(key) => hmac::sign(key, signed).as_ref().to_vec(),
        }
    }
}

/// The private key in PEM. OpenSSL writes it without its public part.
fn private_key(text: &str) -> Option<Ed25519KeyPair> {
    let section = pem::sections(text).into_iter().find(|section| section.label == "PRIVATE KEY")?;
    let der = STANDARD.decode(section.body.expose_secret()).ok()?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()
}

fn listed<'a>(keys: impl Iterator<Item = &'a SignatureKeyConfig>) -> String {
    keys.map(|key| format!("`{}`", key.id)).collect::<Vec<_>>().join(", ")
}
