//! Who asks: the API token or the access token of a request, and what it opens.

use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::answer::Answer;
use super::oauth::{ApiRequest, Refusal};
use super::okta_error::OktaError;
use super::org::Org;

/// The name under which requests are counted, or the answer to those that may not ask.
pub(super) fn principal(
    org: &Org,
    parts: &Parts,
    url: &str,
    scope: &str,
    now_s: i64,
) -> Result<String, Box<Answer>> {
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Okta's own SDK for Python sends no space after the scheme, and Okta takes it.
    if let Some(token) = given.and_then(|value| value.strip_prefix("SSWS")).map(str::trim) {
        let is_good = is_api_token(org, token);
        return if is_good { Ok(format!("token {token}")) } else { Err(invalid_token()) };
    }
    match given.and_then(|value| value.split_once(' ')) {
        Some((scheme @ ("Bearer" | "DPoP"), token)) => {
            let proofs = parts.headers.get_all("dpop").iter().filter_map(|line| line.to_str().ok());
            let proofs: Vec<_> = proofs.collect();
            let (method, token) = (parts.method.as_str(), token.trim());
            let request = ApiRequest { method, url, scheme, token, proofs: &proofs, scope };
            let grant =
                org.oauth.admit(request, now_s).map_err(|refusal| Box::new(refused(&refusal, scope)))?;
            Ok(format!("app {}", grant.client_id))
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

fn refused(refusal: &Refusal, scope: &str) -> Answer {
    let bearer = |error: &str| format!(r#"Bearer scope="{scope}", error="{error}""#);
    match refusal {
        Refusal::Token => {
            let answer = Answer::error(&OktaError::invalid_token());
            answer.with_header("www-authenticate", bearer("invalid_token"))
        }
        Refusal::Right => {
            let answer = Answer::error(&OktaError::access_denied());
            answer.with_header("www-authenticate", bearer("insufficient_scope"))
        }
        Refusal::Proof(error) => {
            let answer = Answer::empty(StatusCode::BAD_REQUEST);
            answer.with_header("www-authenticate", error.challenge())
        }
        Refusal::Nonce(nonce) => {
            let challenge = r#"DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof.""#;
            let answer = Answer::empty(StatusCode::UNAUTHORIZED).with_header("www-authenticate", challenge);
            answer.with_header("dpop-nonce", nonce.as_str())
        }
    }
}
