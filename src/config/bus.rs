//! Connections to Kafka and NATS, named once and used by sinks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    KafkaBus, Problem, Secret, address, nats_servers,
    secret::{Given, Secrets},
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
    /// URLs of the schemes `nats`, `tls`, `ws` or `wss`, at least one, without credentials.
    pub servers: Vec<String>,
    /// Who we are.
    pub auth: NatsAuth,
    /// Whether anything may be said without TLS.
    pub tls: NatsTls,
    /// Certificate authorities to trust in place of those of the system, PEM.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub client_certificate: Option<ClientCertificate>,
    /// What the subjects of the JetStream API begin with, if not with `$JS.API`.
    pub api_prefix: Option<String>,
    /// What the subjects begin with on which we are answered, if not with `_INBOX`.
    pub inbox_prefix: Option<String>,
}

/// Whether TLS protects what is said to a NATS server whose address does not say so itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NatsTls {
    /// If the server asks for it. Whoever stands in for the server need not.
    #[default]
    Offered,
    /// Always: a server that does not speak it is told nothing.
    Required,
    /// Always, and before the server has said a word.
    First,
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
    servers: Option<Vec<String>>,
    #[serde(default)]
    auth: RawNatsAuth,
    tls: Option<RawTls>,
    #[serde(default)]
    jetstream: RawJetStream,
    inbox_prefix: Option<String>,
    /// Whether passwords and the like may travel beyond loopback without TLS, on a bus of either kind.
    #[serde(default)]
    allow_plaintext_credentials: bool,
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
    required: Option<bool>,
    #[serde(default)]
    first: bool,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJetStream {
    domain: Option<String>,
    api_prefix: Option<String>,
}

impl RawJetStream {
    fn is_given(&self) -> bool {
        self.domain.is_some() || self.api_prefix.is_some()
    }
}

/// Parts of the names of librdkafka properties whose values must not stand in the configuration itself: what a later
/// version of it has is known by its name, too. `sasl.oauthbearer.config` is whatever its handler takes.
const SECRET_PARTS: [&str; 8] = [
    "password",
    "passphrase",
    "secret",
    "private.key",
    "key.pem",
    "jaas",
    "credentials",
    "oauthbearer.config",
];
/// Properties with such a part that name a file.
const FILE_ENDS: [&str; 2] = [".location", ".file"];

pub(super) fn understand(name: &str, raw: RawBus, secrets: Secrets) -> Result<BusConfig, Problem> {
    match raw.kind {
        BusKind::Kafka => kafka(name, raw, secrets).map(|bus| BusConfig::Kafka(Arc::new(bus))),
        BusKind::Nats => nats(name, raw, secrets).map(|bus| BusConfig::Nats(Arc::new(bus))),
    }
}

fn kafka(name: &str, raw: RawBus, secrets: Secrets) -> Result<KafkaBus, Problem> {
    if raw.servers.is_some() {
        return Err(Problem::new("servers", "a bus of kind kafka has `brokers`"));
    }
    let is_nats = raw.tls.is_some() || raw.inbox_prefix.is_some() || raw.jetstream.is_given();
    if is_nats {
        return Err(Problem::new("", "a bus of kind kafka has no `tls`, `jetstream` or `inbox_prefix`"));
    }
    let brokers = non_empty("brokers", raw.brokers, "kafka-1:9092")?;
    refuse_userinfo(
        "brokers",
        &brokers,
        "`options.\"sasl.username\"` and `secret_options.\"sasl.password\"`",
    )?;
    brokers.iter().try_for_each(|broker| require_broker(broker))?;
    let mut secret_options = BTreeMap::new();
    for (property, RawSecret { file, env, credential, value }) in raw.secret_options {
        let under = |problem: Problem| problem.under(&format!("secret_options.{property}"));
        // What decides how we are protected must be seen here.
        if !is_secret(&property) && !property.ends_with("username") {
            return Err(under(Problem::new("", "this is no secret: move it to `options`")));
        }
        let given = Given { file, env, credential, inline: value };
        let secret = given.understand("value", secrets).map_err(under)?;
        secrets.try_read(&secret).map_err(|err| under(Problem::new("", chain(&err))))?;
        secret_options.insert(property, secret);
    }
    let mut options = BTreeMap::new();
    for (property, Scalar(value)) in raw.options {
        if !is_secret(&property) {
            options.insert(property, value);
            continue;
        }
        if !secrets.may_be_inline {
            let reason = format!(
                "this is a secret: move it to `secret_options`, as \"{property}\" = {{ file = \"…\" }}"
            );
            return Err(Problem::new(format!("options.{property}"), reason));
        }
        // From here on it is one, and never shown.
        secret_options.insert(property, Secret::Inline(value.into()));
    }
    let bus = KafkaBus {
        name: name.to_owned(),
        brokers,
        options,
        secret_options,
        allow_plaintext_credentials: raw.allow_plaintext_credentials,
        ..KafkaBus::default()
    };
    if secrets.are_read {
        bus.files().try_for_each(|file| file.require()).map_err(|err| Problem::new("", chain(&err)))?;
    }
    bus.understood()
}

/// Refuses what is not `host` or `host:port`: the client would take a port by its last 16 bits, and a list as one entry.
fn require_broker(broker: &str) -> Result<(), Problem> {
    let parsed = url::Url::parse(&format!("kafka://{broker}"));
    let is_address = parsed.is_ok_and(|url| {
        url.host_str().is_some_and(|host| !host.is_empty()) && url.port() != Some(0) && url.path().is_empty()
    });
    if is_address && !broker.contains([',', '/', '?', '#', '%', '@']) && !broker.contains(char::is_whitespace)
    {
        return Ok(());
    }
    let reason = format!("`{broker}` is not a broker such as kafka-1:9092, with a port from 1 to 65535");
    Err(Problem::new("brokers", reason))
}

fn nats(name: &str, raw: RawBus, secrets: Secrets) -> Result<NatsBus, Problem> {
    if raw.brokers.is_some() || !raw.options.is_empty() || !raw.secret_options.is_empty() {
        return Err(Problem::new("brokers", "a bus of kind nats has `servers`, `auth` and `tls`"));
    }
    let servers = non_empty("servers", raw.servers, "nats://nats-1:4222")?;
    refuse_userinfo("servers", &servers, "`auth = { user = …, password_file = … }`, or `token_file`")?;
    let auth = nats_auth(raw.auth, secrets).map_err(|err| err.under("auth"))?;
    let tls = nats_tls(raw.tls.as_ref())?;
    let servers = nats_servers::understand(&servers, tls, &auth, raw.allow_plaintext_credentials)?;
    let certificates = raw.tls.unwrap_or_default();
    let client_certificate = match (certificates.certificate_file, certificates.key_file) {
        (Some(certificate_file), Some(key_file)) => Some(ClientCertificate { certificate_file, key_file }),
        (None, None) => None,
        _ => return Err(Problem::new("tls", "`certificate_file` and `key_file` come together")),
    };
    let bus = NatsBus {
        name: name.to_owned(),
        servers,
        auth,
        tls,
        ca_file: certificates.ca_file,
        client_certificate,
        api_prefix: api_prefix(raw.jetstream).map_err(|err| err.under("jetstream"))?,
        inbox_prefix: raw.inbox_prefix.map(|prefix| subject_prefix("inbox_prefix", prefix)).transpose()?,
    };
    if secrets.are_read {
        bus.files().try_for_each(|file| file.require()).map_err(|err| Problem::new("", chain(&err)))?;
    }
    Ok(bus)
}

/// Whoever writes a `tls` table means TLS, and would not notice that somebody in between took it away.
fn nats_tls(raw: Option<&RawTls>) -> Result<NatsTls, Problem> {
    match raw {
        None => Ok(NatsTls::Offered),
        Some(RawTls { required: Some(false), .. }) => {
            Err(Problem::new("tls.required", "a `tls` table makes TLS required: remove this, or the table"))
        }
        Some(RawTls { first: true, .. }) => Ok(NatsTls::First),
        Some(_) => Ok(NatsTls::Required),
    }
}

fn api_prefix(raw: RawJetStream) -> Result<Option<String>, Problem> {
    match (raw.domain, raw.api_prefix) {
        (Some(_), Some(_)) => Err(Problem::new("domain", "`domain` and `api_prefix` exclude each other")),
        (Some(domain), None) if domain.contains('.') => {
            Err(Problem::new("domain", format!("`{domain}` is not the name of a domain: it has no dots")))
        }
        (Some(domain), None) => Ok(Some(format!("$JS.{}.API", subject_prefix("domain", domain)?))),
        (None, prefix) => prefix.map(|prefix| subject_prefix("api_prefix", prefix)).transpose(),
    }
}

/// What subjects may begin with: tokens with something in them, without wildcards, and no dot at the end.
fn subject_prefix(key: &str, prefix: String) -> Result<String, Problem> {
    let is_token = |token: &str| {
        !token.is_empty()
            && !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    if prefix.split('.').all(is_token) {
        return Ok(prefix);
    }
    Err(Problem::new(key, format!("`{prefix}` is nothing that a subject begins with, such as `a.b`")))
}

fn nats_auth(raw: RawNatsAuth, secrets: Secrets) -> Result<NatsAuth, Problem> {
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
        secrets.try_read(&secret).map_err(|err| Problem::new("", chain(&err)))?;
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

/// Whether the value of a librdkafka property is a secret, by the property's name.
fn is_secret(property: &str) -> bool {
    let has = |part: &&str| property.contains(*part);
    SECRET_PARTS.iter().any(has) && !FILE_ENDS.iter().any(|end| property.ends_with(end))
}

/// A password in an address would be shown wherever the address is, and is not used.
fn refuse_userinfo(key: &str, addresses: &[String], instead: &str) -> Result<(), Problem> {
    let Some(address) = addresses.iter().find(|address| address::has_userinfo(address)) else {
        return Ok(());
    };
    let reason =
        format!("`{}` has a user or a secret in the address: use {instead}", address::shown(address));
    Err(Problem::new(key, reason))
}

fn non_empty(key: &str, list: Option<Vec<String>>, example: &str) -> Result<Vec<String>, Problem> {
    let list = list.filter(|list| !list.is_empty() && list.iter().all(|item| !item.trim().is_empty()));
    list.ok_or_else(|| Problem::new(key, format!("give at least one, for example [\"{example}\"]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_properties_are_known_by_their_names() {
        for property in [
            "sasl.password",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.config",
            "sasl.jaas.config",
            "ssl.key.pem",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.truststore.password",
        ] {
            assert!(is_secret(property), "{property}");
        }
        for property in [
            "sasl.username",
            "ssl.key.location",
            "ssl.ca.pem",
            "ssl.certificate.pem",
            "sasl.oauthbearer.client.id",
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.assertion.private.key.file",
            "security.protocol",
        ] {
            assert!(!is_secret(property), "{property}");
        }
    }
}
