//! Who signed a message, judged only by its bytes and headers, before it is decoded.
//!
//! The header `oktabus-signature` is a detached JWS (RFC 7515, appendix F, with the payload unencoded as in RFC 7797)
//! whose protected header names key, time and audience. Pure except for [`Signatures::read`], [`Signatures::reload`]
//! and [`Signer::read`].

mod jws;
mod keys;
mod refusals;
mod signer;
mod v1;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;

use self::{
    jws::Jws,
    keys::{Key, Keys},
    v1::V1,
};
use crate::{
    command::{
        Action, OutcomeError,
        message::{Command, Headers},
    },
    config::{CommandsConfig, KeyError, SignatureConfig},
};

pub use signer::{Signer, SignerError};

/// The header that a signature is in.
pub const SIGNATURE_HEADER: &str = "oktabus-signature";

/// The name of a key, which the audit records.
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

/// The signatures that a section accepts.
#[derive(Debug)]
pub struct Signatures {
    commands: String,
    /// The audience of valid signatures.
    audience: String,
    config: Option<SignatureConfig>,
    keys: RwLock<Arc<Keys>>,
}

/// A message that may be decoded: its signature is valid, or it needs none.
#[derive(Debug, Clone)]
pub struct Verified {
    signed: Option<Signed>,
    /// Whether an id that only the transport says is refused.
    must_cover_id: bool,
}

#[derive(Debug, Clone)]
struct Signed {
    key: Arc<Key>,
    at: Timestamp,
    max_age: Duration,
}

/// Why a message is not accepted. Nothing in it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedSignature {
    /// The reason, for an outcome.
    pub error: OutcomeError,
    /// The key that the message claims to be signed with, if the section has it.
    pub claimed_key: Option<KeyName>,
}

/// The audience of valid signatures: `<org>/<section>`, both by their names in the configuration.
pub fn audience(config: &CommandsConfig) -> String {
    format!("{}/{}", config.org, config.name)
}

impl Signatures {
    /// The signatures that `config` accepts, with its keys as they are now. Does blocking I/O on small files.
    pub fn read(config: &CommandsConfig) -> Result<Self, KeyError> {
        let keys = config.signature.as_ref().map(Keys::read).transpose()?.unwrap_or_default();
        Ok(Self {
            commands: config.name.clone(),
            audience: audience(config),
            config: config.signature.clone(),
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// Reads all keys again. A key that cannot be read keeps its value. Changes and failures are logged. Does blocking
    /// I/O on small files.
    pub fn reload(&self) {
        let Some(config) = &self.config else { return };
        let keys = self.keys().reread(config, &self.commands);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Whether the message may be decoded, and who signed it. Reads only bytes and headers, so that nothing of an
    /// untrusted message is decoded. Does not check the age of the signature: see [`Verified::require_fresh`].
    pub fn verify(&self, payload: &[u8], headers: &Headers) -> Result<Verified, RejectedSignature> {
        let mut values = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(SIGNATURE_HEADER))
            .map(|(_, value)| value);
        let required = self.config.as_ref().is_some_and(|config| config.required);
        let value = match (values.next(), values.next()) {
            (None, _) if required => return Err(refusals::missing(&self.audience).into()),
            (None, _) => return Ok(Verified::unsigned()),
            (Some(value), None) => str::from_utf8(value),
            (Some(_), Some(_)) => return Err(refusals::malformed("the header stands twice").into()),
        };
        let value = value.map_err(|_| RejectedSignature::from(refusals::malformed("it is not text")))?;
        let signed = if v1::is_v1(value) { self.by_v1(value, payload) } else { self.by_jws(value, payload) }?;
        Ok(Verified { signed: Some(signed), must_cover_id: required })
    }

    /// Whether the key `approver` may approve a command for `action` that the key `sender` has signed: it must be
    /// another key, not only another name. Fails if the keys can no longer be compared.
    pub fn require_approver(
        &self,
        approver: &KeyName,
        sender: &str,
        action: Action,
    ) -> Result<(), OutcomeError> {
        let keys = self.keys();
        let (Some(by), Some(of)) = (keys.find(approver.as_str()), keys.find(sender)) else {
            return Err(refusals::unknown_key());
        };
        if by.is_same(&of) {
            return Err(refusals::same_key(approver));
        }
        if by.approves(action) { Ok(()) } else { Err(refusals::not_approved_by(action, approver)) }
    }

    /// Fails if the key of `verified` was removed since.
    pub fn require_current(&self, verified: &Verified) -> Result<(), OutcomeError> {
        let Some(Signed { key, .. }) = &verified.signed else { return Ok(()) };
        let is_current = self.keys().find(key.name.as_str()).is_some_and(|now| now.is_exactly(key));
        if is_current { Ok(()) } else { Err(refusals::unknown_key()) }
    }

    /// Pairs of names for the same key: its holder cannot approve under one name what was asked for under the other.
    pub fn twins(&self) -> Vec<(KeyName, KeyName)> {
        self.keys().twins()
    }

    /// Whether what the key `name` has approved still counts, if it was the one of this [mark](Self::mark) then.
    pub fn may_approve(&self, name: &str, mark: Option<&str>, action: Action) -> bool {
        let is_it = |key: &Key| mark.is_none_or(|mark| key.mark() == mark);
        self.keys().find(name).is_some_and(|key| key.approves(action) && is_it(&key))
    }

    /// What tells the key `name` from another one of that name, and nothing else of it.
    pub fn mark(&self, name: &str) -> Option<String> {
        self.keys().find(name).map(|key| key.mark())
    }

    fn by_jws(&self, value: &str, payload: &[u8]) -> Result<Signed, RejectedSignature> {
        let jws = Jws::parse(value).map_err(refusals::malformed)?;
        let key = self.key(&jws.header.key)?;
        let claimed = |error| RejectedSignature { error, claimed_key: Some(key.name.clone()) };
        if key.verifier.algorithm() != jws.header.algorithm {
            return Err(claimed(refusals::another_algorithm(key.verifier.algorithm().name())));
        }
        if !key.verifier.verifies(&jws.signing_input(payload), &jws.signature) {
            return Err(claimed(refusals::bad()));
        }
        if !jws.header.audience.contains(&self.audience) {
            return Err(claimed(refusals::wrong_audience(&self.audience)));
        }
        Ok(self.signed(&key, jws.header.signed_at))
    }

    fn by_v1(&self, value: &str, payload: &[u8]) -> Result<Signed, RejectedSignature> {
        if !self.config.as_ref().is_some_and(|config| config.accept_v1) {
            return Err(refusals::v1().into());
        }
        let signature = V1::parse(value).ok_or_else(|| refusals::malformed("it is not of the form `v1`"))?;
        let key = self.key(signature.key)?;
        if !key.verifier.verifies(&signature.signing_input(payload), &signature.bytes) {
            return Err(RejectedSignature { error: refusals::bad(), claimed_key: Some(key.name.clone()) });
        }
        Ok(self.signed(&key, signature.at))
    }

    fn key(&self, name: &str) -> Result<Arc<Key>, RejectedSignature> {
        self.keys().find(name).ok_or_else(|| refusals::unknown_key().into())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn signed(&self, key: &Arc<Key>, at: Timestamp) -> Signed {
        let max_age = self.config.as_ref().map(|config| config.max_age).unwrap_or_default();
        Signed { key: Arc::clone(key), at, max_age }
    }
}

impl Verified {
    /// A message that needs no signature, such as one from the control socket.
    pub fn unsigned() -> Self {
        Self { signed: None, must_cover_id: false }
    }

    /// The key of the signature, if there is one.
    pub fn key(&self) -> Option<&KeyName> {
        self.signed.as_ref().map(|signed| &signed.key.name)
    }

    /// Fails unless the signature's time is near `received_at`, when the first copy arrived. Signatures grow old while
    /// commands wait: the age of a later copy does not matter.
    pub fn require_fresh(&self, received_at: Timestamp) -> Result<(), OutcomeError> {
        let Some(signed) = &self.signed else { return Ok(()) };
        refusals::require_fresh(signed.at, signed.max_age, received_at)
    }

    /// Fails unless the signature covers the id of `command`, which was decoded from the signed bytes.
    pub fn require_covers(&self, command: &Command) -> Result<(), OutcomeError> {
        self.require_covers_id(command.is_id_in_payload)
    }

    /// Like [`Self::require_covers`], for any message: says whether its payload has its id.
    pub fn require_covers_id(&self, is_id_in_payload: bool) -> Result<(), OutcomeError> {
        if self.must_cover_id && !is_id_in_payload { Err(refusals::unsigned_id()) } else { Ok(()) }
    }

    /// Fails if there is a key that may not approve anything.
    pub fn require_approver(&self) -> Result<(), OutcomeError> {
        match &self.signed {
            Some(signed) if !signed.key.is_approver() => Err(refusals::no_approver(&signed.key.name)),
            _ => Ok(()),
        }
    }

    /// Fails if the key may not ask for `command`.
    pub fn require_allowed(&self, command: &Command) -> Result<(), OutcomeError> {
        let action = command.request.action();
        match &self.signed {
            Some(signed) if !signed.key.allows(action) => {
                Err(refusals::not_allowed_to_key(action, &signed.key.name))
            }
            _ => Ok(()),
        }
    }
}

impl From<OutcomeError> for RejectedSignature {
    fn from(error: OutcomeError) -> Self {
        Self { error, claimed_key: None }
    }
}

#[cfg(test)]
mod tests;
