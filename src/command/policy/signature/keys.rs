//! The keys for verifying signatures, as they were last read.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{ED25519, UnparsedPublicKey},
};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::KeyName;
use crate::{
    command::Action,
    config::{
        ActionPattern, KeyError, SignatureAlgorithm, SignatureConfig, SignatureKeyConfig, read_shared_secret,
    },
    telemetry::chain,
};

/// Bytes of the mark by which a key is told from another.
const MARK_BYTES: usize = 12;

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// `EdDSA` with Ed25519 (RFC 8037), which RFC 9864 calls `Ed25519`.
    Ed25519,
    /// `HS256` (RFC 7518, section 3.2).
    HmacSha256,
}

/// All keys, by name.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<String, Arc<Key>>);

/// A key, and what it may ask for.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: KeyName,
    pub(super) verifier: Verifier,
    /// A digest of its material, to see whether it has changed.
    digest: [u8; 32],
    /// Empty: everything that the section allows.
    allow: Vec<ActionPattern>,
    approve: Vec<ActionPattern>,
}

/// What is needed to verify.
pub(super) enum Verifier {
    Ed25519(UnparsedPublicKey<[u8; 32]>),
    HmacSha256(hmac::Key),
}

impl Algorithm {
    /// By the `alg` of a JWS.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "HS256" => Some(Self::HmacSha256),
            _ => None,
        }
    }

    /// The `alg` of a JWS.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            Self::HmacSha256 => "HS256",
        }
    }
}

impl Keys {
    /// Reads the keys that `config` names. Does blocking I/O on small files.
    pub(super) fn read(config: &SignatureConfig) -> Result<Self, KeyError> {
        let key = |named: &SignatureKeyConfig| Ok((named.id.clone(), Arc::new(Key::read(named)?)));
        config.keys.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Reads the keys again; a key that cannot be read keeps its value of `self`.
    pub(super) fn reread(&self, config: &SignatureConfig, commands: &str) -> Self {
        let mut keys = self.0.clone();
        for named in &config.keys {
            match Key::read(named) {
                Ok(key) if keys.get(&named.id).is_some_and(|known| known.digest == key.digest) => {}
                Ok(key) => {
                    tracing::info!(commands, key = named.id, "a key of signatures has been exchanged");
                    keys.insert(named.id.clone(), Arc::new(key));
                }
                Err(err) => tracing::error!(
                    commands,
                    key = named.id,
                    error = chain(&err),
                    "a signature key cannot be read again: the old one stays in use"
                ),
            }
        }
        Self(keys)
    }

    /// Pairs of names for the same key.
    pub(super) fn twins(&self) -> Vec<(KeyName, KeyName)> {
        let keys: Vec<_> = self.0.values().collect();
        let pairs = keys
            .iter()
            .enumerate()
            .flat_map(|(at, first)| keys[at + 1..].iter().map(move |second| (first, second)));
        let twins = pairs.filter(|(first, second)| first.is_other_name_of(second));
        twins.map(|(first, second)| (first.name.clone(), second.name.clone())).collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Key>> {
        self.0.get(name).cloned()
    }
}

impl Key {
    fn read(named: &SignatureKeyConfig) -> Result<Self, KeyError> {
        let (verifier, digest) = match &named.algorithm {
            SignatureAlgorithm::Ed25519(public) => {
                let public = public.read()?;
                (Verifier::Ed25519(UnparsedPublicKey::new(&ED25519, public)), Sha256::digest(public).into())
            }
            SignatureAlgorithm::HmacSha256(secret) => {
                let secret = read_shared_secret(secret)?;
                let bytes = secret.expose_secret().as_bytes();
                (Verifier::HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, bytes)), digest_of_secret(bytes))
            }
        };
        let (name, allow) = (KeyName(named.id.clone()), named.allow.clone());
        Ok(Self { name, verifier, digest, allow, approve: named.approve.clone() })
    }

    /// Whether it may approve commands of others for `action`.
    pub(super) fn approves(&self, action: Action) -> bool {
        self.approve.iter().any(|pattern| pattern.matches(action))
    }

    /// Whether it may approve anything.
    pub(super) fn is_approver(&self) -> bool {
        !self.approve.is_empty()
    }

    /// Whether it is the same key, possibly under another name.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name || self.digest == other.digest
    }

    /// What tells it from another key, and nothing else of it: not even what a secret could be guessed by faster.
    pub(super) fn mark(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"oktabus key mark\0");
        digest.update(self.digest);
        URL_SAFE_NO_PAD.encode(&digest.finalize()[..MARK_BYTES])
    }

    /// Whether this is the same key under the same name.
    pub(super) fn is_exactly(&self, other: &Self) -> bool {
        self.name == other.name && self.digest == other.digest
    }

    /// Whether it is the same key under another name.
    pub(super) fn is_other_name_of(&self, other: &Self) -> bool {
        self.name != other.name && self.digest == other.digest
    }

    /// Whether it may ask for `action`.
    pub(super) fn allows(&self, action: Action) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.allows(action))
    }
}

impl Verifier {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::HmacSha256(_) => Algorithm::HmacSha256,
        }
    }

    /// Whether `signature` is a signature of `signed` by this key.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => key.verify(signed, signature).is_ok(),
            // Compares in constant time.
            Self::HmacSha256(key) => hmac::verify(key, signed, signature).is_ok(),
        }
    }
}

/// Of a shared secret as HMAC-SHA-256 uses it (RFC 2104): one that is shorter than a block is the same with zeros behind it.
fn digest_of_secret(secret: &[u8]) -> [u8; 32] {
    const BLOCK_BYTES: usize = 64;
    let zeros = [0; BLOCK_BYTES];
    let mut digest = Sha256::new();
    digest.update(secret);
    digest.update(&zeros[secret.len().min(BLOCK_BYTES)..]);
    digest.finalize().into()
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.algorithm().name())
    }
}
