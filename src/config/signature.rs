//! Who may sign commands: public keys of Ed25519, or secrets that are shared.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{
    Problem, Secret, pem,
    quantity::Span,
    secret::{Given, Secrets},
};
use crate::{
    permissions::{self, Trust},
    telemetry::chain,
};

/// Who may sign commands.
#[derive(Debug, Clone)]
pub struct SignatureConfig {
    /// Whether a command without a signature is refused.
    pub required: bool,
    /// How old a signature may be when its command is received.
    pub max_age: Duration,
    /// At least one, each with a name of its own.
    pub keys: Vec<SignatureKeyConfig>,
}

/// A key that commands are signed with.
#[derive(Debug, Clone)]
pub struct SignatureKeyConfig {
    /// Its name, which signatures have with them.
    pub id: String,
    /// What it takes to verify.
    pub algorithm: SignatureAlgorithm,
}

/// What it takes to verify a signature.
#[derive(Debug, Clone)]
pub enum SignatureAlgorithm {
    /// Ed25519, by its public key.
    Ed25519([u8; ED25519_KEY_BYTES]),
    /// HMAC with SHA-256, by the bytes of a shared secret as they stand in its file.
    HmacSha256(Secret),
}

/// What a signer's clock may be ahead.
pub const SIGNED_AHEAD_MAX: Duration = Duration::from_secs(60);
/// What a public key has.
const ED25519_KEY_BYTES: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignature {
    required: Option<bool>,
    max_age: Option<Span>,
    keys: BTreeMap<String, RawKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    algorithm: RawAlgorithm,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
    secret: Option<SecretString>,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    secret_credential: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawAlgorithm {
    Ed25519,
    HmacSha256,
}

/// A queue may stand for a while; what is sent again within this time is known by its id.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(3_600);
/// What an Ed25519 key in PEM has before the key itself (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// A shorter secret could be found by trying.
const SECRET_BYTES_MIN: usize = 32;

/// `keep` is how long the journal remembers ids.
pub(super) fn understand(
    raw: RawSignature,
    keep: Duration,
    secrets: Secrets,
) -> Result<SignatureConfig, Problem> {
    if raw.keys.is_empty() {
        return Err(Problem::new("keys", "there is no key: add [commands.….signature.keys.NAME]"));
    }
    let max_age = raw.max_age.map_or(DEFAULT_MAX_AGE, |Span(span)| span);
    // It may be received a minute before the time that it bears.
    if max_age.is_zero() || max_age.saturating_add(SIGNED_AHEAD_MAX) >= keep {
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
        let algorithm = algorithm(raw, secrets).map_err(under)?;
        keys.push(SignatureKeyConfig { id, algorithm });
    }
    Ok(SignatureConfig { required: raw.required.unwrap_or(true), max_age, keys })
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
        RawAlgorithm::Ed25519 => {
            public_key(raw.public_key, raw.public_key_file).map(SignatureAlgorithm::Ed25519)
        }
        RawAlgorithm::HmacSha256 => {
            let secret = secret.understand("secret", secrets)?;
            let value = secrets.try_read(&secret).map_err(|err| Problem::new("secret", chain(&err)))?;
            if value.is_some_and(|value| value.expose_secret().len() < SECRET_BYTES_MIN) {
                let reason =
                    format!("has less than {SECRET_BYTES_MIN} bytes: `openssl rand -hex 32` makes one");
                return Err(Problem::new("secret", reason));
            }
            Ok(SignatureAlgorithm::HmacSha256(secret))
        }
    }
}

fn public_key(inline: Option<String>, file: Option<PathBuf>) -> Result<[u8; ED25519_KEY_BYTES], Problem> {
    let (key, text) = match (inline, file) {
        (Some(text), None) => ("public_key", text),
        (None, Some(path)) => {
            let text = permissions::read(&path, Trust::Public);
            let unusable =
                |err| Problem::new("public_key_file", format!("{}: {}", path.display(), chain(&err)));
            // What is not UTF-8 is no key either.
            ("public_key_file", String::from_utf8_lossy(&text.map_err(unusable)?).into_owned())
        }
        _ => return Err(Problem::new("public_key", "give `public_key_file` (PEM) or `public_key`")),
    };
    let section = pem::sections(&text).into_iter().next();
    let body = section.map_or(text, |section| section.body.expose_secret().to_owned());
    let decoded = STANDARD.decode(body.trim().replace(char::is_whitespace, "")).ok();
    let bytes = decoded.as_deref().map(|bytes| bytes.strip_prefix(&SPKI_PREFIX).unwrap_or(bytes));
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        let reason = "is not a public key of Ed25519: `openssl pkey -in key.pem -pubout` prints one";
        Problem::new(key, reason)
    })
}
