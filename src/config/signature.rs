//! The keys that may sign commands: Ed25519 public keys, or shared secrets. The key material is read here; what it
//! verifies is `command::policy::signature`'s business.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use okta_client::pem;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{
    ActionPattern, Problem, Secret, SecretError,
    quantity::Span,
    secret::{Given, Secrets},
};
use crate::{
    permissions::{self, PermissionError, Trust},
    telemetry::chain,
};

/// Who may sign commands.
#[derive(Debug, Clone)]
pub struct SignatureConfig {
    /// Whether a command without a signature is refused.
    pub required: bool,
    /// How old a signature may be when its command is received.
    pub max_age: Duration,
    /// Whether signatures in the form `v1` are taken, which name neither org nor commands.
    pub accept_v1: bool,
    /// Each with a name of its own. At least one where signatures are required.
    pub keys: Vec<SignatureKeyConfig>,
}

/// A key that commands are signed with.
#[derive(Debug, Clone)]
pub struct SignatureKeyConfig {
    /// Its name, which signatures have with them.
    pub id: String,
    /// The key material.
    pub algorithm: SignatureAlgorithm,
    /// What may be asked with it, of what the commands allow; empty: all of that.
    pub allow: Vec<ActionPattern>,
    /// What of others it may approve, of what the commands have approved by a second key; empty: nothing.
    pub approve: Vec<ActionPattern>,
}

/// The key material to verify a signature.
#[derive(Debug, Clone)]
pub enum SignatureAlgorithm {
    /// Ed25519, by its public key.
    Ed25519(PublicKey),
    /// HMAC with SHA-256, keyed with the bytes of the file of a shared secret.
    HmacSha256(Secret),
}

/// Where a public key of Ed25519 comes from. What is in a file is read when it is needed, so that it can be exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A file in PEM or base64.
    File(PathBuf),
    /// It is in the configuration.
    Inline([u8; ED25519_KEY_BYTES]),
}

/// Why a key of signatures cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its secret could be found by trying.
    #[error("the secret from {0} has less than {SECRET_BYTES_MIN} bytes: `openssl rand -hex 32` makes one")]
    ShortSecret(Secret),
    /// The file of its public key cannot be read, or others may write to it.
    #[error("cannot read the public key {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PermissionError,
    },
    /// The file has no such key.
    #[error("{0} is not a public key of Ed25519: `openssl pkey -in key.pem -pubout` prints one")]
    NoPublicKey(PathBuf),
}

impl PublicKey {
    /// The current key. Does blocking I/O on a small file.
    pub fn read(&self) -> Result<[u8; ED25519_KEY_BYTES], KeyError> {
        match self {
            Self::Inline(key) => Ok(*key),
            Self::File(path) => {
                let text = permissions::read(path, Trust::Public);
                let text = text.map_err(|source| KeyError::Unreadable { path: path.clone(), source })?;
                // What is not UTF-8 is no key either.
                let key = public_key(&String::from_utf8_lossy(&text));
                key.ok_or_else(|| KeyError::NoPublicKey(path.clone()))
            }
        }
    }
}

/// The current shared secret. Does blocking I/O on a small file.
pub fn read_shared_secret(secret: &Secret) -> Result<SecretString, KeyError> {
    let value = secret.read()?;
    if value.expose_secret().len() < SECRET_BYTES_MIN {
        return Err(KeyError::ShortSecret(secret.clone()));
    }
    Ok(value)
}

/// What a signer's clock may be ahead.
pub const SIGNED_AHEAD_MAX: Duration = Duration::from_secs(60);
/// What a public key has.
const ED25519_KEY_BYTES: usize = 32;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignature {
    required: Option<bool>,
    max_age: Option<Span>,
    #[serde(default)]
    accept_v1: bool,
    #[serde(default)]
    keys: BTreeMap<String, RawKey>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawKey {
    algorithm: RawAlgorithm,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
    #[schemars(with = "Option<String>")]
    secret: Option<SecretString>,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    secret_credential: Option<String>,
    allow: Option<Vec<String>>,
    #[serde(default)]
    approve: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RawAlgorithm {
    Ed25519,
    HmacSha256,
}

/// A queue may not be read for a while; a message that is sent again within this time is recognised by its id.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(3_600);
/// What an Ed25519 key in PEM has before the key itself (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// A shorter secret could be found by trying.
const SECRET_BYTES_MIN: usize = 32;

/// `keep` is how long the journal remembers ids; `allow` what the commands allow at all.
pub(super) fn resolve(
    raw: RawSignature,
    keep: Duration,
    allow: &[ActionPattern],
    secrets: Secrets,
) -> Result<SignatureConfig, Problem> {
    let required = raw.required.unwrap_or(true);
    if raw.keys.is_empty() && required {
        let reason = "there is no key: add [commands.….signature.keys.NAME], or write `required = false`";
        return Err(Problem::new("keys", reason));
    }
    let max_age = raw.max_age.map_or(DEFAULT_MAX_AGE, |Span(span)| span);
    // It may be received a minute before the time that it bears.
    let is_fit = !max_age.is_zero() && max_age.saturating_add(SIGNED_AHEAD_MAX) < keep;
    if !raw.keys.is_empty() && !is_fit {
        let reason = "must be above zero, and a minute or more below `keep`: for so long the journal knows a command that is sent again";
        return Err(Problem::new("max_age", reason));
    }
    let mut keys = Vec::new();
    for (id, raw) in raw.keys {
        let under = |problem: Problem| problem.under(&format!("keys.{id}"));
        if !super::route::is_name(&id) {
            let reason = "a name has letters, digits, `-` and `_`, and at most 64 of them";
            return Err(under(Problem::new("", reason)));
        }
        let allow = allowed(raw.allow.as_deref(), allow).map_err(under)?;
        let approve = approved(&raw.approve).map_err(under)?;
        let algorithm = algorithm(raw, secrets).map_err(under)?;
        keys.push(SignatureKeyConfig { id, algorithm, allow, approve });
    }
    Ok(SignatureConfig { required, max_age, accept_v1: raw.accept_v1, keys })
}

/// What a key may ask for. That must be something which the commands allow.
fn allowed(given: Option<&[String]>, by_commands: &[ActionPattern]) -> Result<Vec<ActionPattern>, Problem> {
    let Some(texts) = given else { return Ok(Vec::new()) };
    if texts.is_empty() {
        return Err(Problem::new("allow", "the key may ask for nothing: take it out, or leave `allow` out"));
    }
    let pattern = |(index, text): (usize, &String)| {
        let at = || format!("allow[{index}]");
        let pattern: ActionPattern = text.parse().map_err(|err: String| Problem::new(at(), err))?;
        if pattern.actions().any(|action| by_commands.iter().any(|allowed| allowed.matches(action))) {
            return Ok(pattern);
        }
        Err(Problem::new(at(), format!("nothing of `{text}` is among `allow` of the commands")))
    };
    texts.iter().enumerate().map(pattern).collect()
}

/// What a key may approve.
fn approved(texts: &[String]) -> Result<Vec<ActionPattern>, Problem> {
    let pattern = |(index, text): (usize, &String)| {
        text.parse().map_err(|err: String| Problem::new(format!("approve[{index}]"), err))
    };
    texts.iter().enumerate().map(pattern).collect()
}

fn algorithm(raw: RawKey, secrets: Secrets) -> Result<SignatureAlgorithm, Problem> {
    let secret = Given {
        file: raw.secret_file,
        env: raw.secret_env,
        credential: raw.secret_credential,
        inline: raw.secret,
    };
    let has_public_key = raw.public_key.is_some() || raw.public_key_file.is_some();
    match raw.algorithm {
        RawAlgorithm::Ed25519 if secret.is_given() => Err(Problem::new(
            "secret",
            "a key of ed25519 has a public key, and its secret is the signer's alone",
        )),
        RawAlgorithm::HmacSha256 if has_public_key => {
            Err(Problem::new("public_key", "a key of hmac-sha256 has a secret"))
        }
        RawAlgorithm::Ed25519 => named_public_key(raw.public_key, raw.public_key_file),
        RawAlgorithm::HmacSha256 => {
            let secret = secret.resolve("secret", secrets)?;
            if secrets.are_read {
                read_shared_secret(&secret).map_err(|err| Problem::new("secret", chain(&err)))?;
            }
            Ok(SignatureAlgorithm::HmacSha256(secret))
        }
    }
}

fn named_public_key(inline: Option<String>, file: Option<PathBuf>) -> Result<SignatureAlgorithm, Problem> {
    let key = match (inline, file) {
        (Some(text), None) => {
            let key = public_key(&text).ok_or_else(|| {
                let reason = "is not a public key of Ed25519: `openssl pkey -in key.pem -pubout` prints one";
                Problem::new("public_key", reason)
            })?;
            PublicKey::Inline(key)
        }
        (None, Some(path)) => {
            let key = PublicKey::File(path);
            key.read().map_err(|err| Problem::new("public_key_file", chain(&err)))?;
            key
        }
        _ => return Err(Problem::new("public_key", "give `public_key_file` (PEM) or `public_key`")),
    };
    Ok(SignatureAlgorithm::Ed25519(key))
}

/// The key in PEM or base64.
fn public_key(text: &str) -> Option<[u8; ED25519_KEY_BYTES]> {
    let section = pem::sections(text).into_iter().next();
    let body = section.map_or_else(|| text.to_owned(), |section| section.body.expose_secret().to_owned());
    let decoded = STANDARD.decode(body.trim().replace(char::is_whitespace, "")).ok()?;
    decoded.strip_prefix(&SPKI_PREFIX).unwrap_or(&decoded).try_into().ok()
}
