//! Authorization of requests: the API token or access token, and what it allows.

use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::answer::Answer;
use super::generator::Party;
use super::oauth::{AccessDenied, ApiRequest};
use super::okta_error::OktaError;
use super::org::Org;

/// The caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    /// An API token.
    Token(String),
    /// A service app by its client id.
    App(String),
}

impl Principal {
    /// The name under which requests are counted.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Token(token) => format!("token {token}"),
            Self::App(client_id) => format!("app {client_id}"),
        }
    }

    pub(super) fn is_token(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    /// As the System Log names it: the user whose token it is, or the app.
    pub(super) fn party(&self, token_owner: Option<&Party>) -> Party {
        match (self, token_owner) {
            (Self::Token(_), Some(owner)) => owner.clone(),
            (Self::Token(_), None) => Party::new("unknown", "User", "unknown", "unknown"),
            (Self::App(client_id), _) => Party::new(client_id, "PublicClientApp", client_id, client_id),
        }
    }
}

/// The caller, or the answer to an unauthorized request.
pub(super) fn principal(
    org: &Org,
    parts: &Parts,
    url: &str,
    scope: &str,
    now_s: i64,
) -> Result<Principal, Box<Answer>> {
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Okta's own SDK for Python sends no space after the scheme, and Okta takes it.
    if let Some(token) = given.and_then(|value| value.strip_prefix("SSWS")).map(str::trim) {
        let is_good = is_api_token(org, token);
        return if is_good { Ok(Principal::Token(token.to_owned())) } else { Err(invalid_token()) };
    }
    match given.and_then(|value| value.split_once(' ')) {
        Some((scheme @ ("Bearer" | "DPoP"), token)) => {
            let proofs = parts.headers.get_all("dpop").iter().filter_map(|line| line.to_str().ok());
            let proofs: Vec<_> = proofs.collect();
            let (method, token) = (parts.method.as_str(), token.trim());
            let request = ApiRequest { method, url, scheme, token, proofs: &proofs, scope };
            let grant =
                org.oauth.admit(request, now_s).map_err(|refusal| Box::new(refused(&refusal, scope)))?;
            Ok(Principal::App(grant.client_id))
        }
        _ => Err(invalid_token()),
    }
}

fn invalid_token() -> Box<Answer> {
    Box::new(Answer::error(&OktaError::invalid_token()))
}

fn is_api_token(org: &Org, token: &str) -> bool {
    match &org.token {
        Some(expected) => token == expected,
        None => !token.is_empty(),
    }
}

fn refused(refusal: &AccessDenied, scope: &str) -> Answer {
    let bearer = |error: &str| format!(r#"Bearer scope="{scope}", error="{error}""#);
    match refusal {
        AccessDenied::Token => {
            let answer = Answer::error(&OktaError::invalid_token());
            answer.with_header("www-authenticate", bearer("invalid_token"))
        }
        AccessDenied::Right => {
            let answer = Answer::error(&OktaError::access_denied());
            answer.with_header("www-authenticate", bearer("insufficient_scope"))
        }
        AccessDenied::Proof(error) => {
            let answer = Answer::empty(StatusCode::BAD_REQUEST);
            answer.with_header("www-authenticate", error.challenge())
        }
        AccessDenied::Nonce(nonce) => {
            let challenge = r#"DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof.""#;
            let answer = Answer::empty(StatusCode::UNAUTHORIZED).with_header("www-authenticate", challenge);
            answer.with_header("dpop-nonce", nonce.as_str())
        }
    }
}
