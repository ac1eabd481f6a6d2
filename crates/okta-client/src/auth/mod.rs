//! Authentication: the credential of each request, and what a refusal means for it.
//!
//! The configuration chooses an API token, or a service app that gets access tokens with a private key, bound by DPoP
//! if the org demands it. Secrets are read when they are needed, so that they can be rotated.

mod api_token;
mod assertion;
mod dpop;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod grant;
mod jws;
mod private_key;
mod rotation;
mod service_app;
mod token;

use std::sync::Arc;

use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::error::AuthError;
use self::{
    api_token::ApiToken, private_key::PrivateKey, rotation::Version, service_app::ServiceApp,
    token::AccessToken,
};
use super::{
    OktaError,
    transport::{ClientError, Reply, Transport},
};
use crate::{Auth, Org, Scope, SecretSource, chain::chain};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// How we identify ourselves to one org.
#[derive(Debug)]
pub(super) enum Authenticator {
    ApiToken(ApiToken),
    ServiceApp(Box<ServiceApp>),
}

/// What one request is authorized with.
#[derive(Debug)]
pub(super) enum Credential {
    ApiToken(Version<SecretString>),
    AccessToken(Arc<AccessToken>),
}

/// Whether to make another attempt at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer stands.
    Final,
    /// The credential was refused, and there is another one.
    TryAgain,
}

/// Reads a private key, to see whether a service app could sign with it.
pub fn require_private_key(source: &SecretSource) -> Result<(), AuthError> {
    PrivateKey::read(source, None, None).map(drop)
}

impl Authenticator {
    /// As configured for `org`. A private key is read to see that it can be used.
    pub(super) fn new(org: &Org) -> Result<Self, ClientError> {
        match &org.auth {
            Auth::ApiToken(secret) => Ok(Self::ApiToken(ApiToken::new(Arc::clone(secret)))),
            Auth::PrivateKeyJwt(app) => {
                let app = ServiceApp::new(org, app.clone())
                    .map_err(|err| ClientError::PrivateKey { reason: chain(&err) })?;
                Ok(Self::ServiceApp(Box::new(app)))
            }
        }
    }

    /// The same without reading a key.
    pub(super) fn unread(org: &Org) -> Self {
        match &org.auth {
            Auth::ApiToken(secret) => Self::ApiToken(ApiToken::new(Arc::clone(secret))),
            Auth::PrivateKeyJwt(app) => Self::ServiceApp(Box::new(ServiceApp::unread(org, app.clone()))),
        }
    }

    /// The credential for the next request to `url`. Gets an access token first if there is none; all requests that
    /// need one wait for the same token request.
    pub(super) async fn credential(&self, url: &Url, transport: &Transport) -> Result<Credential, OktaError> {
        match self {
            Self::ApiToken(token) => Ok(Credential::ApiToken(token.current().await?)),
            Self::ServiceApp(app) => Ok(Credential::AccessToken(app.access_token(url, transport).await?)),
        }
    }

    /// The scopes besides the System Log's that Okta has not granted. Requests a token for each scope alone. Empty for an API token.
    pub(super) async fn ungranted_scopes(&self, transport: &Transport) -> Result<Vec<Scope>, OktaError> {
        match self {
            Self::ApiToken(_) => Ok(Vec::new()),
            Self::ServiceApp(app) => app.ungranted(transport).await,
        }
    }

    /// Takes how Okta answered a request with this credential, and by how many seconds the clock was wrong with which it
    /// was signed.
    pub(super) async fn judge(&self, credential: &Credential, reply: &Reply, clock_error_s: u64) -> Verdict {
        match (self, credential) {
            (Self::ApiToken(token), Credential::ApiToken(version)) => {
                token.judge(version, reply.status == StatusCode::UNAUTHORIZED).await
            }
            (Self::ServiceApp(app), Credential::AccessToken(token)) => app.judge(token, reply, clock_error_s),
            // Each credential comes from this authenticator.
            _ => Verdict::Final,
        }
    }

    /// Reads the secret again, and logs the result.
    pub(super) async fn reload(&self, org: &str) {
        let reloaded = match self {
            Self::ApiToken(token) => token.reload().await,
            Self::ServiceApp(app) => app.reload().await,
        };
        match reloaded {
            Ok(true) => {
                tracing::info!(org, "the secret was read again and has changed; it is used from now on");
            }
            Ok(false) => tracing::info!(org, "the secret was read again and is the same"),
            Err(err) => {
                let err = chain(&err);
                tracing::error!(
                    org,
                    error = err,
                    "the secret was read again and cannot be used; going on with the one before"
                );
            }
        }
    }

    /// Why the secret at its source is not used, if the one before still is.
    pub(super) fn secret_trouble(&self) -> Option<String> {
        match self {
            Self::ApiToken(token) => token.trouble(),
            Self::ServiceApp(app) => app.secret_trouble(),
        }
    }

    /// In words, for people.
    pub(super) fn description(&self) -> String {
        match self {
            Self::ApiToken(_) => "API token".to_owned(),
            Self::ServiceApp(app) => app.description(),
        }
    }
}

impl Credential {
    /// The headers that authorize one attempt at `method` on `url`. Each attempt gets a new DPoP proof, because none may be
    /// sent twice.
    pub(super) fn headers(
        &self,
        method: &Method,
        url: &Url,
        epoch_seconds: i64,
    ) -> Result<HeaderMap, OktaError> {
        let mut headers = HeaderMap::new();
        match self {
            Self::ApiToken(version) => {
                headers.insert(AUTHORIZATION, secret_header("SSWS ", &version.value)?);
            }
            Self::AccessToken(token) => {
                headers.insert(AUTHORIZATION, secret_header(token.scheme(), token.secret())?);
                if let Some(proof) = token.proof(method.as_str(), url, epoch_seconds) {
                    headers.insert(DPOP, secret_header("", &SecretString::from(proof))?);
                }
            }
        }
        Ok(headers)
    }
}

/// A header whose value is never shown.
fn secret_header(prefix: &str, secret: &SecretString) -> Result<HeaderValue, OktaError> {
    let value = HeaderValue::try_from(format!("{prefix}{}", secret.expose_secret()));
    let mut value =
        value.map_err(|_| AuthError::NotAToken("it has characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
