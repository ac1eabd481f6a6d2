//! JSON Web Signatures in their compact form (RFC 7515): header, claims and signature, as base64url without padding.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::elliptic_curve::rand_core::{OsRng, RngCore as _};
use serde::Serialize;

/// base64url without padding (RFC 7515, section 2).
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding.
pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The token of `header` and `claims`, signed by `sign`.
pub(super) fn compact<E>(
    header: &impl Serialize,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let encoded = |part: Vec<u8>| base64url(&part);
    // Structures of texts and numbers always serialize.
    let header = serde_json::to_vec(header).map(encoded).unwrap_or_default();
    let claims = serde_json::to_vec(claims).map(encoded).unwrap_or_default();
    let message = format!("{header}.{claims}");
    let signature = base64url(&sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}

/// A unique id that cannot be guessed: Okta accepts each once, from any sender.
pub(super) fn fresh_id() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
