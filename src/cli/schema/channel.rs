//! Where each route publishes: the servers, and the address with the fields that messages fill in.

use okta_system_log::format::Format;

use crate::{
    config::{
        Config, Emit, Empty, Encoding, FileSink, FileStem, KafkaBus, NatsBus, RouteConfig, SinkConfig,
        StdoutSink,
    },
    message::{Field, Origin, Template, TemplatePiece},
};

/// What one route publishes.
#[derive(Debug)]
pub(super) struct Channel {
    /// The route's name in a form that every kind of document takes as a key.
    pub(super) id: String,
    pub(super) origin: Origin,
    pub(super) format: Format,
    /// What a message is.
    pub(super) emit: Emit,
    /// What comes of a run that finds nothing.
    pub(super) empty: Empty,
    pub(super) sink: String,
    pub(super) place: Place,
    pub(super) servers: Vec<Server>,
    /// Topic, subject or file name; none where there is no name.
    pub(super) address: Vec<Segment>,
}

/// What takes the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Kafka { encoding: Encoding },
    Nats { encoding: Encoding, stream: String },
    File,
    Stdout,
}

impl Place {
    /// The place of `sink`, and its servers.
    pub(super) fn of(sink: &SinkConfig) -> (Self, Vec<Server>) {
        match sink {
            SinkConfig::Kafka(sink) => (Self::Kafka { encoding: sink.encoding }, kafka_servers(&sink.bus)),
            SinkConfig::Nats(sink) => {
                let place = Self::Nats { encoding: sink.encoding, stream: sink.stream.clone() };
                (place, nats_servers(&sink.bus))
            }
            SinkConfig::File(sink) => (Self::File, vec![Server::directory(sink)]),
            SinkConfig::Stdout(sink) => (Self::Stdout, vec![Server::stdout(sink)]),
        }
    }
}

/// A server as AsyncAPI has it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) path: Option<String>,
    pub(super) protocol: &'static str,
}

/// A piece of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Text(String),
    Parameter { name: String, description: String, pattern: String },
}

impl Channel {
    /// What the routes of `config` publish, in their order.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let mut channels: Vec<_> = config
            .routes()
            .filter_map(|(route, origin)| Some(Self::new(route, origin, config.sink_of(route)?)))
            .collect();
        for search in config.searches.values().flat_map(|search| &search.routes) {
            let own = channels.iter_mut().filter(|channel| channel.origin.route == search.route.name);
            own.for_each(|channel| (channel.emit, channel.empty) = (search.emit, search.empty));
        }
        channels
    }

    fn new(route: &RouteConfig, origin: Origin, sink: &SinkConfig) -> Self {
        let (place, servers) = Place::of(sink);
        let address = match sink {
            SinkConfig::Kafka(sink) => segments(&sink.topic, &origin),
            SinkConfig::Nats(sink) => segments(&sink.subject, &origin),
            SinkConfig::File(sink) => file_name(sink, &origin),
            SinkConfig::Stdout(_) => Vec::new(),
        };
        Self {
            id: route.name.replace('/', "."),
            origin,
            format: route.format,
            emit: Emit::Events,
            empty: Empty::Silent,
            sink: sink.name().to_owned(),
            place,
            servers,
            address,
        }
    }

    /// The address with `{name}` for a parameter, as AsyncAPI writes it.
    pub(super) fn address(&self) -> Option<String> {
        let text = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Parameter { name, .. } => format!("{{{name}}}"),
        };
        (!self.address.is_empty()).then(|| self.address.iter().map(text).collect())
    }

    /// A regular expression for the addresses.
    pub(super) fn pattern(&self) -> Option<String> {
        let text = |segment: &Segment| match segment {
            Segment::Text(text) => text.replace('.', "\\."),
            Segment::Parameter { pattern, .. } => pattern.clone(),
        };
        (!self.address.is_empty()).then(|| format!("^{}$", self.address.iter().map(text).collect::<String>()))
    }
}

pub(super) fn kafka_servers(bus: &KafkaBus) -> Vec<Server> {
    let is_secure = bus.options.get("security.protocol").is_some_and(|of| of.to_lowercase().contains("ssl"));
    let protocol = if is_secure { "kafka-secure" } else { "kafka" };
    let server = |(id, host)| Server { id, host, path: None, protocol };
    ids(&bus.name, bus.brokers.len()).zip(bus.brokers.iter().cloned()).map(server).collect()
}

pub(super) fn nats_servers(bus: &NatsBus) -> Vec<Server> {
    let server = |(id, address): (String, &String)| {
        // An address may contain credentials, which are not shown.
        let host_and_port = address.rsplit(['/', '@']).next().unwrap_or_default();
        Server { id, host: host_and_port.to_owned(), path: None, protocol: "nats" }
    };
    ids(&bus.name, bus.servers.len()).zip(&bus.servers).map(server).collect()
}

/// `kafka` for the only server of a bus, `kafka-1` and so on for several.
fn ids(bus: &str, count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(move |number| if count == 1 { bus.to_owned() } else { format!("{bus}-{number}") })
}

impl Server {
    pub(super) fn directory(sink: &FileSink) -> Self {
        let path = Some(sink.directory.display().to_string());
        Self { id: sink.name.clone(), host: "localhost".to_owned(), path, protocol: "file" }
    }

    pub(super) fn stdout(sink: &StdoutSink) -> Self {
        Self { id: sink.name.clone(), host: "localhost".to_owned(), path: None, protocol: "stdout" }
    }
}

fn file_name(sink: &FileSink, origin: &Origin) -> Vec<Segment> {
    let parameter = |name: &str, description: &str, pattern: &str| Segment::Parameter {
        name: name.to_owned(),
        description: description.to_owned(),
        pattern: pattern.to_owned(),
    };
    let text = |text: &str| Segment::Text(text.to_owned());
    let mut segments = vec![
        text(&format!("{}-", FileStem::of_route(&origin.route))),
        parameter("number", "Grows by one from file to file", "[0-9]{8,}"),
        text("-"),
        parameter("begun", "The UTC time of the file's beginning", "[0-9]{8}T[0-9]{6}Z"),
        text(".jsonl"),
    ];
    if sink.rotate.compress.is_some() {
        segments.push(parameter(
            "compression",
            "Of a closed file: nothing, `.gz` or `.zst`",
            "(\\.gz|\\.zst)?",
        ));
    }
    segments
}

/// What a subject or a topic is made of for messages of `origin`.
fn segments(template: &Template, origin: &Origin) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for piece in template.pieces(Some(origin)) {
        match (piece, segments.last_mut()) {
            (TemplatePiece::Fixed(text), Some(Segment::Text(before))) => before.push_str(&text),
            (TemplatePiece::Fixed(text), _) => segments.push(Segment::Text(text.into_owned())),
            (TemplatePiece::Open(fields), _) => segments.push(parameter(fields)),
        }
    }
    segments
}

/// The token or tokens that the first of `fields` gives.
fn parameter(fields: &[Field]) -> Segment {
    let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
    let descriptions: Vec<_> = fields.iter().map(|field| field.description()).collect();
    let has_dots = fields.iter().any(|field| field.has_dots());
    Segment::Parameter {
        name: names.join("_or_"),
        description: format!("{}; `_` without one", descriptions.join(", else ")),
        pattern: if has_dots { r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*" } else { "[A-Za-z0-9_-]+" }.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::TemplateUse;

    fn origin() -> Origin {
        Origin {
            org: "acme".to_owned(),
            route: "log/siem".to_owned(),
            source: "https://acme.okta.com/api/v1/logs".to_owned(),
            format: "okta",
            is_redacted: false,
        }
    }

    #[test]
    fn what_an_origin_fixes_is_text() {
        let template =
            Template::parse("okta.{org}.{user|org}-{route}.{event_type}", TemplateUse::Subject).unwrap();
        let names: Vec<_> = segments(&template, &origin())
            .into_iter()
            .map(|segment| match segment {
                Segment::Text(text) => text,
                Segment::Parameter { name, .. } => format!("<{name}>"),
            })
            .collect();
        assert_eq!(names, ["okta.acme.", "<user_or_org>", "-log_siem.", "<event_type>"]);
    }

    #[test]
    fn no_credential_of_an_address_is_shown() {
        let bus = NatsBus {
            name: "nats".to_owned(),
            servers: vec!["nats://user:secret@a:4222".to_owned(), "tls://b:4222".to_owned()],
            auth: crate::config::NatsAuth::None,
            tls: crate::config::NatsTls::Offered,
            ca_file: None,
            client_certificate: None,
            api_prefix: None,
            inbox_prefix: None,
        };
        let servers = nats_servers(&bus);
        let shown: Vec<_> = servers.iter().map(|server| (server.id.as_str(), server.host.as_str())).collect();
        assert_eq!(shown, [("nats-1", "a:4222"), ("nats-2", "b:4222")]);
    }
}
