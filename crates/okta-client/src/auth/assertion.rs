//! The client assertion (RFC 7523): a short-lived token by which the app proves that it has its private key.

use serde::Serialize;

use super::{AuthError, jws, private_key::PrivateKey};

/// Okta accepts up to an hour. An assertion is used at once, so a short life costs nothing, and a stolen one is soon useless.
const LIFETIME_S: i64 = 300;
/// Okta demands an `iat` in the past. Clocks that agree to the second can still differ by almost a second.
const BACKDATED_S: i64 = 10;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    typ: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// An assertion of the app `client_id` for the token endpoint `audience`, made at `epoch_seconds`. Each is good for one
/// request, answered or not.
pub(super) fn assertion(
    key: &PrivateKey,
    client_id: &str,
    audience: &str,
    epoch_seconds: i64,
) -> Result<String, AuthError> {
    let header = Header { alg: key.algorithm().name(), kid: key.key_id(), typ: "JWT" };
    let claims = Claims {
        iss: client_id,
        sub: client_id,
        aud: audience,
        iat: epoch_seconds - BACKDATED_S,
        exp: epoch_seconds + LIFETIME_S,
        jti: jws::fresh_id(),
    };
    jws::compact(&header, &claims, |message| key.sign(message))
}
