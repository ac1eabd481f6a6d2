//! An access token: how it is sent, and how long it is used. Okta's last an hour and cannot be refreshed, only replaced.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    AuthError,
    dpop::{DpopKey, Purpose},
};

/// The part of its life after which a token is replaced: early enough to try for minutes before it expires.
const RENEWED_AFTER: f64 = 0.8;
/// Subtracted from a token's lifetime for the time that the answer travels.
const EARLY: Duration = Duration::from_secs(5);
/// The lifetime of a token if Okta does not say it.
const LIFETIME_DEFAULT_S: u64 = 3_600;

/// An access token in use.
#[derive(Debug)]
pub(crate) struct AccessToken {
    secret: SecretString,
    /// Set if the token is bound to a key.
    dpop: Option<DpopKey>,
    pub(super) renewed_from: Instant,
    pub(super) expires: Instant,
    /// Whether Okta has accepted it.
    is_proven: AtomicBool,
    /// The nonce that the API demands in proofs, if it does.
    nonce: Mutex<Option<String>>,
}

/// The answer to a token request (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Answer {
    token_type: String,
    access_token: SecretString,
    expires_in: Option<u64>,
}

impl AccessToken {
    /// The token in the `body` of a successful answer to a request that was made at `asked`, with a proof by `dpop` if
    /// there is one.
    pub(super) fn read(body: &[u8], dpop: Option<DpopKey>, asked: Instant) -> Result<Self, AuthError> {
        // A message of serde may quote the token.
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| AuthError::NotAToken("it is not the JSON of RFC 6749".to_owned()))?;
        let dpop = match (answer.token_type.to_ascii_lowercase().as_str(), dpop) {
            ("bearer", _) => None,
            ("dpop", Some(key)) => Some(key),
            (kind, _) => {
                return Err(AuthError::NotAToken(format!("its type is `{kind}`, which was not asked for")));
            }
        };
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(LIFETIME_DEFAULT_S).min(86_400));
        Ok(Self {
            secret: answer.access_token,
            dpop,
            renewed_from: asked + lifetime.mul_f64(RENEWED_AFTER),
            expires: asked + lifetime.saturating_sub(EARLY.min(lifetime / 10)),
            is_proven: AtomicBool::new(false),
            nonce: Mutex::default(),
        })
    }

    /// The scheme in the `Authorization` header.
    pub(super) fn scheme(&self) -> &'static str {
        if self.is_bound() { "DPoP " } else { "Bearer " }
    }

    /// Whether it is bound to a key.
    pub(super) fn is_bound(&self) -> bool {
        self.dpop.is_some()
    }

    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// A proof for one attempt, if the token is bound to a key.
    pub(super) fn proof(&self, method: &str, url: &Url, epoch_seconds: i64) -> Option<String> {
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let access_token = Some(self.secret.expose_secret());
        let purpose = Purpose { method, url, epoch_seconds, nonce: nonce.as_deref(), access_token };
        Some(self.dpop.as_ref()?.proof(purpose))
    }

    /// Takes the nonce that the API demands from now on; false if it is the known one.
    pub(super) fn take_nonce(&self, nonce: &str) -> bool {
        let mut known = self.nonce.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.as_deref() != Some(nonce);
        *known = Some(nonce.to_owned());
        is_new
    }

    /// Okta has accepted it.
    pub(super) fn prove(&self) {
        self.is_proven.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, dpop: Option<DpopKey>) -> Result<AccessToken, AuthError> {
        AccessToken::read(body.as_bytes(), dpop, Instant::now())
    }

    #[test]
    fn a_token_is_replaced_well_before_it_dies() {
        let now = Instant::now();
        let body =
            br#"{"token_type":"Bearer","access_token":"secret","expires_in":3600,"scope":"okta.logs.read"}"#;
        let token = AccessToken::read(body, None, now).unwrap();
        assert_eq!(token.renewed_from - now, Duration::from_secs(2_880));
        assert_eq!(token.expires - now, Duration::from_secs(3_595));
        assert_eq!((token.scheme(), token.is_bound()), ("Bearer ", false));
        assert!(!format!("{token:?}").contains("secret\""));
    }

    #[test]
    fn the_type_must_be_what_was_asked_for() {
        let bound = r#"{"token_type":"DPoP","access_token":"secret"}"#;
        assert_eq!(read(bound, Some(DpopKey::generate())).unwrap().scheme(), "DPoP ");
        let told = read(bound, None).unwrap_err().to_string();
        assert!(told.contains("`dpop`"), "{told}");
        for body in
            ["", "[]", r#"{"token_type":"Bearer"}"#, r#"{"token_type":"N_A","access_token":"secret"}"#]
        {
            let told = read(body, None).unwrap_err().to_string();
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
