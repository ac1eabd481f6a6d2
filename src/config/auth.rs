//! How we identify ourselves to Okta, and which of its rights that takes.

use serde::{Deserialize, Deserializer, de};

use super::{
    Problem, Secret,
    secret::{Given, Secrets},
};
use crate::telemetry::chain;

/// How we identify ourselves to Okta.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API token, sent as `SSWS`.
    ApiToken(Secret),
    /// An OAuth 2.0 service app with a private key.
    PrivateKeyJwt(PrivateKeyJwt),
}

impl Auth {
    /// The credential itself.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::ApiToken(token) => token,
            Self::PrivateKeyJwt(app) => &app.private_key,
        }
    }
}

/// An OAuth 2.0 service app with a private key.
#[derive(Debug, Clone)]
pub struct PrivateKeyJwt {
    /// The app's client id, `0oa…`.
    pub client_id: String,
    /// PEM or JWK.
    pub private_key: Secret,
    /// The `kid` under which the app knows the key, where the key itself does not say it.
    pub key_id: Option<String>,
    /// What to sign with; the usual one for the key unless set.
    pub algorithm: Option<SigningAlgorithm>,
    /// Whether access tokens are to be bound to a key of ours.
    pub dpop: Dpop,
}

/// Algorithms that Okta takes for client assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SigningAlgorithm {
    /// RSA, SHA-256.
    Rs256,
    /// RSA, SHA-384.
    Rs384,
    /// RSA, SHA-512.
    Rs512,
    /// P-256, SHA-256.
    Es256,
    /// P-384, SHA-384.
    Es384,
    /// P-521, SHA-512.
    Es512,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Es256, Self::Es384, Self::Es512];

    /// Its name in JSON Web Algorithms.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }
}

/// Whether access tokens are to be bound to a key of ours (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dpop {
    /// If the app demands it.
    #[default]
    Auto,
    /// From the first request on.
    Always,
    /// Not even if the app demands it.
    Never,
}

impl<'de> Deserialize<'de> for Dpop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoOrBoolean;
        impl de::Visitor<'_> for AutoOrBoolean {
            type Value = Dpop;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("\"auto\", true or false")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Dpop, E> {
                Ok(if value { Dpop::Always } else { Dpop::Never })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Dpop, E> {
                match text {
                    "auto" => Ok(Dpop::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(AutoOrBoolean)
    }
}

/// A right that Okta grants to an app; an administrator role must go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To read the System Log.
    LogsRead,
    /// To read users and their factors.
    UsersRead,
    /// To create, change and delete users. Includes reading.
    UsersManage,
    /// To read groups and their members.
    GroupsRead,
    /// To create, change and delete groups, and to change who is in them. Includes reading.
    GroupsManage,
    /// To assign apps. Includes reading.
    AppsManage,
    /// To change network zones. Includes reading.
    NetworkZonesManage,
    /// To give administrator roles and take them. Includes reading.
    RolesManage,
}

impl Scope {
    /// Its name at Okta.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogsRead => "okta.logs.read",
            Self::UsersRead => "okta.users.read",
            Self::UsersManage => "okta.users.manage",
            Self::GroupsRead => "okta.groups.read",
            Self::GroupsManage => "okta.groups.manage",
            Self::AppsManage => "okta.apps.manage",
            Self::NetworkZonesManage => "okta.networkZones.manage",
            Self::RolesManage => "okta.roles.manage",
        }
    }

    /// The least administrator roles that go with it. A scope without the role gives nothing, and custom roles have no
    /// permission for the System Log.
    pub fn role(self) -> &'static str {
        match self {
            Self::LogsRead => "Report administrator or Read-only administrator",
            Self::UsersRead | Self::GroupsRead => {
                "Read-only administrator, or a custom role that may view them"
            }
            Self::UsersManage => {
                "Organization administrator, or a custom role with the permissions of the actions in use"
            }
            Self::GroupsManage => {
                "Group administrator, or a custom role that may manage groups and their members"
            }
            Self::AppsManage => {
                "Application administrator, or a custom role that may manage users' app assignments"
            }
            Self::NetworkZonesManage => "Organization administrator",
            Self::RolesManage => "Super administrator",
        }
    }
}

/// Keys of both methods; which of them a method has is checked when they are understood.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
    method: Option<Method>,
    token_file: Option<std::path::PathBuf>,
    token_env: Option<String>,
    token_credential: Option<String>,
    token: Option<secrecy::SecretString>,
    client_id: Option<String>,
    private_key_file: Option<std::path::PathBuf>,
    private_key_env: Option<String>,
    private_key_credential: Option<String>,
    private_key: Option<secrecy::SecretString>,
    key_id: Option<String>,
    algorithm: Option<SigningAlgorithm>,
    dpop: Option<Dpop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    ApiToken,
    PrivateKeyJwt,
}

pub(super) fn understand(raw: RawAuth, secrets: Secrets) -> Result<Auth, Problem> {
    let token = Given {
        file: raw.token_file,
        env: raw.token_env,
        credential: raw.token_credential,
        inline: raw.token,
    };
    let private_key = Given {
        file: raw.private_key_file,
        env: raw.private_key_env,
        credential: raw.private_key_credential,
        inline: raw.private_key,
    };
    let has_app = raw.client_id.is_some()
        || private_key.is_given()
        || raw.key_id.is_some()
        || raw.algorithm.is_some()
        || raw.dpop.is_some();
    match raw.method.unwrap_or(Method::ApiToken) {
        Method::ApiToken if has_app => Err(Problem::new(
            "method",
            "an API token has no such keys; for a service app say method = \"private_key_jwt\"",
        )),
        Method::ApiToken => {
            let token = token.understand("token", secrets)?;
            secrets.try_read_line(&token).map_err(|err| Problem::new("", chain(&err)))?;
            Ok(Auth::ApiToken(token))
        }
        Method::PrivateKeyJwt if token.is_given() => {
            Err(Problem::new("token", "a service app has a `private_key`, and no token"))
        }
        Method::PrivateKeyJwt => {
            let client_id = raw.client_id.filter(|id| !id.trim().is_empty()).ok_or_else(|| {
                Problem::new("client_id", "missing: the app's client id, which begins with 0oa")
            })?;
            let private_key = private_key.understand("private_key", secrets)?;
            secrets.try_read(&private_key).map_err(|err| Problem::new("", chain(&err)))?;
            Ok(Auth::PrivateKeyJwt(PrivateKeyJwt {
                client_id,
                private_key,
                key_id: raw.key_id,
                algorithm: raw.algorithm,
                dpop: raw.dpop.unwrap_or_default(),
            }))
        }
    }
}
