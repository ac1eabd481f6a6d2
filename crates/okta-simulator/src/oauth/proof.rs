//! DPoP proofs (RFC 9449, section 4.3), with Okta's limits.

use serde_json::Value;

use super::error::OAuthError;
use super::jwt::{self, Jwt, PublicKey};
use super::once::UsedIds;

const AGE_MAX_S: i64 = 300;

/// A request with what it presents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presented<'a> {
    pub(super) method: &'a str,
    /// Without query and fragment.
    pub(super) url: &'a str,
    pub(super) token: Option<&'a str>,
    /// Values of `DPoP` header lines.
    pub(super) proofs: &'a [&'a str],
    pub(super) now_s: i64,
}

/// What a good proof says.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) thumbprint: String,
    pub(super) nonce: Option<String>,
}

/// The proof of a request, if it is good. It cannot be used again.
pub(super) fn check(presented: Presented<'_>, used: &mut UsedIds) -> Result<Proof, OAuthError> {
    let refuse = |description| Err(OAuthError::invalid_proof(description));
    let proof = match presented.proofs {
        [] => return refuse("The DPoP proof JWT header is missing."),
        [proof] => *proof,
        _ => return refuse("Multiple DPoP proof JWT headers are not allowed."),
    };
    let Some(jwt) = Jwt::parse(proof) else {
        return refuse("The DPoP proof JWT cannot be parsed.");
    };
    if jwt.header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
        return refuse("'typ' must be 'dpop+jwt' in the DPoP proof JWT.");
    }
    let jwk = jwt.header.get("jwk").unwrap_or(&Value::Null);
    let is_private = jwk.get("d").is_some();
    let Some(key) = PublicKey::from_jwk(jwk).ok().filter(|_| !is_private) else {
        return refuse("The DPoP proof JWT is invalid.");
    };
    match jwt.is_signed_by(&key) {
        Some(true) => {}
        Some(false) => return refuse("The DPoP proof JWT signature is invalid."),
        None => return refuse("The DPoP proof JWT signature algorithm is invalid."),
    }
    if jwt.claim("htm") != Some(presented.method) {
        return refuse("'htm' claim in the DPoP proof JWT is invalid.");
    }
    if jwt.claim("htu") != Some(presented.url) {
        return refuse("'htu' claim in the DPoP proof JWT is invalid.");
    }
    let Some(issued_s) = jwt.time("iat") else {
        return refuse("'iat' claim in the DPoP proof JWT is invalid.");
    };
    if issued_s > presented.now_s {
        return refuse("The DPoP proof JWT is issued in the future.");
    }
    if issued_s < presented.now_s - AGE_MAX_S {
        return refuse("The DPoP proof JWT is issued more than five minutes in the past.");
    }
    let Some(id) = jwt.claim("jti").filter(|id| !id.is_empty()) else {
        return refuse("'jti' claim in the DPoP proof JWT is invalid.");
    };
    let thumbprint = jwt::thumbprint(jwk);
    if !used.take(format!("proof {thumbprint} {id}"), issued_s + AGE_MAX_S, presented.now_s) {
        return refuse("The DPoP proof JWT has already been used.");
    }
    if let Some(token) = presented.token
        && jwt.claim("ath") != Some(&jwt::hash(token.as_bytes()))
    {
        return refuse("'ath' claim in the DPoP proof does not match the presented access_token.");
    }
    Ok(Proof { thumbprint, nonce: jwt.claim("nonce").map(str::to_owned) })
}
