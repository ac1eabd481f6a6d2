//! The settings of a client: URL of the org, credentials and limits. Reads nothing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};
use url::Url;

use super::{PemSource, Scope, SecretSource, Source};

/// The default share of a rate-limit bucket.
pub const BUDGET_SHARE_DEFAULT: f64 = 0.5;

/// One Okta tenant.
#[derive(Debug, Clone)]
pub struct Org {
    /// Its name, for logs, errors and observers.
    pub name: String,
    /// `https://<domain>/`, or plain http on a loopback address: elsewhere the credential would travel in the clear.
    pub url: Url,
    /// How we identify ourselves.
    pub auth: Auth,
    /// The rights that a service app asks for beside the System Log's.
    pub scopes: BTreeSet<Scope>,
    /// The share of each rate-limit bucket that we may use, above 0 and at most 1.
    pub budget_share: f64,
    /// Timeouts, limits and the proxy.
    pub http: HttpSettings,
}

/// Timeouts, limits and the proxy.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The `User-Agent`.
    pub user_agent: String,
    /// Until a connection is established.
    pub connect_timeout: Duration,
    /// Between two chunks of an answer. Okta aborts a query after 30 seconds.
    pub read_timeout: Duration,
    /// For a whole answer.
    pub total_timeout: Duration,
    /// The largest answer, decompressed.
    pub body_max_bytes: usize,
    /// Certificate authorities to trust beside those of the system, PEM.
    pub authorities: Option<PemSource>,
    /// A proxy other than the one that the environment names.
    pub proxy: Option<Url>,
    /// The credentials for that proxy.
    pub proxy_auth: Option<ProxyAuth>,
}

/// Credentials for a proxy.
#[derive(Debug, Clone)]
pub struct ProxyAuth {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretSource,
}

/// How we identify ourselves to Okta.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API token, sent as `SSWS`.
    ApiToken(SecretSource),
    /// An OAuth 2.0 service app with a private key.
    PrivateKeyJwt(PrivateKeyJwt),
}

impl Auth {
    /// The API token that comes from `source`.
    pub fn api_token(source: impl Source<SecretString> + 'static) -> Self {
        Self::ApiToken(Arc::new(source))
    }

    /// The credential itself.
    pub fn secret(&self) -> &SecretSource {
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
    pub private_key: SecretSource,
    /// The `kid` under which the app knows the key, where the key itself does not say it.
    pub key_id: Option<String>,
    /// The algorithm to sign with; the usual one for the key by default.
    pub algorithm: Option<SigningAlgorithm>,
    /// Whether access tokens are to be bound to a key of ours.
    pub dpop: Dpop,
}

/// Algorithms that Okta accepts for client assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
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
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in JSON Web Algorithms.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Whether access tokens are to be bound to a key of ours (RFC 9449). In configurations and errors `"auto"`, `true` or
/// `false`.
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

impl Org {
    /// The org of this name at `url`, with the defaults: half of each rate-limit bucket, and no scope but the System Log's.
    pub fn new(name: impl Into<String>, url: Url, auth: Auth) -> Self {
        let (scopes, http) = (BTreeSet::new(), HttpSettings::default());
        Self { name: name.into(), url, auth, scopes, budget_share: BUDGET_SHARE_DEFAULT, http }
    }

    /// Whether the org is on this machine, as a simulated one is. No proxy is used then.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }
}

/// Whether `url` leads to this machine, so that plain http does not expose a credential.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(domain)) => domain == "localhost",
        None => false,
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            user_agent: concat!("okta-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(35),
            total_timeout: Duration::from_secs(60),
            body_max_bytes: 64 << 20,
            authorities: None,
            proxy: None,
            proxy_auth: None,
        }
    }
}
