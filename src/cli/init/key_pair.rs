//! The key pair of a service app: P-256, the private half as PEM (PKCS#8), the public half as JWK.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Bytes of a coordinate of a point on P-256.
const COORDINATE_BYTES: usize = 32;
/// Characters of a line in PEM.
const LINE_CHARS: usize = 64;

/// A new key pair.
#[derive(Debug)]
pub(super) struct KeyPair {
    /// The private key.
    pub(super) pem: String,
    /// The public key.
    pub(super) jwk: Value,
    /// The key's id: its thumbprint (RFC 7638).
    pub(super) id: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum KeyPairError {
    #[error("the system gives no random numbers, so no key can be made")]
    NoRandomness,
    #[error("the new key cannot be used: this is a bug")]
    Unusable,
}

impl KeyPair {
    pub(super) fn generate() -> Result<Self, KeyPairError> {
        let random = SystemRandom::new();
        let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|_| KeyPairError::NoRandomness)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref(), &random)
            .map_err(|_| KeyPairError::Unusable)?;
        // An uncompressed point: 4, x, y.
        let point =
            pair.public_key().as_ref().strip_prefix(&[4]).filter(|xy| xy.len() == 2 * COORDINATE_BYTES);
        let (x, y) = point.ok_or(KeyPairError::Unusable)?.split_at(COORDINATE_BYTES);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let id = thumbprint(&x, &y);
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "use": "sig", "alg": "ES256" });
        Ok(Self { pem: pem(private.as_ref()), jwk, id })
    }
}

/// The thumbprint of a key: of its required members alone, in the order of their names.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, later) = rest.split_at(rest.len().min(LINE_CHARS));
        pem.push_str(line);
        pem.push('\n');
        rest = later;
    }
    pem + "-----END PRIVATE KEY-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_public_key() {
        let key = KeyPair::generate().unwrap();
        let member = |name: &str| key.jwk[name].as_str().unwrap();
        assert_eq!(key.id, thumbprint(member("x"), member("y")));
        assert_eq!(member("kid"), key.id);
        assert!(key.jwk.get("d").is_none(), "the private half is not shown");
        assert!(key.pem.lines().all(|line| line.len() <= LINE_CHARS));
        assert_ne!(key.id, KeyPair::generate().unwrap().id);
    }
}
