//! A JSON Web Signature in compact form with a detached and unencoded payload (RFC 7515, appendix F; RFC 7797): its
//! claims, and the signed bytes. Verifies nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

use super::keys::Algorithm;

/// The most bytes of a signature: a header of some claims and 64 bytes of signature are far less.
const BYTES_MAX: usize = 4 << 10;
/// The one extension that must be understood (RFC 7797, section 6).
const UNENCODED: &str = "b64";

/// A parsed signature.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    /// The header as written: this text is signed.
    protected: &'a str,
    pub(super) signature: Vec<u8>,
}

/// The claims of the protected header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key: String,
    pub(super) signed_at: Timestamp,
    /// The audiences; any of them suffices.
    pub(super) audience: Vec<String>,
}

/// The parameters that are read. Others are ignored unless `crit` names one of them.
#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    kid: String,
    iat: i64,
    aud: RawAudience,
    #[serde(default = "is_encoded")]
    b64: bool,
    #[serde(default)]
    crit: Vec<String>,
}

/// One or several, as in the claims of a JWT (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum RawAudience {
    One(String),
    Several(Vec<String>),
}

fn is_encoded() -> bool {
    true
}

impl<'a> Jws<'a> {
    /// Parses the signature `text`, or returns why it is not supported.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.len() > BYTES_MAX {
            return Err("it is too long");
        }
        let mut parts = text.split('.');
        let (Some(protected), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it has not the form `<header>..<signature>`");
        };
        if !payload.is_empty() {
            return Err("it has a payload of its own, and the message is the payload");
        }
        let decode = |part| URL_SAFE_NO_PAD.decode(part);
        let signature = decode(signature).map_err(|_| "its signature is not base64url")?;
        let header = decode(protected).map_err(|_| "its header is not base64url")?;
        Ok(Self { header: Header::read(&header)?, protected, signature })
    }

    /// The signed bytes: the header as written, a dot, and the payload byte for byte (RFC 7797, section 5.1).
    pub(super) fn signing_input(&self, payload: &[u8]) -> Vec<u8> {
        [self.protected.as_bytes(), b".", payload].concat()
    }
}

impl Header {
    fn read(json: &[u8]) -> Result<Self, &'static str> {
        // Serde would also accept a list by position.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err("its header must be a JSON object");
        }
        let raw: RawHeader = serde_json::from_slice(json)
            .map_err(|_| "its header must have `alg`, `kid`, `iat` in whole seconds, and `aud`")?;
        if raw.b64 || raw.crit != [UNENCODED] {
            return Err("its header must have `\"b64\": false` and `\"crit\": [\"b64\"]`");
        }
        let algorithm = Algorithm::named(&raw.alg).ok_or("its `alg` must be EdDSA or HS256")?;
        let signed_at = Timestamp::from_second(raw.iat).map_err(|_| "its `iat` is no time")?;
        let audience = match raw.aud {
            RawAudience::One(audience) => vec![audience],
            RawAudience::Several(audiences) => audiences,
        };
        Ok(Self { algorithm, key: raw.kid, signed_at, audience })
    }
}
