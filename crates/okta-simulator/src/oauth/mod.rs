//! `POST /oauth2/v1/token` of the org authorization server, and what its access tokens open: service
//! apps with `private_key_jwt`, bound by DPoP where the app demands it. Checks everything that Okta's
//! documentation says it checks, in its words.

mod app;
mod assertion;
mod error;
mod jwt;
mod nonce;
mod once;
mod proof;
mod token;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;

use super::answer::Answer;

pub(super) use app::App;
pub(super) use error::OAuthError;
pub(super) use token::Grant;

use nonce::Nonces;
use once::UsedIds;
use proof::Presented;
use token::Tokens;

/// Where tokens are given.
pub(super) const TOKEN_PATH: &str = "/oauth2/v1/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The org's apps and what they have been given.
#[derive(Debug)]
pub(super) struct OAuth {
    inner: Mutex<Inner>,
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    apps: BTreeMap<String, App>,
    tokens: Tokens,
    /// Ids of assertions and of proofs that cannot be used again.
    used: UsedIds,
    nonces: Nonces,
}

/// A request for Okta's API that carries an access token.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApiRequest<'a> {
    pub(super) method: &'a str,
    /// Scheme, host and path, without query.
    pub(super) url: &'a str,
    /// `Bearer` or `DPoP`.
    pub(super) scheme: &'a str,
    pub(super) token: &'a str,
    /// Values of `DPoP` header lines.
    pub(super) proofs: &'a [&'a str],
    pub(super) scope: &'a str,
}

#[derive(Serialize)]
struct Given<'a> {
    token_type: &'a str,
    expires_in: u64,
    access_token: &'a str,
    scope: &'a str,
}

impl OAuth {
    /// The org authorization server of these apps, whose tokens live so long.
    pub(super) fn new(apps: Vec<App>, lifetime: Duration) -> Self {
        let oauth = Self { inner: Mutex::default(), lifetime };
        for app in apps {
            oauth.register(app);
        }
        oauth
    }

    /// Takes an app in; one of the same client id is replaced, and its tokens are of no use any more.
    pub(super) fn register(&self, app: App) {
        let mut inner = self.lock();
        inner.tokens.revoke(&app.client_id);
        inner.apps.insert(app.client_id.clone(), app);
    }

    /// Forgets all nonces, as if three days had passed.
    pub(super) fn forget_nonces(&self) {
        self.lock().nonces = Nonces::default();
    }

    /// Answers a token request whose form is `body`, made to `endpoint` at `now_s`.
    pub(super) fn answer(&self, parts: &Parts, endpoint: &str, body: &[u8], now_s: i64) -> Answer {
        let mut inner = self.lock();
        let given = inner.give(parts, endpoint, body, now_s, self.lifetime);
        match given {
            Ok(answer) => {
                let nonce = inner.nonces.current(now_s);
                answer.with_header("dpop-nonce", nonce)
            }
            Err(error) if error.code == "use_dpop_nonce" => {
                let nonce = inner.nonces.current(now_s);
                error.answer().with_header("dpop-nonce", nonce)
            }
            Err(error) => error.answer(),
        }
    }

    /// The caller of an API request, if its token and proof are valid at `now_s`.
    pub(super) fn admit(&self, request: ApiRequest<'_>, now_s: i64) -> Result<Grant, AccessDenied> {
        self.lock().admit(request, now_s)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an access token does not open the API.
#[derive(Debug)]
pub(super) enum AccessDenied {
    /// Wrong, expired or revoked: 401.
    Token,
    /// A right or a role is missing: 403.
    Right,
    /// The proof is not good: 400 without a body, explained in `WWW-Authenticate` only.
    Proof(OAuthError),
    /// The API wants to see this nonce in proofs: 401.
    Nonce(String),
}

impl Inner {
    fn give(
        &mut self,
        parts: &Parts,
        endpoint: &str,
        body: &[u8],
        now_s: i64,
        lifetime: Duration,
    ) -> Result<Answer, OAuthError> {
        let form = Form::parse(body)?;
        match form.get("grant_type") {
            Some("client_credentials") => {}
            Some(_) => return Err(OAuthError::unsupported_grant_type()),
            None => return Err(OAuthError::invalid_request("'grant_type' is missing.")),
        }
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(OAuthError::must_use_private_key());
        }
        let assertion = form.get("client_assertion").unwrap_or_default();
        let client_id = assertion::check(assertion, &self.apps, endpoint, now_s, &mut self.used)?;
        let app = self.apps.get(&client_id).ok_or_else(OAuthError::invalid_issuer)?;
        let scope = app.grant(form.get("scope").unwrap_or_default())?;
        let thumbprint = if app.dpop_bound_access_tokens {
            let proofs: Vec<_> =
                parts.headers.get_all("dpop").iter().filter_map(|line| line.to_str().ok()).collect();
            let presented = Presented { method: "POST", url: endpoint, token: None, proofs: &proofs, now_s };
            let proof = proof::check(presented, &mut self.used)?;
            if !proof.nonce.is_some_and(|nonce| self.nonces.is_known(&nonce, now_s)) {
                return Err(OAuthError::use_nonce());
            }
            Some(proof.thumbprint)
        } else {
            None
        };
        let token_type = if thumbprint.is_some() { "DPoP" } else { "Bearer" };
        let expires_in = lifetime.as_secs();
        let expires_s = now_s.saturating_add_unsigned(expires_in);
        let access_token = self.tokens.issue(&client_id, &scope, thumbprint, expires_s);
        let given = Given { token_type, expires_in, access_token: &access_token, scope: &scope };
        Ok(Answer::json(StatusCode::OK, serde_json::to_vec(&given).unwrap_or_default()))
    }

    fn admit(&mut self, request: ApiRequest<'_>, now_s: i64) -> Result<Grant, AccessDenied> {
        let issued = self.tokens.find(request.token, now_s).ok_or(AccessDenied::Token)?;
        let app = self.apps.get(&issued.grant.client_id).ok_or(AccessDenied::Token)?;
        match (&issued.thumbprint, request.scheme) {
            (None, "Bearer") => {}
            (None, _) => return Err(AccessDenied::Token),
            (Some(_), "Bearer") => return Err(AccessDenied::Proof(OAuthError::must_use_dpop())),
            (Some(thumbprint), _) => {
                let presented = Presented {
                    method: request.method,
                    url: request.url,
                    token: Some(request.token),
                    proofs: request.proofs,
                    now_s,
                };
                let proof = proof::check(presented, &mut self.used).map_err(AccessDenied::Proof)?;
                if proof.thumbprint != *thumbprint {
                    return Err(AccessDenied::Proof(OAuthError::not_bound()));
                }
                let is_known = proof.nonce.is_some_and(|nonce| self.nonces.is_known(&nonce, now_s));
                if app.api_demands_nonce && !is_known {
                    return Err(AccessDenied::Nonce(self.nonces.current(now_s)));
                }
            }
        }
        if !issued.grant.opens(request.scope) || !app.may(request.scope) {
            return Err(AccessDenied::Right);
        }
        Ok(issued.grant.clone())
    }
}

/// The parameters of a token request.
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
        let is_repeated = |name: &str| pairs.iter().filter(|(other, _)| other == name).count() > 1;
        if pairs.iter().any(|(name, _)| is_repeated(name)) {
            return Err(OAuthError::invalid_request(
                "The request contained multiple parameters with the same name.",
            ));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
