//! Why there is no credential, and what an operator can do about it.

use crate::{Class, OktaError, SourceError};

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(SourceError),
    /// The private key cannot be used.
    #[error("the private key from {origin} cannot be used: {reason}")]
    PrivateKey {
        /// Where it comes from.
        origin: String,
        /// What is wrong with it, and what is expected.
        reason: String,
    },
    /// Okta does not give an access token.
    #[error(
        "okta gave no access token for {scopes}, but {status} {error}: {description}{}",
        request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default()
    )]
    Refused {
        /// The scopes that were asked for.
        scopes: String,
        /// The HTTP status.
        status: u16,
        /// OAuth's error code, for example `invalid_client`; or Okta's own.
        error: String,
        /// What Okta wrote, shortened.
        description: String,
        /// Okta's id of the request, for its support.
        request_id: Option<String>,
    },
    /// An answer with status 200 that is not a usable token.
    #[error("the answer is no usable access token: {0}")]
    NotAToken(String),
    /// A bearer token, although the settings demand a token that is bound to our key.
    #[error("okta gave a bearer token, and `dpop = true` demands one that is bound to a key")]
    Unbound,
    /// The token endpoint could not be reached.
    #[error(transparent)]
    Unanswered(Box<OktaError>),
    /// The system gave no random numbers for a signature.
    #[error("cannot sign: the system gives no random numbers")]
    Unsigned,
    /// The process stops.
    #[error("interrupted")]
    Interrupted,
}

impl AuthError {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Secret(_) | Self::PrivateKey { .. } => Class::Authentication,
            Self::Unbound => Class::Configuration,
            Self::Refused { status, error, .. } => match (*status, error.as_str()) {
                (500.., _) | (_, "temporarily_unavailable" | "server_error") => Class::Retry(None),
                (300..=399 | 404 | 405, _) => Class::Configuration,
                _ => Class::Authentication,
            },
            Self::Unanswered(error) => error.class(),
            Self::NotAToken(_) | Self::Unsigned | Self::Interrupted => Class::Retry(None),
        }
    }

    /// Whether a scope is not granted to the app.
    pub(crate) fn is_scope(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error == "invalid_scope")
    }

    /// The part of the message that is the same when the same error occurs again, so without Okta's request id.
    pub(crate) fn essence(&self) -> String {
        match self {
            Self::Refused { status, error, description, .. } => format!("{status} {error} {description}"),
            Self::Unanswered(error) => error.essence(),
            other => other.to_string(),
        }
    }

    /// What an operator can do, where the message does not say it. Okta has few codes, so its words help to tell
    /// the causes apart; unknown words get the general advice.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Refused { status, error, description, .. } => remedy(*status, error, description),
            Self::Unanswered(error) => error.remedy(),
            Self::Unbound => Some(
                "let the app demand DPoP (Applications, the app, General Settings, \"Require Demonstrating Proof of \
                 Possession (DPoP) header in token requests\"), or leave `dpop` at its default \"auto\"",
            ),
            Self::Secret(_)
            | Self::PrivateKey { .. }
            | Self::NotAToken(_)
            | Self::Unsigned
            | Self::Interrupted => None,
        }
    }
}

fn remedy(status: u16, error: &str, description: &str) -> Option<&'static str> {
    let says = |words: &str| description.contains(words);
    match (status, error) {
        (_, "invalid_client") if says("kid") => Some(
            "no key of the app has this `key_id`: take the kid that the app shows for the key's public half, or leave \
             `key_id` out if the app has one key",
        ),
        (_, "invalid_client") if says("signature") => Some(
            "the app does not know this key: register its public half (Applications, the app, Public keys), or name the \
             key that is registered",
        ),
        (_, "invalid_client") if says("expired") || says("current time") || says("future") => {
            Some("the clocks disagree: set this machine's clock, for example with chrony")
        }
        (_, "invalid_client") if says("audience") => Some(
            "the org's domain must be the name under which Okta sees itself: its own domain or its custom domain",
        ),
        (_, "invalid_client") if says("private_key_jwt") || says("JWKSet") => {
            Some("set the app's client authentication to \"Public key / Private key\"")
        }
        (_, "invalid_client") => {
            Some("check `client_id`, and that the app is active and of the type \"API Services\"")
        }
        (_, "invalid_scope") => Some(
            "not all of these scopes are granted to the app: grant them (Applications, the app, Okta API Scopes; a super \
             administrator can), or ask for fewer",
        ),
        (_, "invalid_dpop_proof") if says("header is missing") => {
            Some("the app demands DPoP: leave `dpop` at its default \"auto\", or set it to true")
        }
        (_, "invalid_dpop_proof") => {
            Some("set this machine's clock; if that is right, this is worth a report")
        }
        (_, "access_denied") => {
            Some("the app may be used from certain network zones only: add this machine's address")
        }
        (_, "unauthorized_client" | "unsupported_grant_type") => {
            Some("the app must be of the type \"API Services\", with the grant type client credentials")
        }
        (300..=399 | 404 | 405, _) => Some("check the org's domain: this does not look like an Okta org"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, error: &str, description: &str) -> AuthError {
        let (error, description) = (error.to_owned(), description.to_owned());
        let scopes = "okta.logs.read".to_owned();
        AuthError::Refused { scopes, status, error, description, request_id: None }
    }

    #[test]
    fn every_cause_has_a_remedy_of_its_own() {
        for (error, description, expected) in [
            ("invalid_client", "The client_assertion JWT kid is invalid.", "key_id"),
            ("invalid_client", "The client_assertion signature is invalid.", "public half"),
            ("invalid_client", "The client_assertion token is expired.", "clock"),
            ("invalid_client", "The client_assertion token must be issued before the current time.", "clock"),
            (
                "invalid_client",
                "The audience claim for client_assertion must be the endpoint invoked for the request.",
                "domain",
            ),
            ("invalid_client", "in words that nobody has seen", "client_id"),
            ("invalid_scope", "One or more scopes are not configured.", "Okta API Scopes"),
            ("invalid_dpop_proof", "The DPoP proof JWT header is missing.", "auto"),
            ("access_denied", "outside the client's permitted network zones", "network zones"),
        ] {
            let error = refused(401, error, description);
            assert!(error.remedy().unwrap().contains(expected), "{error}");
            assert_eq!(error.class(), Class::Authentication, "{error}");
        }
        assert_eq!(refused(503, "E0000010", "read only").class(), Class::Retry(None));
        assert_eq!(refused(404, "", "").class(), Class::Configuration);
    }
}
