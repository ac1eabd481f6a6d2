//! Buses of kind Kafka: librdkafka's properties as they were given, and what oktabus does itself of what they ask for. Knows
//! no client.

mod options;
mod protection;
mod resolve;
mod token;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

pub(super) use options::{RawSecret, Scalar};
pub(super) use resolve::resolve;
pub use token::{AwsMskIamConfig, OidcConfig, TokenConfig};

use crate::config::{Problem, Secret};

/// librdkafka's names of the property that says how we identify ourselves.
const MECHANISM_NAMES: [&str; 2] = ["sasl.mechanism", "sasl.mechanisms"];

/// librdkafka's names of the property that says where the cluster is.
const BROKER_NAMES: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

/// How to reach a Kafka cluster.
#[derive(Debug, Default)]
pub struct KafkaBus {
    /// Its name in the configuration.
    pub name: String,
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// librdkafka properties, passed through.
    pub options: BTreeMap<String, String>,
    /// librdkafka properties that are secret, such as `sasl.password`.
    pub secret_options: BTreeMap<String, Secret>,
    /// Where tokens come from, if we identify ourselves with one.
    pub token: Option<TokenConfig>,
    /// Whether credentials may cross a network in plain text.
    pub allow_plaintext_credentials: bool,
    /// How many reloads of secrets and files were requested.
    pub reloads: Reloads,
}

/// How many reloads of secrets and files were requested.
#[derive(Debug, Default)]
pub struct Reloads(AtomicU64);

impl Reloads {
    /// Asks once more.
    pub fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl KafkaBus {
    /// Takes out of the properties what oktabus does itself, and refuses what would not work or would show credentials.
    pub(super) fn resolved(mut self) -> Result<Self, Problem> {
        self.require_one_meaning()?;
        token::require_mechanism(&self)?;
        self.token = token::take(&mut self)?;
        protection::require(&self)?;
        Ok(self)
    }

    /// Refuses properties that would say once more, and perhaps otherwise, where the cluster is and how we identify ourselves.
    fn require_one_meaning(&self) -> Result<(), Problem> {
        let names = self.options.keys().chain(self.secret_options.keys());
        if let Some(name) = names.into_iter().find(|name| BROKER_NAMES.contains(&name.as_str())) {
            return Err(Problem::new(format!("options.{name}"), "the brokers are `brokers` of the bus"));
        }
        if MECHANISM_NAMES.iter().all(|name| self.options.contains_key(*name)) {
            let reason = "it is a second name of `sasl.mechanism`: set one of them";
            return Err(Problem::new(format!("options.{}", MECHANISM_NAMES[1]), reason));
        }
        Ok(())
    }

    /// What a reviewer should know of how the connection is protected.
    pub fn warnings(&self) -> Vec<String> {
        protection::warnings(self)
    }

    /// How we identify ourselves, if we do: the name of a SASL mechanism. librdkafka's own default is Kerberos.
    fn mechanism(&self) -> Option<&str> {
        let given = MECHANISM_NAMES.iter().find_map(|name| self.options.get(*name));
        self.is_sasl().then(|| given.map_or("GSSAPI", String::as_str))
    }

    fn is_sasl(&self) -> bool {
        self.protocol().starts_with("sasl_")
    }

    fn is_tls(&self) -> bool {
        self.protocol().ends_with("ssl")
    }

    fn protocol(&self) -> String {
        let protocol = self.options.get("security.protocol");
        protocol.map_or("plaintext".to_owned(), |protocol| protocol.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    /// A bus beyond this machine with these properties, and a secret for each that is secret.
    pub(super) fn bus(options: &[(&str, &str)]) -> KafkaBus {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let secret = Secret::Inline(SecretString::from("hunter2"));
        KafkaBus {
            name: "kafka".to_owned(),
            brokers: vec!["kafka-1.example:9092".to_owned()],
            options: options.collect(),
            secret_options: BTreeMap::from([("sasl.password".to_owned(), secret)]),
            ..KafkaBus::default()
        }
    }

    pub(super) fn refusal(options: &[(&str, &str)]) -> String {
        bus(options).resolved().expect_err("this should be refused").to_string()
    }

    #[test]
    fn what_would_be_said_twice_is_refused() {
        for name in BROKER_NAMES {
            assert!(refusal(&[(name, "kafka.evil.example:9092")]).contains("`brokers` of the bus"));
        }
        let twice = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.mechanisms", "PLAIN"),
        ];
        assert!(refusal(&twice).contains("set one of them"));
    }

    #[test]
    fn kerberos_and_what_nobody_knows_are_refused_with_what_there_is() {
        for options in [
            &[("security.protocol", "SASL_SSL")][..],
            &[("security.protocol", "sasl_ssl"), ("sasl.mechanism", "GSSAPI")],
        ] {
            let refusal = refusal(options);
            assert!(refusal.contains("Kerberos") && refusal.contains("SCRAM-SHA-512"), "{refusal}");
        }
        let unknown = refusal(&[("security.protocol", "SASL_SSL"), ("sasl.mechanisms", "SCRAM-SHA512")]);
        assert!(unknown.contains("did you mean `SCRAM-SHA-512`"), "{unknown}");
    }
}
