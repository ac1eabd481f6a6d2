//! What is fuzzed of authentication. See `crate::fuzzing`.

use std::time::Duration;

use reqwest::{Method, header::HeaderValue};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::{Credential, dpop::DpopKey, token::AccessToken};

/// What is shorter may stand in the message by chance.
const TELLING_BYTES: usize = 8;

/// The first line of `data` is a nonce; the rest answers a request for an access token.
pub fn token(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or_default();
    let (nonce, body) = data.split_at(end);
    let asked = Instant::now();
    for is_bound in [false, true] {
        let dpop = is_bound.then(DpopKey::generate);
        let token = match AccessToken::read(body, dpop, asked) {
            Ok(token) => token,
            Err(err) => {
                require_untold(body, &err.to_string());
                continue;
            }
        };
        assert!(token.expires <= asked + Duration::from_secs(86_400), "it is used for too long");
        assert!(token.renewed_from <= token.expires.max(asked), "it dies before it is replaced");
        assert!(!token.is_bound() || is_bound);
        if let Ok(nonce) = std::str::from_utf8(nonce) {
            token.take_nonce(nonce);
            assert!(!token.take_nonce(nonce), "it is known now");
        }
        let Ok(url) = Url::parse("https://acme.okta.com/api/v1/logs?limit=1") else { return };
        let secret = token.secret().expose_secret().to_owned();
        let shown = format!("{token:?}");
        assert!(secret.len() < TELLING_BYTES || !shown.contains(&secret), "the token is shown");
        let credential = Credential::AccessToken(token.into());
        match credential.headers(&Method::GET, &url, 1_700_000_000) {
            Ok(headers) => assert!(headers.values().all(HeaderValue::is_sensitive)),
            Err(err) => require_untold(body, &err.to_string()),
        }
    }
}

/// Asserts that no token in `body` is in the message.
fn require_untold(body: &[u8], told: &str) {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) else { return };
    let Some(token) = members.get("access_token").and_then(serde_json::Value::as_str) else { return };
    assert!(token.len() < TELLING_BYTES || !told.contains(token), "{told} shows the token");
}
