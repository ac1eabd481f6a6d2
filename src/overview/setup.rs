//! What the configuration says, for people: names, places and settings, and no secret. A secret is not even named.

use serde::Serialize;

use crate::config::{
    AuditConfig, BusConfig, CommandsConfig, Config, DestinationConfig, IntakeConfig, RouteConfig,
    SearchConfig, SelectionConfig, SinkConfig,
};

/// The whole configuration as it is shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Setup {
    /// The orgs.
    pub orgs: Vec<OrgSetup>,
    /// The routes of streams and searches.
    pub routes: Vec<RouteSetup>,
    /// The searches.
    pub searches: Vec<SearchSetup>,
    /// The sinks.
    pub sinks: Vec<SinkSetup>,
    /// The commands.
    pub commands: Vec<CommandsSetup>,
    /// The directory of the state.
    pub state: String,
    /// Where this page is served.
    pub admin: String,
    /// Whether two daemons stand by for each other.
    pub standby: bool,
}

/// An org.
#[derive(Debug, Clone, Serialize)]
pub struct OrgSetup {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The share of each rate-limit bucket that may be used.
    pub budget_share: f64,
}

/// A route.
#[derive(Debug, Clone, Serialize)]
pub struct RouteSetup {
    /// Its name.
    pub name: String,
    /// `stream` or `search`.
    pub reads: &'static str,
    /// The name of the stream or search.
    pub source: String,
    /// The org's name.
    pub org: String,
    /// The sink's name.
    pub sink: String,
    /// The format.
    pub format: &'static str,
    /// Which events it wants, in words; empty: all.
    pub selection: Vec<String>,
    /// Whether fields are redacted.
    pub redacts: bool,
}

/// A search.
#[derive(Debug, Clone, Serialize)]
pub struct SearchSetup {
    /// Its name.
    pub name: String,
    /// The org's name.
    pub org: String,
    /// When it is due.
    pub schedule: String,
    /// The filter, if there is one.
    pub filter: Option<String>,
    /// The keywords, if there are any.
    pub q: Option<String>,
}

/// A sink.
#[derive(Debug, Clone, Serialize)]
pub struct SinkSetup {
    /// Its name.
    pub name: String,
    /// `kafka`, `nats`, `file` or `stdout`.
    pub kind: &'static str,
    /// The topic, subject or directory.
    pub place: String,
    /// The servers of its bus.
    pub servers: Vec<String>,
    /// `exactly once` or `at least once`.
    pub delivery: &'static str,
}

/// One `[commands.NAME]`.
#[derive(Debug, Clone, Serialize)]
pub struct CommandsSetup {
    /// Its name.
    pub name: String,
    /// The org's name.
    pub org: String,
    /// Where commands come from.
    pub intake: String,
    /// Where outcomes go.
    pub outcomes: String,
    /// What is allowed.
    pub allow: Vec<String>,
    /// What a second key must approve.
    pub approval: Vec<String>,
    /// How many changes in how long.
    pub limits: Vec<String>,
    /// Whether a command without a signature is refused.
    pub signature_required: bool,
    /// Where decisions are recorded.
    pub audit: String,
}

impl Setup {
    /// What `config` says.
    pub fn of(config: &Config) -> Self {
        let orgs = config.orgs.values().map(|org| OrgSetup {
            name: org.name.clone(),
            url: org.url.origin().ascii_serialization(),
            budget_share: org.budget_share,
        });
        let streams = config.streams.values().flat_map(|stream| {
            stream.routes.iter().map(|route| RouteSetup::of("stream", &stream.name, &stream.org, route))
        });
        let searches = config.searches.values().flat_map(|search| {
            let routes = search.routes.iter().map(|search_route| &search_route.route);
            routes.map(|route| RouteSetup::of("search", &search.name, &search.org, route))
        });
        Self {
            orgs: orgs.collect(),
            routes: streams.chain(searches).collect(),
            searches: config.searches.values().map(SearchSetup::of).collect(),
            sinks: config.sinks.values().map(|sink| SinkSetup::of(sink, config)).collect(),
            commands: config.commands.values().map(CommandsSetup::of).collect(),
            state: config.runtime.state.path.display().to_string(),
            admin: config.runtime.admin.listen.to_string(),
            standby: config.standby.is_some(),
        }
    }
}

impl RouteSetup {
    fn of(reads: &'static str, source: &str, org: &str, route: &RouteConfig) -> Self {
        let SelectionConfig { event_types, categories, outcomes, severities } = &route.selection;
        let lists = [
            ("event types", event_types),
            ("categories", categories),
            ("outcomes", outcomes),
            ("severities", severities),
        ];
        let selection = lists.into_iter().filter(|(_, list)| !list.is_empty());
        Self {
            name: route.name.clone(),
            reads,
            source: source.to_owned(),
            org: org.to_owned(),
            sink: route.sink.clone(),
            format: route.format.name(),
            selection: selection.map(|(name, list)| format!("{name}: {}", list.join(", "))).collect(),
            redacts: route.redaction.is_some(),
        }
    }
}

impl SearchSetup {
    fn of(search: &SearchConfig) -> Self {
        Self {
            name: search.name.clone(),
            org: search.org.clone(),
            schedule: search.schedule.to_string(),
            filter: search.query.filter.clone(),
            q: search.query.q.clone(),
        }
    }
}

impl SinkSetup {
    fn of(sink: &SinkConfig, config: &Config) -> Self {
        let servers = match sink.bus().and_then(|bus| config.buses.get(bus)) {
            Some(BusConfig::Kafka(bus)) => bus.brokers.clone(),
            Some(BusConfig::Nats(bus)) => bus.servers.clone(),
            None => Vec::new(),
        };
        let delivery = if sink.is_exactly_once() { "exactly once" } else { "at least once" };
        let (name, kind, place) = (sink.name().to_owned(), sink.kind(), sink.place());
        Self { name, kind, place, servers, delivery }
    }
}

impl CommandsSetup {
    fn of(commands: &CommandsConfig) -> Self {
        let intake = match &commands.intake {
            None => "the command line alone".to_owned(),
            Some(IntakeConfig::Kafka { bus, topic, .. }) => format!("topic {topic} of {}", bus.name),
            Some(IntakeConfig::Nats { bus, stream, subject, .. }) => {
                format!("stream {stream}, subject {subject} of {}", bus.name)
            }
        };
        let limit = |limit: &crate::config::LimitConfig| {
            format!("{}: {} in {} s", limit.pattern, limit.count, limit.per.as_secs())
        };
        Self {
            name: commands.name.clone(),
            org: commands.org.clone(),
            intake,
            outcomes: destination(&commands.outcomes),
            allow: commands.allow.iter().map(ToString::to_string).collect(),
            approval: commands.approval.actions.iter().map(ToString::to_string).collect(),
            limits: commands.limits.iter().map(limit).collect(),
            signature_required: commands.signature.as_ref().is_some_and(|signature| signature.required),
            audit: match &commands.audit {
                AuditConfig::File(file) => file.path.display().to_string(),
                AuditConfig::Sink(to) => destination(to),
            },
        }
    }
}

fn destination(to: &DestinationConfig) -> String {
    match &to.address {
        Some(address) => format!("sink {}, {address}", to.sink.name()),
        None => format!("sink {}", to.sink.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_shown_without_its_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
allow_inline_secrets = true
[orgs.acme]
domain = "acme.okta.com"
auth = {{ token = "s3cr3t-t0ken" }}
[streams.log]
org = "acme"
routes = [{{ sink = "files", format = "ocsf", event_types = ["user.*"], redact = {{ pseudonymize = ["actor"], key = "0123456789abcdef-key" }} }}]
[sinks.files]
kind = "file"
directory = "{0}"
[state]
path = "{0}/state"
[admin]
token = "0123456789abcdef-token"
"#,
            directory.path().display()
        );
        let file = directory.path().join("oktabus.toml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load_without_secrets(&file)
            .unwrap_or_else(|err| panic!("{}", crate::telemetry::chain(&err)));
        let shown = serde_json::to_string(&Setup::of(&config)).unwrap();
        for secret in ["s3cr3t", "abcdef"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        for told in ["https://acme.okta.com", "event types: user.*", "\"redacts\":true", "exactly once"] {
            assert!(shown.contains(told), "{told}: {shown}");
        }
    }
}
