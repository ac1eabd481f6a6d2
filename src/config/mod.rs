//! The configuration: typed values become checked settings, one file a section.
//!
//! Finds all mistakes before anything runs, and reports each with file, path and reason.

mod address;
mod admin;
mod auth;
mod bus;
mod commands;
mod cross_checks;
mod descriptions;
mod doorbell;
mod exposure;
mod file_keeping;
mod file_owners;
mod layers;
mod load;
mod log_level;
mod mistyped;
mod org;
mod poll_interval;
mod problem;
mod quantity;
mod redaction;
mod route;
mod runtime;
mod schema;
mod search;
mod secret;
mod server_tls;
mod setting_digests;
mod settings;
mod signature;
mod sink;
mod standby;
mod stem;
mod stream;
mod traces;
mod trusted_file;
mod typed;
mod variables;
mod warnings;

use std::{collections::BTreeMap, path::Path, time::Duration};

use okta_client::Org;

use crate::message::Origin;

pub use admin::AdminConfig;
pub use bus::{
    AwsMskIamConfig, BusConfig, ClientCertificate, KafkaBus, NatsAuth, NatsBus, NatsTls, OidcConfig, Reloads,
    TokenConfig,
};
pub use commands::{
    ActionPattern, ApprovalConfig, AuditConfig, AuditFileConfig, CommandsConfig, DestinationConfig,
    IntakeConfig, KeyError, LimitConfig, ProtectConfig, PublicKey, RevealConfig, SIGNED_AHEAD_MAX,
    SignatureAlgorithm, SignatureConfig, SignatureKeyConfig, read_shared_secret,
};
pub(crate) use doorbell::public_url;
pub use doorbell::{DoorbellListener, DoorbellsConfig, HookConfig, RingSource, UnfitPublicUrl};
pub use file_keeping::{Compression, Retention, Rotate};
#[cfg(test)]
pub(crate) use org::acme;
pub use poll_interval::PollInterval;
pub(crate) use problem::did_you_mean;
pub use problem::{ConfigError, Problem};
pub(crate) use problem::{nearest, unknown_key};
pub use redaction::RedactionConfig;
pub use route::{RouteConfig, SelectionConfig};
pub use runtime::{DeadLettersConfig, LogConfig, RuntimeConfig, StateConfig};
pub use schema::configuration_schema;
pub use search::{Emit, Empty, Missed, Overlap, SearchConfig, SearchQuery, SearchRouteConfig, WindowConfig};
pub use secret::{Secret, SecretError};
pub use server_tls::ServerTls;
pub use setting_digests::SettingDigests;
pub use settings::Setting;
pub use sink::*;
pub use standby::StandbyConfig;
pub(crate) use stem::FileStem;
pub use stream::{Start, StreamConfig};
pub use traces::TracesConfig;
pub use trusted_file::{TrustedFile, UntrustedFile};
pub(crate) use warnings::filter_warnings;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Okta tenants by name.
    pub orgs: BTreeMap<String, Org>,
    /// Streams by name, with their routes.
    pub streams: BTreeMap<String, StreamConfig>,
    /// Bounded queries on a schedule by name, with their routes.
    pub searches: BTreeMap<String, SearchConfig>,
    /// Command sections by name.
    pub commands: BTreeMap<String, CommandsConfig>,
    /// Connections to Kafka and NATS, by name.
    pub buses: BTreeMap<String, BusConfig>,
    /// Sinks by name.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// Who may wake streams early.
    pub doorbells: DoorbellsConfig,
    /// Set if a second daemon with this configuration waits for the first.
    pub standby: Option<StandbyConfig>,
    /// Traces, if there are to be any.
    pub traces: Option<TracesConfig>,
    /// State, admin pages, logging and shutdown.
    pub runtime: RuntimeConfig,
    /// What was typed, to be compared with another configuration.
    pub typed: SettingDigests,
}

impl Config {
    /// Loads `file`, then the `*.toml` files in a `conf.d` beside it in the order of their names, then environment
    /// variables such as `OKTABUS__ADMIN__LISTEN`; what comes later wins. Reads every secret once, to see that it is there.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        load::load(file, true)
    }

    /// Like `load`, without reading a secret or a key: for subcommands that need none, such as `state show`, and users
    /// that cannot read the service's credentials.
    pub fn load_without_secrets(file: &Path) -> Result<Self, ConfigError> {
        load::load(file, false)
    }

    /// What is set in `file`, in what is beside it and in the environment, and where; without secrets. Refuses what `load`
    /// refuses.
    pub fn settings(file: &Path) -> Result<Vec<Setting>, ConfigError> {
        load::settings(file)
    }

    /// The configuration that has `text` as its only file, for whoever tries many. Reads no secret.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(text: &str) -> Result<Self, ConfigError> {
        load::load_text(text)
    }

    /// All routes, each with the origin of its messages: those of streams, then those of searches.
    pub fn routes(&self) -> impl Iterator<Item = (&RouteConfig, Origin)> {
        self.owned_routes().filter_map(|(_, org, route)| {
            // Loading refused references to what does not exist.
            Some((route, route.origin(self.orgs.get(org)?)))
        })
    }

    /// All routes, each with where in the configuration it is and the org that it reads.
    pub(crate) fn owned_routes(&self) -> impl Iterator<Item = (String, &str, &RouteConfig)> {
        let streams = self.streams.values().flat_map(|stream| {
            let owned = move |route| (format!("streams.{}", stream.name), stream.org.as_str(), route);
            stream.routes.iter().map(owned)
        });
        let searches = self.searches.values().flat_map(|search| {
            let owned = move |route| (format!("searches.{}", search.name), search.org.as_str(), route);
            search.routes.iter().map(|search_route| &search_route.route).map(owned)
        });
        streams.chain(searches)
    }

    /// The keys that say something else in `other`.
    pub fn changed_settings(&self, other: &Self) -> Vec<String> {
        load::SECTIONS.iter().flat_map(|section| self.typed.differences(&other.typed, section)).collect()
    }

    /// How long the journal keeps records of commands: the longest `keep` of all sections.
    pub fn journal_keep(&self) -> Duration {
        self.commands.values().map(|commands| commands.keep).max().unwrap_or_default()
    }

    /// The sink that `route` feeds. Every route's sink exists, or loading had failed.
    pub fn sink_of(&self, route: &RouteConfig) -> Option<&SinkConfig> {
        self.sinks.get(&route.sink)
    }
}
