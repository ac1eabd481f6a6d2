//! Who signed a message, judged by its bytes and headers alone, before anything is decoded.
//!
//! The header `oktabus-signature` is a detached JWS (RFC 7515, appendix F, with the payload unencoded as in RFC 7797) whose
//! protected header names key, time and audience. Pure but for [`Signatures::read`],
//! [`Signatures::reload`] and [`Signer::read`].

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

/// The signatures that the commands of one name take.
#[derive(Debug)]
pub struct Signatures {
    commands: String,
    /// What a signature must be meant for.
    audience: String,
    config: Option<SignatureConfig>,
    keys: RwLock<Arc<Keys>>,
}

/// A message that may be decoded: it is signed well, or need not be signed.
#[derive(Debug, Clone)]
pub struct Verified {
    signed: Option<Signed>,
    /// Whether what only the transport says is not believed.
    must_cover_id: bool,
}

#[derive(Debug, Clone)]
struct Signed {
    key: Arc<Key>,
    at: Timestamp,
    max_age: Duration,
}

/// Why a message is not let in. Nothing that it says may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedSignature {
    /// The reason, for an outcome.
    pub error: OutcomeError,
    /// The key that the message claims to be signed with, if that is one of ours.
    pub claimed_key: Option<KeyName>,
}

/// What a signature must be meant for: `<org>/<name of the commands>`, both as the configuration names them.
pub fn audience(config: &CommandsConfig) -> String {
    format!("{}/{}", config.org, config.name)
}

impl Signatures {
    /// Those that `config` wants, with its keys as they stand now. Does blocking I/O on small files.
    pub fn read(config: &CommandsConfig) -> Result<Self, KeyError> {
        let keys = config.signature.as_ref().map(Keys::read).transpose()?.unwrap_or_default();
        Ok(Self {
            commands: config.name.clone(),
            audience: audience(config),
            config: config.signature.clone(),
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// Reads all keys again. One that cannot be read stays as it was. What has changed, and what cannot be read, is logged.
    /// Does blocking I/O on small files.
    pub fn reload(&self) {
        let Some(config) = &self.config else { return };
        let keys = self.keys().reread(config, &self.commands);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Whether the message may be decoded, and by whom it is signed. Looks at bytes and headers alone, so that nothing of what
    /// is not trusted is read. The age of the signature is left to [`Verified::require_fresh`].
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

    /// Whether the key `approver` may approve a command for `action` that the key `sender` has signed: it must be another key
    /// and not only another name. What can no longer be compared is refused.
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

    /// Whether the key that `verified` was signed with, if it was, is one of ours yet.
    pub fn require_current(&self, verified: &Verified) -> Result<(), OutcomeError> {
        let Some(Signed { key, .. }) = &verified.signed else { return Ok(()) };
        let is_current = self.keys().find(key.name.as_str()).is_some_and(|now| now.is_exactly(key));
        if is_current { Ok(()) } else { Err(refusals::unknown_key()) }
    }

    /// Pairs of names that stand for the same key: nobody with it approves what they have asked for under the other name.
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
    /// A message that nobody signed and that need not be signed, such as one from this machine's control socket.
    pub fn unsigned() -> Self {
        Self { signed: None, must_cover_id: false }
    }

    /// The key that it was signed with, if it was.
    pub fn key(&self) -> Option<&KeyName> {
        self.signed.as_ref().map(|signed| &signed.key.name)
    }

    /// Whether the signature is of a time near `received_at`, when the message came for the first time. Signatures get old
    /// while commands wait: the age of a copy of what the journal knows does not matter.
    pub fn require_fresh(&self, received_at: Timestamp) -> Result<(), OutcomeError> {
        let Some(signed) = &self.signed else { return Ok(()) };
        refusals::require_fresh(signed.at, signed.max_age, received_at)
    }

    /// Whether the signature stands for `command`, which was decoded from the bytes that it covers: the id is among these.
    pub fn require_covers(&self, command: &Command) -> Result<(), OutcomeError> {
        self.require_covers_id(command.is_id_in_payload)
    }

    /// The same of any message, by whether its payload says its id.
    pub fn require_covers_id(&self, is_id_in_payload: bool) -> Result<(), OutcomeError> {
        if self.must_cover_id && !is_id_in_payload { Err(refusals::unsigned_id()) } else { Ok(()) }
    }

    /// Whether the key, if there is one, may approve anything.
    pub fn require_approver(&self) -> Result<(), OutcomeError> {
        match &self.signed {
            Some(signed) if !signed.key.is_approver() => Err(refusals::no_approver(&signed.key.name)),
            _ => Ok(()),
        }
    }

    /// Whether the key may ask for what `command` asks for.
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
