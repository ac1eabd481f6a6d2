//! Buses, named once and used by sinks and commands: which kinds there are, and what both kinds have of keys. Connects to
//! nothing.

mod kafka;
mod nats;

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

pub use self::{
    kafka::{AwsMskIamConfig, KafkaBus, OidcConfig, Reloads, TokenConfig},
    nats::{ClientCertificate, NatsAuth, NatsBus, NatsTls},
};
use self::{
    kafka::{RawSecret, Scalar},
    nats::{RawAuth, RawJetStream, RawTls},
};
use super::{Problem, address, secret::Secrets};

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

    /// Whether somebody has it beside the owner of this.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Kafka(bus) => Arc::strong_count(bus) > 1,
            Self::Nats(bus) => Arc::strong_count(bus) > 1,
        }
    }

    /// Requests that connections reload secrets and certificate authorities.
    pub fn reload(&self) {
        match self {
            Self::Kafka(bus) => bus.reloads.ask(),
            // A NATS client reads them with each connection that it makes.
            Self::Nats(_) => {}
        }
    }
}

/// Keys of both kinds; which of them a kind has is checked when they are understood.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
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
    auth: RawAuth,
    tls: Option<RawTls>,
    #[serde(default)]
    jetstream: RawJetStream,
    inbox_prefix: Option<String>,
    /// Whether passwords and the like may travel beyond loopback without TLS, on a bus of either kind.
    #[serde(default)]
    allow_plaintext_credentials: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum BusKind {
    Kafka,
    Nats,
}

pub(super) fn resolve(name: &str, raw: RawBus, secrets: Secrets) -> Result<BusConfig, Problem> {
    match raw.kind {
        BusKind::Kafka => kafka::resolve(name, raw, secrets).map(|bus| BusConfig::Kafka(Arc::new(bus))),
        BusKind::Nats => nats::resolve(name, raw, secrets).map(|bus| BusConfig::Nats(Arc::new(bus))),
    }
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
