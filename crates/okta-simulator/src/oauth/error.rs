//! OAuth's errors as Okta's catalogue of them words them.

use axum::http::StatusCode;

use super::super::answer::Answer;

/// An error of the token endpoint or of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: String,
}

impl OAuthError {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self { status, code, description: description.into() }
    }

    /// Something about the client or its assertion.
    pub(super) fn invalid_client(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    pub(super) fn invalid_issuer() -> Self {
        Self::invalid_client("The issuer claim for client_assertion is not a valid client_id.")
    }

    pub(super) fn must_use_private_key() -> Self {
        Self::invalid_client(
            "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.",
        )
    }

    pub(super) fn invalid_request(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn unsupported_grant_type() -> Self {
        let description = "The authorization grant type is not supported by the authorization server.";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    }

    pub(super) fn invalid_scope(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    pub(super) fn invalid_proof(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_dpop_proof", description)
    }

    pub(super) fn use_nonce() -> Self {
        let description = "Authorization server requires nonce in DPoP proof.";
        Self::new(StatusCode::BAD_REQUEST, "use_dpop_nonce", description)
    }

    pub(super) fn not_bound() -> Self {
        Self::invalid_proof("The access_token is not bound to the provided DPoP proof.")
    }

    pub(super) fn must_use_dpop() -> Self {
        let description = "Requests with a DPoP-bound access token must use the DPoP authentication scheme.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// As the token endpoint answers it.
    pub(super) fn answer(&self) -> Answer {
        let body = serde_json::json!({ "error": self.code, "error_description": self.description });
        Answer::json(self.status, body.to_string().into_bytes())
    }

    /// As the API tells it, in `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> String {
        let (code, description) = (self.code, &self.description);
        format!(
            r#"DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512", error="{code}", error_description="{description}""#
        )
    }
}
