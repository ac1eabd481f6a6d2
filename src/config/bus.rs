//! Connections to Kafka and NATS, named once and used by sinks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    KafkaBus, Problem, Secret,
    secret::{Given, InlineSecrets},
};
use crate::telemetry::chain;

/// A bus by its kind.
#[derive(Debug, Clone)]
pub enum BusConfig {
    /// A Kafka cluster.
    Kafka(Arc<KafkaBus>),
    /// A NATS server or cluster.
    Nats(Arc<NatsBus>),
}

impl BusConfig {
    /// What a reviewer should know of how the connection is protected.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Kafka(bus) => bus.warnings(),
            Self::Nats(_) => Vec::new(),
        }
    }

    /// Asks those who are connected to read secrets and certificate authorities again.
    pub fn reload(&self) {
        match self {
            Self::Kafka(bus) => bus.reloads.ask(),
            // A NATS client reads them with each connection that it makes.
            Self::Nats(_) => {}
        }
    }
}

/// How to reach a NATS server or cluster.
#[derive(Debug)]
pub struct NatsBus {
    /// Its name in the configuration.
    pub name: String,
    /// `nats://host:port` or `tls://host:port`, at least one.
    pub servers: Vec<String>,
    /// Who we are.
    pub auth: NatsAuth,
    /// Whether TLS is demanded even where the server does not ask for it.
    pub require_tls: bool,
    /// Certificate authorities to trust in place of those of the system, PEM.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub client_certificate: Option<ClientCertificate>,
}

/// A certificate that identifies us, with its key; both PEM files.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate chain.
    pub certificate_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// How we identify ourselves to NATS.
#[derive(Debug, Clone)]
pub enum NatsAuth {
    /// Not at all.
    None,
    /// A `.creds` file: JWT and nkey seed.
    Credentials(Secret),
    /// An nkey seed.
    Nkey(Secret),
    /// A token.
    Token(Secret),
    /// A user with a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Keys of both kinds; which of them a kind has is checked when they are understood.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBus {
    kind: BusKind,
    brokers: Option<Vec<String>>,
    #[serde(default)]
    options: BTreeMap<String, Scalar>,
    #[serde(default)]
    secret_options: BTreeMap<String, RawSecret>,
    #[serde(default)]
    allow_plaintext_credentials: bool,
    servers: Option<Vec<String>>,
    #[serde(default)]
    auth: RawNatsAuth,
    #[serde(default)]
    tls: RawTls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BusKind {
    Kafka,
    Nats,
}

/// The value of a librdkafka property as TOML may have it.
#[derive(Debug)]
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl serde::de::Visitor<'_> for AnyScalar {
            type Value = Scalar;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a string, a number or a boolean")
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    file: Option<PathBuf>,
    env: Option<String>,
    credential: Option<String>,
    value: Option<SecretString>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNatsAuth {
    credentials_file: Option<PathBuf>,
    credentials_credential: Option<String>,
    nkey_file: Option<PathBuf>,
    nkey_env: Option<String>,
    nkey_credential: Option<String>,
    nkey: Option<SecretString>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    token_credential: Option<String>,
    token: Option<SecretString>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    password_credential: Option<String>,
    password: Option<SecretString>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    #[serde(default)]
    required: bool,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

/// librdkafka properties whose values must not stand in the configuration itself.
const SECRET_PROPERTIES: [&str; 9] = [
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

pub(super) fn understand(name: &str, raw: RawBus, secrets: InlineSecrets) -> Result<BusConfig, Problem> {
    match raw.kind {
        BusKind::Kafka => kafka(name, raw, secrets).map(|bus| BusConfig::Kafka(Arc::new(bus))),
        BusKind::Nats => nats(name, raw, secrets).map(|bus| BusConfig::Nats(Arc::new(bus))),
    }
}

fn kafka(name: &str, raw: RawBus, secrets: InlineSecrets) -> Result<KafkaBus, Problem> {
    if raw.servers.is_some() {
        return Err(Problem::new("servers", "a bus of kind kafka has `brokers`"));
    }
    let brokers = non_empty("brokers", raw.brokers, "kafka-1:9092")?;
    let mut secret_options = BTreeMap::new();
    for (property, RawSecret { file, env, credential, value }) in raw.secret_options {
        let under = |problem: Problem| problem.under(&format!("secret_options.{property}"));
        let given = Given { file, env, credential, inline: value };
        let secret = given.understand("value", secrets).map_err(under)?;
        secret.read().map_err(|err| under(Problem::new("", chain(&err))))?;
        secret_options.insert(property, secret);
    }
    for property in SECRET_PROPERTIES {
        if secrets == InlineSecrets::Refused && raw.options.contains_key(property) {
            let reason = format!(
                "this is a secret: move it to `secret_options`, as \"{property}\" = {{ file = \"…\" }}"
            );
            return Err(Problem::new(format!("options.{property}"), reason));
        }
    }
    let options = raw.options.into_iter().map(|(property, Scalar(value))| (property, value)).collect();
    let bus = KafkaBus {
        name: name.to_owned(),
        brokers,
        options,
        secret_options,
        allow_plaintext_credentials: raw.allow_plaintext_credentials,
        ..KafkaBus::default()
    };
    bus.understood()
}

fn nats(name: &str, raw: RawBus, secrets: InlineSecrets) -> Result<NatsBus, Problem> {
    if raw.brokers.is_some() || !raw.options.is_empty() || !raw.secret_options.is_empty() {
        return Err(Problem::new("brokers", "a bus of kind nats has `servers`, `auth` and `tls`"));
    }
    let servers = non_empty("servers", raw.servers, "nats://nats-1:4222")?;
    let auth = nats_auth(raw.auth, secrets).map_err(|err| err.under("auth"))?;
    let client_certificate = match (raw.tls.certificate_file, raw.tls.key_file) {
        (Some(certificate_file), Some(key_file)) => Some(ClientCertificate { certificate_file, key_file }),
        (None, None) => None,
        _ => return Err(Problem::new("tls", "`certificate_file` and `key_file` come together")),
    };
    Ok(NatsBus {
        name: name.to_owned(),
        servers,
        auth,
        require_tls: raw.tls.required,
        ca_file: raw.tls.ca_file,
        client_certificate,
    })
}

fn nats_auth(raw: RawNatsAuth, secrets: InlineSecrets) -> Result<NatsAuth, Problem> {
    let credentials =
        Given { file: raw.credentials_file, credential: raw.credentials_credential, ..Given::default() };
    let nkey =
        Given { file: raw.nkey_file, env: raw.nkey_env, credential: raw.nkey_credential, inline: raw.nkey };
    let token = Given {
        file: raw.token_file,
        env: raw.token_env,
        credential: raw.token_credential,
        inline: raw.token,
    };
    let password = Given {
        file: raw.password_file,
        env: raw.password_env,
        credential: raw.password_credential,
        inline: raw.password,
    };
    let ways = [credentials.is_given(), nkey.is_given(), token.is_given(), raw.user.is_some()];
    if ways.iter().filter(|given| **given).count() > 1 {
        return Err(Problem::new("", "credentials, nkey, token and user exclude each other"));
    }
    let readable = |name: &str, given: Given| {
        let secret = given.understand(name, secrets)?;
        secret.read().map_err(|err| Problem::new("", chain(&err)))?;
        Ok(secret)
    };
    if credentials.is_given() {
        return readable("credentials", credentials).map(NatsAuth::Credentials);
    }
    if nkey.is_given() {
        return readable("nkey", nkey).map(NatsAuth::Nkey);
    }
    if token.is_given() {
        return readable("token", token).map(NatsAuth::Token);
    }
    let Some(user) = raw.user else { return Ok(NatsAuth::None) };
    Ok(NatsAuth::Password { user, password: readable("password", password)? })
}

fn non_empty(key: &str, list: Option<Vec<String>>, example: &str) -> Result<Vec<String>, Problem> {
    let list = list.filter(|list| !list.is_empty() && list.iter().all(|item| !item.trim().is_empty()));
    list.ok_or_else(|| Problem::new(key, format!("give at least one, for example [\"{example}\"]")))
}
