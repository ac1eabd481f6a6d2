//! Sinks: where messages go.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    BusConfig, KafkaBus, NatsBus, Problem, Retention, Rotate,
    file_keeping::{RawRetention, RawRotate, retention, rotate},
    load::Resolved,
    problem::did_you_mean,
    quantity::{Bytes, Span},
};
use crate::message::{Origin, Template, TemplateUse, is_topic};

/// A sink by its kind.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// A Kafka topic.
    Kafka(KafkaSink),
    /// Subjects of a JetStream stream.
    Nats(NatsSink),
    /// Files of JSON lines.
    File(FileSink),
    /// Standard output.
    Stdout(StdoutSink),
}

/// How CloudEvents attributes travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As headers; the payload is the event alone.
    #[default]
    Binary,
    /// In an envelope around the event.
    Structured,
}

/// A Kafka topic.
#[derive(Debug, Clone)]
pub struct KafkaSink {
    /// Its name in the configuration.
    pub name: String,
    /// The cluster.
    pub bus: Arc<KafkaBus>,
    /// The topic of each message, which must exist or be created by the cluster on first use.
    pub topic: Template,
    /// What orders messages.
    pub key: Template,
    /// How attributes travel.
    pub encoding: Encoding,
    /// Set if it is delivered exactly once.
    pub transactions: Option<KafkaTransactions>,
}

/// How pages are delivered exactly once into Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaTransactions {
    /// The compacted topic that keeps the checkpoints of routes.
    pub checkpoint_topic: String,
}

/// Subjects of a JetStream stream.
#[derive(Debug, Clone)]
pub struct NatsSink {
    /// Its name in the configuration.
    pub name: String,
    /// The server or cluster.
    pub bus: Arc<NatsBus>,
    /// The stream that must hold the subjects.
    pub stream: String,
    /// The subject of each message.
    pub subject: Template,
    /// What the `partitionkey` says orders messages; the stream keeps the order of all.
    pub key: Template,
    /// How attributes travel.
    pub encoding: Encoding,
    /// Set if the stream is to be created where it does not exist.
    pub create: Option<CreateStream>,
    /// The most unacknowledged messages in flight.
    pub unacknowledged_max: usize,
    /// Set if it is delivered exactly once.
    pub transactions: Option<NatsTransactions>,
}

/// How pages are delivered exactly once into JetStream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsTransactions {
    /// What the subjects of checkpoints begin with. The stream holds them beside the messages.
    pub checkpoint_prefix: String,
}

/// A stream to be created: file storage, subjects as the sink's template needs them.
#[derive(Debug, Clone)]
pub struct CreateStream {
    /// Copies in the cluster.
    pub replicas: usize,
    /// How long the server recognises a message id.
    pub duplicate_window: Duration,
    /// How long messages are kept; zero: for ever.
    pub max_age: Duration,
    /// Bytes that the stream may hold, if limited; beyond them new messages are refused rather than old ones lost.
    pub max_bytes: Option<u64>,
}

/// Files of JSON lines.
#[derive(Debug, Clone)]
pub struct FileSink {
    /// Its name in the configuration.
    pub name: String,
    /// Where the files are. Each route has its own files in it.
    pub directory: PathBuf,
    /// When a file is closed and the next one begun.
    pub rotate: Rotate,
    /// How long closed files are kept; for ever unless set.
    pub retention: Option<Retention>,
    /// Where they were before a reload has named another directory. What is there stays there.
    pub former_directory: Option<PathBuf>,
}

/// Standard output.
#[derive(Debug, Clone)]
pub struct StdoutSink {
    /// Its name in the configuration.
    pub name: String,
    /// For programs or for people.
    pub style: StdoutStyle,
}

/// For programs or for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StdoutStyle {
    /// One JSON value a line.
    Json,
    /// One short line an event, coloured on a terminal.
    Human,
}

impl SinkConfig {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        match self {
            Self::Kafka(sink) => &sink.name,
            Self::Nats(sink) => &sink.name,
            Self::File(sink) => &sink.name,
            Self::Stdout(sink) => &sink.name,
        }
    }

    /// The bus that it publishes to, by name; none if there is none, and so no topics or subjects.
    pub fn bus(&self) -> Option<&str> {
        match self {
            Self::Kafka(sink) => Some(&sink.bus.name),
            Self::Nats(sink) => Some(&sink.bus.name),
            Self::File(_) | Self::Stdout(_) => None,
        }
    }

    /// Whether pages of a stream are delivered exactly once, in transactions of the bus.
    pub fn is_transactional(&self) -> bool {
        match self {
            Self::Kafka(sink) => sink.transactions.is_some(),
            Self::Nats(sink) => sink.transactions.is_some(),
            Self::File(_) | Self::Stdout(_) => false,
        }
    }

    /// Its kind, as it is typed.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka",
            Self::Nats(_) => "nats",
            Self::File(_) => "file",
            Self::Stdout(_) => "stdout",
        }
    }

    /// Where messages go, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Kafka(sink) => format!("topic {}", sink.topic),
            Self::Nats(sink) => format!("stream {}, subject {}", sink.stream, sink.subject),
            Self::File(sink) => sink.directory.display().to_string(),
            Self::Stdout(_) => "standard output".to_owned(),
        }
    }

    /// Whether nothing is there twice, whatever happens in between.
    pub fn is_exactly_once(&self) -> bool {
        self.is_transactional() || matches!(self, Self::File(_))
    }

    /// The topic or subject of all messages, if there is one and it depends on no event.
    pub fn fixed_address(&self) -> Option<String> {
        match self {
            Self::Kafka(sink) => sink.topic.fixed(None),
            Self::Nats(sink) => sink.subject.fixed(None),
            Self::File(_) | Self::Stdout(_) => None,
        }
    }

    /// The topic, or the pattern of the subjects, of messages of `origin`, if there is one.
    pub(super) fn address_of(&self, origin: &Origin) -> Option<String> {
        match self {
            Self::Kafka(sink) => sink.topic.fixed(Some(origin)),
            Self::Nats(sink) => Some(sink.subject.wildcard(Some(origin))),
            Self::File(_) | Self::Stdout(_) => None,
        }
    }

    /// Where copies of a message meet.
    pub(super) fn destination(&self) -> String {
        match self {
            Self::Kafka(sink) => format!("kafka {} {}", sink.bus.name, sink.topic),
            Self::Nats(sink) => format!("nats {} {}", sink.bus.name, sink.stream),
            Self::File(sink) => format!("file {}", sink.name),
            Self::Stdout(_) => "stdout".to_owned(),
        }
    }

    /// Whether only one may write at a time for the route `origin` says: whoever publishes beside it needs an origin of its
    /// own.
    pub fn has_one_writer(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// Keys of all kinds; which of them a kind has is checked when they are understood.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSink {
    kind: SinkKind,
    bus: Option<String>,
    topic: Option<String>,
    stream: Option<String>,
    subject: Option<String>,
    key: Option<String>,
    encoding: Option<Encoding>,
    create: Option<RawCreate>,
    unacknowledged_max: Option<usize>,
    directory: Option<PathBuf>,
    rotate: Option<RawRotate>,
    retention: Option<RawRetention>,
    style: Option<StdoutStyle>,
    delivery: Option<DeliveryMode>,
    checkpoint_topic: Option<String>,
    checkpoint_prefix: Option<String>,
}

/// How often a message may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryMode {
    AtLeastOnce,
    ExactlyOnce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SinkKind {
    Kafka,
    Nats,
    File,
    Stdout,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCreate {
    replicas: Option<usize>,
    duplicate_window: Option<Span>,
    max_age: Option<Span>,
    max_bytes: Option<Bytes>,
}

const DEFAULT_SUBJECT: &str = "okta.{org}.{format}.{event_type}";
const DEFAULT_KEY: &str = "{user|org}";
/// The topic of checkpoints of routes whose sink names none.
pub(crate) const DEFAULT_CHECKPOINT_TOPIC: &str = "oktabus-checkpoints";
const DEFAULT_CHECKPOINT_PREFIX: &str = "oktabus.checkpoints";
const DEFAULT_UNACKNOWLEDGED: usize = 4_096;
const DEFAULT_DUPLICATE_WINDOW: Duration = Duration::from_secs(3_600);

/// A bus by name and kind, chosen by a sink.
pub(super) type Buses = Resolved<BusConfig>;

pub(super) fn resolve(name: &str, raw: RawSink, buses: &Buses) -> Result<SinkConfig, Problem> {
    refuse_keys_of_other_kinds(&raw)?;
    let name = name.to_owned();
    match raw.kind {
        SinkKind::Kafka => {
            let bus = choose_bus(raw.bus.as_deref(), buses, "kafka", |bus| match bus {
                BusConfig::Kafka(bus) => Some(bus),
                BusConfig::Nats(_) => None,
            })?;
            let topic =
                raw.topic.ok_or_else(|| Problem::new("topic", "a sink of kind kafka needs a topic"))?;
            let topic = template("topic", &topic, TemplateUse::Topic)?;
            let key = key(raw.key.as_deref())?;
            let encoding = raw.encoding.unwrap_or_default();
            let checkpoints = ("checkpoint_topic", raw.checkpoint_topic);
            let transactions = checkpoints_of(raw.delivery, checkpoints, DEFAULT_CHECKPOINT_TOPIC)?
                .map(|checkpoint_topic| kafka_transactions(checkpoint_topic, &topic))
                .transpose()?;
            Ok(SinkConfig::Kafka(KafkaSink { name, bus, topic, key, encoding, transactions }))
        }
        SinkKind::Nats => nats(name, raw, buses).map(SinkConfig::Nats),
        SinkKind::File => {
            let directory = raw
                .directory
                .ok_or_else(|| Problem::new("directory", "a sink of kind file needs a directory"))?;
            let rotate = rotate(&raw.rotate.unwrap_or_default())?;
            let retention = raw.retention.map(|raw| retention(&raw, &rotate)).transpose()?;
            Ok(SinkConfig::File(FileSink { name, directory, rotate, retention, former_directory: None }))
        }
        SinkKind::Stdout => {
            Ok(SinkConfig::Stdout(StdoutSink { name, style: raw.style.unwrap_or(StdoutStyle::Json) }))
        }
    }
}

/// A key without effect is a mistake.
fn refuse_keys_of_other_kinds(raw: &RawSink) -> Result<(), Problem> {
    use SinkKind::{File, Kafka, Nats, Stdout};
    let keys: [(&str, bool, &[SinkKind]); 15] = [
        ("bus", raw.bus.is_some(), &[Kafka, Nats]),
        ("topic", raw.topic.is_some(), &[Kafka]),
        ("stream", raw.stream.is_some(), &[Nats]),
        ("subject", raw.subject.is_some(), &[Nats]),
        ("key", raw.key.is_some(), &[Kafka, Nats]),
        ("encoding", raw.encoding.is_some(), &[Kafka, Nats]),
        ("create", raw.create.is_some(), &[Nats]),
        ("unacknowledged_max", raw.unacknowledged_max.is_some(), &[Nats]),
        ("directory", raw.directory.is_some(), &[File]),
        ("rotate", raw.rotate.is_some(), &[File]),
        ("retention", raw.retention.is_some(), &[File]),
        ("style", raw.style.is_some(), &[Stdout]),
        ("delivery", raw.delivery.is_some(), &[Kafka, Nats]),
        ("checkpoint_topic", raw.checkpoint_topic.is_some(), &[Kafka]),
        ("checkpoint_prefix", raw.checkpoint_prefix.is_some(), &[Nats]),
    ];
    let wrong = keys.iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&raw.kind));
    wrong.map_or(Ok(()), |(key, _, _)| {
        let kind = format!("{:?}", raw.kind).to_lowercase();
        Err(Problem::new(*key, format!("a sink of kind {kind} has no such key")))
    })
}

fn nats(name: String, raw: RawSink, buses: &Buses) -> Result<NatsSink, Problem> {
    let bus = choose_bus(raw.bus.as_deref(), buses, "nats", |bus| match bus {
        BusConfig::Nats(bus) => Some(bus),
        BusConfig::Kafka(_) => None,
    })?;
    let stream =
        raw.stream.ok_or_else(|| Problem::new("stream", "a sink of kind nats needs a JetStream stream"))?;
    if stream.is_empty() || stream.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c)) {
        return Err(Problem::new("stream", format!("`{stream}` is not the name of a stream")));
    }
    let subject = raw.subject.as_deref().unwrap_or(DEFAULT_SUBJECT);
    let subject = template("subject", subject, TemplateUse::Subject)?;
    let key = key(raw.key.as_deref())?;
    let create = raw.create.map(|create| CreateStream {
        replicas: create.replicas.unwrap_or(1),
        duplicate_window: create.duplicate_window.map_or(DEFAULT_DUPLICATE_WINDOW, |Span(span)| span),
        max_age: create.max_age.map_or(Duration::ZERO, |Span(span)| span),
        max_bytes: create.max_bytes.map(|Bytes(bytes)| bytes),
    });
    let unacknowledged_max = raw.unacknowledged_max.unwrap_or(DEFAULT_UNACKNOWLEDGED);
    if unacknowledged_max == 0 {
        return Err(Problem::new(
            "unacknowledged_max",
            "with none on their way nothing would ever be published",
        ));
    }
    let encoding = raw.encoding.unwrap_or_default();
    let checkpoints = ("checkpoint_prefix", raw.checkpoint_prefix);
    let transactions = checkpoints_of(raw.delivery, checkpoints, DEFAULT_CHECKPOINT_PREFIX)?
        .map(|checkpoint_prefix| nats_transactions(checkpoint_prefix, &subject))
        .transpose()?;
    Ok(NatsSink { name, bus, stream, subject, key, encoding, create, unacknowledged_max, transactions })
}

/// Where checkpoints are kept, if it is delivered exactly once; a place for them is a mistake otherwise.
fn checkpoints_of(
    delivery: Option<DeliveryMode>,
    (key, place): (&str, Option<String>),
    default: &str,
) -> Result<Option<String>, Problem> {
    match (delivery, place) {
        (Some(DeliveryMode::ExactlyOnce), place) => Ok(Some(place.unwrap_or_else(|| default.to_owned()))),
        (_, None) => Ok(None),
        (_, Some(_)) => Err(Problem::new(key, "it has an effect with `delivery = \"exactly_once\"` alone")),
    }
}

fn kafka_transactions(checkpoint_topic: String, topic: &Template) -> Result<KafkaTransactions, Problem> {
    if !is_topic(&checkpoint_topic) {
        let reason = format!("`{checkpoint_topic}` is not the name of a topic");
        return Err(Problem::new("checkpoint_topic", reason));
    }
    if topic.fixed(None).is_some_and(|topic| topic == checkpoint_topic) {
        let reason = "checkpoints need a topic of their own: it is compacted";
        return Err(Problem::new("checkpoint_topic", reason));
    }
    Ok(KafkaTransactions { checkpoint_topic })
}

fn nats_transactions(checkpoint_prefix: String, subject: &Template) -> Result<NatsTransactions, Problem> {
    let is_token = |token: &str| {
        !token.is_empty()
            && !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    if !checkpoint_prefix.split('.').all(is_token) || checkpoint_prefix.starts_with('$') {
        let reason = format!("`{checkpoint_prefix}` is not the beginning of a subject");
        return Err(Problem::new("checkpoint_prefix", reason));
    }
    let wildcard = subject.wildcard(None);
    if covers(&wildcard, &checkpoint_prefix) {
        let reason =
            format!("the subjects of messages, {wildcard}, would take checkpoints in: choose another one");
        return Err(Problem::new("checkpoint_prefix", reason));
    }
    Ok(NatsTransactions { checkpoint_prefix })
}

/// Whether a subject that begins with `prefix` may match `wildcard`.
fn covers(wildcard: &str, prefix: &str) -> bool {
    let mut tokens = wildcard.split('.');
    prefix.split('.').all(|token| match tokens.next() {
        Some(">" | "*") => true,
        Some(own) => own == token,
        None => false,
    })
}

fn template(key: &str, text: &str, used_as: TemplateUse) -> Result<Template, Problem> {
    Template::parse(text, used_as).map_err(|err| Problem::new(key, err.to_string()))
}

fn key(text: Option<&str>) -> Result<Template, Problem> {
    template("key", text.unwrap_or(DEFAULT_KEY), TemplateUse::Key)
}

/// The bus that was named, or the only one of its kind.
pub(super) fn choose_bus<T>(
    name: Option<&str>,
    buses: &Buses,
    kind: &str,
    of_kind: impl Fn(&BusConfig) -> Option<&Arc<T>>,
) -> Result<Arc<T>, Problem> {
    if let Some(name) = name {
        if buses.broken.contains(name) {
            return Err(Problem::consequence());
        }
        let bus = buses.values.get(name).ok_or_else(|| {
            let suggestion = did_you_mean(name, buses.names());
            Problem::new("bus", format!("there is no bus `{name}`{suggestion}"))
        })?;
        let reason = || Problem::new("bus", format!("bus `{name}` is not of kind {kind}"));
        return of_kind(bus).map(Arc::clone).ok_or_else(reason);
    }
    let mut candidates = buses.values.values().filter_map(of_kind);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(Arc::clone(only)),
        // One of those that are not understood may be of the kind.
        (None, _) if !buses.broken.is_empty() => Err(Problem::consequence()),
        (None, _) => Err(Problem::new("bus", format!("there is no bus of kind {kind}: add [buses.{kind}]"))),
        (Some(_), Some(_)) => {
            Err(Problem::new("bus", format!("there are several buses of kind {kind}: say which")))
        }
    }
}
