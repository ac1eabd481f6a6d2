//! Service apps: their keys, the scopes they were granted, their roles.

use serde::Deserialize;
use serde_json::Value;

use super::error::OAuthError;
use super::jwt::{KeyError, PublicKey};

/// Roles that change nothing.
const READING_ROLES: [&str; 2] = ["READ_ONLY_ADMIN", "REPORT_ADMIN"];

/// A service app, in the shape of Okta's own client object as far as it goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Typed")]
pub(crate) struct App {
    pub(super) client_id: String,
    pub(super) keys: Vec<RegisteredKey>,
    scopes: Vec<String>,
    roles: Vec<String>,
    pub(super) dpop_bound_access_tokens: bool,
    pub(super) api_demands_nonce: bool,
}

/// A public key and the name under which the app knows it.
#[derive(Clone, Debug)]
pub(super) struct RegisteredKey {
    pub(super) kid: String,
    pub(super) key: PublicKey,
}

/// As it is written in a file or sent to `POST /-/apps`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    client_id: String,
    jwks: Jwks,
    #[serde(default = "default_scopes")]
    scopes: Vec<String>,
    #[serde(default = "default_roles")]
    roles: Vec<String>,
    #[serde(default)]
    dpop_bound_access_tokens: bool,
    #[serde(default)]
    api_demands_nonce: bool,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

/// Why an app is not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    #[error("the app {client_id} has no key")]
    NoKey { client_id: String },
    #[error("two keys of the app {client_id} have the kid `{kid}`")]
    SameKid { client_id: String, kid: String },
    #[error("a key of the app {client_id} cannot be used")]
    Key { client_id: String, source: KeyError },
    #[error("the app {client_id} must register the public halves of its keys only")]
    Private { client_id: String },
}

impl TryFrom<Typed> for App {
    type Error = AppError;

    fn try_from(typed: Typed) -> Result<Self, AppError> {
        let client_id = typed.client_id;
        let mut keys: Vec<RegisteredKey> = Vec::new();
        for jwk in &typed.jwks.keys {
            if jwk.get("d").is_some() {
                return Err(AppError::Private { client_id });
            }
            let kid = jwk["kid"].as_str().unwrap_or_default().to_owned();
            if keys.iter().any(|key| key.kid == kid) {
                return Err(AppError::SameKid { client_id, kid });
            }
            match PublicKey::from_jwk(jwk) {
                Ok(key) => keys.push(RegisteredKey { kid, key }),
                Err(source) => return Err(AppError::Key { client_id, source }),
            }
        }
        if keys.is_empty() {
            return Err(AppError::NoKey { client_id });
        }
        Ok(Self {
            client_id,
            keys,
            scopes: typed.scopes,
            roles: typed.roles,
            dpop_bound_access_tokens: typed.dpop_bound_access_tokens,
            api_demands_nonce: typed.api_demands_nonce,
        })
    }
}

impl App {
    /// The scopes of a token: those that were asked for, if the app was granted all of them.
    pub(super) fn grant(&self, asked: &str) -> Result<String, OAuthError> {
        let asked: Vec<&str> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
        if asked.is_empty() {
            return Err(OAuthError::invalid_scope(
                "The authorization server resource does not have any configured default scopes, 'scope' must be provided.",
            ));
        }
        if asked.iter().any(|scope| !self.scopes.iter().any(|granted| granted == scope)) {
            let description = "One or more scopes are not configured for the authorization server resource.";
            return Err(OAuthError::invalid_scope(description));
        }
        Ok(asked.join(" "))
    }

    /// Whether a role of the app goes with this scope: any will do to read.
    pub(super) fn may(&self, scope: &str) -> bool {
        let reads = scope.ends_with(".read");
        self.roles.iter().any(|role| reads || !READING_ROLES.contains(&role.as_str()))
    }

    /// The key that an assertion names; without a name, the only one.
    pub(super) fn key(&self, kid: Option<&str>) -> Option<&PublicKey> {
        let found = match (kid, &self.keys[..]) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid == kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.map(|key| &key.key)
    }
}

fn default_scopes() -> Vec<String> {
    vec!["okta.logs.read".to_owned()]
}

fn default_roles() -> Vec<String> {
    vec!["READ_ONLY_ADMIN".to_owned()]
}
