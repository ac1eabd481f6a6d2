//! The configuration: what was typed becomes what it means, one file a section.
//!
//! Whatever is wrong is found here, before anything runs, and told with file, path and reason.

mod auth;
mod bus;
mod load;
mod org;
mod problem;
mod quantity;
mod redaction;
mod runtime;
mod secret;
mod sink;
mod stream;

use std::{collections::BTreeMap, path::Path};

use crate::event::Origin;

pub use auth::{Auth, Dpop, PrivateKeyJwt, Scope, SigningAlgorithm};
pub use bus::{BusConfig, ClientCertificate, KafkaBus, NatsAuth, NatsBus};
pub use org::{HttpConfig, OrgConfig};
pub use problem::{ConfigError, Problem};
pub use redaction::RedactionConfig;
pub use runtime::{AdminConfig, LogConfig, RuntimeConfig, StateConfig};
pub use secret::{Secret, SecretError};
pub use sink::{
    Compression, CreateStream, Encoding, FileSink, KafkaSink, NatsSink, Rotate, SinkConfig, StdoutSink,
    StdoutStyle,
};
pub use stream::{PAGE_SIZE_MAX, RouteConfig, SelectionConfig, Start, StreamConfig};

/// All that the daemon is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Okta tenants by name.
    pub orgs: BTreeMap<String, OrgConfig>,
    /// Feeds by name, with their routes.
    pub streams: BTreeMap<String, StreamConfig>,
    /// Where messages go, by name.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// State, admin pages, logging and shutdown.
    pub runtime: RuntimeConfig,
}

impl Config {
    /// Loads `file`, then the `*.toml` files in a `conf.d` beside it in the order of their names, then environment
    /// variables such as `OKTABUS__ADMIN__LISTEN`; what comes later wins. Reads every secret once, to see that it is there.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        load::load(file)
    }

    /// All routes, each with the origin of its messages, in the order of streams and of the routes in them.
    pub fn routes(&self) -> impl Iterator<Item = (&RouteConfig, Origin)> {
        self.streams.values().flat_map(|stream| {
            // Loading refused references to what does not exist.
            let org = self.orgs.get(&stream.org);
            stream.routes.iter().filter_map(move |route| Some((route, route.origin(org?))))
        })
    }

    /// The sink that `route` feeds. Every route's sink exists, or loading had failed.
    pub fn sink_of(&self, route: &RouteConfig) -> Option<&SinkConfig> {
        self.sinks.get(&route.sink)
    }
}
