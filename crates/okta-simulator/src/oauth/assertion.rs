//! The client assertion: who asks for a token, proved with a private key.

use std::collections::BTreeMap;

use super::app::App;
use super::error::OAuthError;
use super::jwt::Jwt;
use super::once::UsedIds;

const LIFETIME_MAX_S: i64 = 3_600;

/// The client id, if everything is as it should be. The assertion cannot be used again, whatever else
/// is wrong with the request.
pub(super) fn check(
    assertion: &str,
    apps: &BTreeMap<String, App>,
    endpoint: &str,
    now_s: i64,
    used: &mut UsedIds,
) -> Result<String, OAuthError> {
    let refuse = |description| Err(OAuthError::invalid_client(description));
    let Some(jwt) = Jwt::parse(assertion) else {
        return refuse("The parsing of the client_assertion failed.");
    };
    let app = jwt.claim("iss").and_then(|issuer| apps.get(issuer));
    let app = app.ok_or_else(OAuthError::invalid_issuer)?;
    if jwt.claim("sub") != Some(&app.client_id) {
        return refuse("The subject claim for client_assertion is not a valid client_id.");
    }
    let Some(key) = app.key(jwt.header.get("kid").and_then(|kid| kid.as_str())) else {
        return refuse("The client_assertion JWT kid is invalid.");
    };
    match jwt.is_signed_by(key) {
        Some(true) => {}
        Some(false) => return refuse("The client_assertion signature is invalid."),
        None => return refuse("The client_assertion JWT signature algorithm is invalid."),
    }
    if jwt.claim("aud") != Some(endpoint) {
        return refuse(
            "The audience claim for client_assertion must be the endpoint invoked for the request.",
        );
    }
    let Some(expires_s) = jwt.time("exp") else {
        return refuse("The client_assertion must contain the 'exp' claim as seconds since epoch.");
    };
    if expires_s <= now_s {
        return refuse("The client_assertion token is expired.");
    }
    if expires_s > now_s + LIFETIME_MAX_S {
        return refuse("The client_assertion token has an expiration too far into the future.");
    }
    if jwt.time("iat").is_some_and(|issued_s| issued_s > now_s) {
        return refuse("The client_assertion token must be issued before the current time.");
    }
    let id = jwt.claim("jti").map(|id| format!("assertion {} {id}", app.client_id));
    if id.is_some_and(|id| !used.take(id, expires_s, now_s)) {
        return refuse("The client_assertion token has already been used.");
    }
    Ok(app.client_id.clone())
}
