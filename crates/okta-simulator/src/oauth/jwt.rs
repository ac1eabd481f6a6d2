//! JSON Web Tokens as they come in: parsed, and verified with a public key. RSA and the smaller curves
//! by ring, P-521 by RustCrypto.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A token whose signature has not been looked at.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    message: &'a str,
    signature: Vec<u8>,
}

/// A public key that Okta takes.
#[derive(Clone, Debug)]
pub(super) enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    P521(Vec<u8>),
}

/// Why a key is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key must be RSA, or EC on P-256, P-384 or P-521, with all public members")]
pub(crate) struct KeyError;

impl<'a> Jwt<'a> {
    /// Takes a compact token apart.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let object = |part: &str| serde_json::from_slice::<Map<String, Value>>(&decode(part)?).ok();
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            message,
            signature: decode(signature)?,
        })
    }

    pub(super) fn algorithm(&self) -> &str {
        text(&self.header, "alg").unwrap_or_default()
    }

    /// A claim that is text.
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        text(&self.claims, name)
    }

    /// A claim that is a time.
    pub(super) fn time(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_i64()
    }

    /// Whether `key` signed it with the algorithm it names; None if the algorithm is not for this key.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> Option<bool> {
        let (message, signature) = (self.message.as_bytes(), &self.signature[..]);
        let is_good = match (key, self.algorithm()) {
            (PublicKey::Rsa { n, e }, algorithm) => {
                let parameters = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => return None,
                };
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            (PublicKey::P256(point), "ES256") => {
                let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            (PublicKey::P384(point), "ES384") => {
                let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            (PublicKey::P521(point), "ES512") => is_signed_by_p521(point, message, signature),
            _ => return None,
        };
        Some(is_good)
    }
}

fn is_signed_by_p521(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p521::ecdsa::signature::Verifier as _;
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point);
    let signature = p521::ecdsa::Signature::from_slice(signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(message, &signature).is_ok())
}

impl PublicKey {
    /// The key in a JWK.
    pub(super) fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let number = |name: &str| jwk[name].as_str().and_then(decode).ok_or(KeyError);
        let point = |length: usize| {
            let (x, y) = (number("x")?, number("y")?);
            let is_right = x.len() == length && y.len() == length;
            is_right.then(|| [vec![4], x, y].concat()).ok_or(KeyError)
        };
        match (jwk["kty"].as_str(), jwk["crv"].as_str()) {
            (Some("RSA"), _) => Ok(Self::Rsa { n: number("n")?, e: number("e")? }),
            (Some("EC"), Some("P-256")) => Ok(Self::P256(point(32)?)),
            (Some("EC"), Some("P-384")) => Ok(Self::P384(point(48)?)),
            (Some("EC"), Some("P-521")) => Ok(Self::P521(point(66)?)),
            _ => Err(KeyError),
        }
    }
}

/// The thumbprint of a key (RFC 7638): the same key always has the same.
pub(super) fn thumbprint(jwk: &Value) -> String {
    let names: &[&str] = if jwk["kty"] == "RSA" { &["e", "kty", "n"] } else { &["crv", "kty", "x", "y"] };
    // Members in the order of their names, which is that of a map.
    let members: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), jwk[*name].clone())).collect();
    hash(Value::Object(members).to_string().as_bytes())
}

/// SHA-256 as base64url.
pub(super) fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        // RFC 7638, section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        assert_eq!(thumbprint(&jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_signature_of_the_standard_verifies_and_any_other_does_not() {
        // RFC 7515, appendix A.3.
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let jwk = json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        let key = PublicKey::from_jwk(&jwk).unwrap();
        let jwt = Jwt::parse(token).unwrap();
        assert_eq!((jwt.claim("iss"), jwt.time("exp")), (Some("joe"), Some(1_300_819_380)));
        assert_eq!(jwt.is_signed_by(&key), Some(true));
        let forged = token.replace("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Yi");
        assert_eq!(Jwt::parse(&forged).unwrap().is_signed_by(&key), Some(false));
        let other = PublicKey::Rsa { n: vec![1], e: vec![3] };
        assert_eq!(jwt.is_signed_by(&other), None);
        for broken in ["", ".", "..", "a.b.c", "e30.e30", "e30.W10.AA"] {
            assert!(Jwt::parse(broken).is_none(), "{broken}");
        }
    }
}
