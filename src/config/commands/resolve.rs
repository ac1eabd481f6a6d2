//! Turns the typed `[commands.NAME]` into its settings, and refuses invalid ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use okta_client::Scope;
use serde::Deserialize;

use super::{
    super::{
        BusConfig, Problem, SinkConfig,
        file_keeping::{RawPlainRotate, RawRetention, retention, rotate},
        load::Resolved,
        problem::did_you_mean,
        quantity::Span,
        route::refers,
        secret::Secrets,
        signature::{self, RawSignature},
        sink::{Buses, choose_bus},
    },
    ActionPattern, AuditConfig, AuditFileConfig, CommandsConfig, DestinationConfig, IntakeConfig,
    LimitConfig, ProtectConfig, RevealConfig, approval, contradictions,
};
use crate::{
    action::{Action, AddressPattern, AddressTemplate, AddressUse},
    message::{TOPIC_LENGTH_MAX, is_topic, subject::overlap},
};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCommands {
    org: String,
    intake: Option<RawIntake>,
    outcomes: RawDestination,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    approve: Vec<String>,
    approve_within: Option<Span>,
    #[serde(default)]
    protect: RawProtect,
    #[serde(default)]
    limits: BTreeMap<String, String>,
    list_max: Option<usize>,
    signature: Option<RawSignature>,
    #[serde(default)]
    reveal: RawReveal,
    #[serde(default)]
    reply_to: Vec<String>,
    audit: Option<RawAudit>,
    parallel: Option<usize>,
    attempts_max: Option<u32>,
    keep: Option<Span>,
    journal_max: Option<u64>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawIntake {
    kind: BusKind,
    bus: Option<String>,
    topic: Option<String>,
    group: Option<String>,
    stream: Option<String>,
    subject: Option<String>,
    durable: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum BusKind {
    Kafka,
    Nats,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDestination {
    sink: String,
    subject: Option<String>,
    topic: Option<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawProtect {
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    apps: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawReveal {
    #[serde(default)]
    allowed: bool,
    #[serde(default)]
    private: Vec<String>,
    #[serde(default)]
    stored_in: Vec<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawAudit {
    file: Option<PathBuf>,
    sink: Option<String>,
    subject: Option<String>,
    topic: Option<String>,
    rotate: Option<RawPlainRotate>,
    retention: Option<RawRetention>,
}

/// The most limits: what they have counted is kept in one note of the state.
const LIMITS_MAX: usize = 24;
const DEFAULT_LIST_MAX: usize = 100;
const DEFAULT_PARALLEL: usize = 8;
const PARALLEL_MAX: usize = 256;
const DEFAULT_ATTEMPTS_MAX: u32 = 10;
/// Some gigabytes of state.
const DEFAULT_JOURNAL_MAX: u64 = 1_000_000;
/// More than are ever held at a time.
const JOURNAL_MAX_AT_LEAST: u64 = 10_000;
const DEFAULT_KEEP: Duration = Duration::from_secs(30 * 86_400);

/// Whether signatures are required must be said explicitly for a queue.
const NOT_SAID: &str = "missing, so that anyone who can write to the queue would be obeyed: add keys to \
                        [commands.….signature], or write `signature = { required = false }` if everybody who can \
                        write to the queue may do all that is allowed";

/// What commands refer to.
pub(in crate::config) struct StatePaths<'a> {
    pub(in crate::config) orgs: &'a BTreeSet<&'a str>,
    pub(in crate::config) buses: &'a Buses,
    pub(in crate::config) sinks: &'a Resolved<SinkConfig>,
    /// Where the state is, if that was understood.
    pub(in crate::config) state: Option<&'a Path>,
}

pub(in crate::config) fn resolve(
    name: &str,
    raw: RawCommands,
    places: &StatePaths<'_>,
    secrets: Secrets,
) -> Result<CommandsConfig, Problem> {
    refers("org", &raw.org, places.orgs)?;
    let intake = raw.intake.map(|raw| intake(name, raw, places.buses)).transpose();
    let intake = intake.map_err(|err| err.under("intake"))?;
    if raw.allow.is_empty() {
        return Err(Problem::new("allow", "nothing is allowed: say what is, for example [\"user.*\"]"));
    }
    let allow = each("allow", &raw.allow)?;
    let outcomes = destination(raw.outcomes, places, &allow).map_err(|err| err.under("outcomes"))?;
    let state = places.state.unwrap_or(Path::new(""));
    let audit_file = state.join("audit").join(format!("{name}.jsonl"));
    let audit = match raw.audit {
        Some(raw) => audit(raw, audit_file, places, &allow).map_err(|err| err.under("audit"))?,
        None => AuditConfig::File(AuditFileConfig::at(audit_file)),
    };
    let keep = raw.keep.map_or(DEFAULT_KEEP, |Span(span)| span);
    if intake.is_some() && raw.signature.is_none() {
        return Err(Problem::new("signature", NOT_SAID));
    }
    let signature = raw.signature.map(|raw| signature::resolve(raw, keep, &allow, secrets)).transpose();
    let mut config = CommandsConfig {
        name: name.to_owned(),
        org: raw.org,
        intake,
        outcomes,
        allow,
        approval: approval::resolve(
            each("approve", &raw.approve)?,
            raw.approve_within.map(|Span(within)| within),
        )?,
        protect: protect(raw.protect)?,
        limits: limits(&raw.limits)?,
        list_max: at_least_one("list_max", raw.list_max, DEFAULT_LIST_MAX)?,
        signature: signature.map_err(|err| err.under("signature"))?,
        reveal: RevealConfig {
            allowed: raw.reveal.allowed,
            private: each("reveal.private", &raw.reveal.private)?,
            stored_in: raw.reveal.stored_in,
        },
        reply_to: each("reply_to", &raw.reply_to)?,
        audit,
        parallel: at_least_one("parallel", raw.parallel, DEFAULT_PARALLEL)?,
        attempts_max: raw.attempts_max.unwrap_or(DEFAULT_ATTEMPTS_MAX),
        keep,
        journal_max: raw.journal_max.unwrap_or(DEFAULT_JOURNAL_MAX),
    };
    if raw.list_max.is_none() {
        config.list_max = contradictions::longest_list(&config).unwrap_or(usize::MAX).min(config.list_max);
    }
    require_sense(&config)?;
    approval::check(&config)?;
    contradictions::check(&config)?;
    Ok(config)
}

/// A setting without effect is a mistake.
fn require_sense(config: &CommandsConfig) -> Result<(), Problem> {
    if config.parallel > PARALLEL_MAX {
        return Err(Problem::new("parallel", format!("at most {PARALLEL_MAX}")));
    }
    if config.attempts_max == 0 {
        return Err(Problem::new("attempts_max", "must be above zero"));
    }
    if config.keep < Duration::from_secs(3_600) {
        let reason = "must be 1h or more: a copy of a command that is forgotten is carried out again";
        return Err(Problem::new("keep", reason));
    }
    if config.journal_max < JOURNAL_MAX_AT_LEAST {
        let reason = format!(
            "must be {JOURNAL_MAX_AT_LEAST} or more: a copy of a command that is forgotten is carried out again"
        );
        return Err(Problem::new("journal_max", reason));
    }
    if config.reveal.allowed && config.reveal.private.is_empty() && config.intake.is_some() {
        return Err(Problem::new("reveal.private", "say which addresses are private: there are none"));
    }
    if !config.reply_to.is_empty() && config.outcomes.sink.bus().is_none() {
        let reason = format!("the sink `{}` has no addresses to reply to", config.outcomes.sink.name());
        return Err(Problem::new("reply_to", reason));
    }
    for limit in &config.limits {
        if !config.actions().any(|action| limit.is_about(action)) {
            let reason = format!("none of the actions that `{}` is about are allowed", limit.pattern);
            return Err(Problem::new(format!("limits.{}", limit.pattern), reason));
        }
    }
    require_no_circle(config)?;
    let ProtectConfig { users, groups, apps, addresses: _ } = &config.protect;
    if !apps.is_empty() && !config.actions().any(|action| action.scope() == Scope::AppsManage) {
        return Err(Problem::new("protect.apps", "none of the actions that are about apps are allowed"));
    }
    for (key, names) in [("users", users), ("groups", groups), ("apps", apps)] {
        if names.iter().any(|name| name.trim().is_empty()) {
            return Err(Problem::new(format!("protect.{key}"), "a name is empty"));
        }
    }
    Ok(())
}

fn protect(RawProtect { users, groups, apps, addresses }: RawProtect) -> Result<ProtectConfig, Problem> {
    let resolved =
        |text: &String| text.parse().map_err(|reason: String| Problem::new("protect.addresses", reason));
    let addresses = addresses.iter().map(resolved).collect::<Result<_, _>>()?;
    Ok(ProtectConfig { users, groups, apps, addresses })
}

/// Outcomes published to the queue would be read as commands, and each refusal would be refused again.
fn require_no_circle(config: &CommandsConfig) -> Result<(), Problem> {
    for (key, destination) in config.destinations() {
        if config.intake.as_ref().is_some_and(|intake| intake.reads(destination, &config.org)) {
            return Err(Problem::new(key, "the intake would read this as commands: send it elsewhere"));
        }
    }
    Ok(())
}

impl IntakeConfig {
    /// Whether something that goes to `destination` may be read here.
    pub(in crate::config) fn reads(&self, destination: &DestinationConfig, org: &str) -> bool {
        let addresses = destination.addresses(org);
        addresses.iter().any(|address| self.reads_from(&destination.sink, address))
    }

    /// Whether something that goes to `places` of `sink`, a topic or a pattern of topics or subjects, may be read here.
    pub(in crate::config) fn reads_from(&self, sink: &SinkConfig, places: &str) -> bool {
        match (self, sink) {
            (Self::Kafka { bus, topic, .. }, SinkConfig::Kafka(sink)) => {
                let is_topic = || places.parse().is_ok_and(|places: AddressPattern| places.matches(topic));
                bus.name == sink.bus.name && (places == topic || is_topic())
            }
            // A subject belongs to one stream, whatever the sink calls it.
            (Self::Nats { bus, subject, .. }, SinkConfig::Nats(sink)) => {
                bus.name == sink.bus.name && overlap(subject, places)
            }
            (Self::Kafka { .. } | Self::Nats { .. }, _) => false,
        }
    }
}

fn at_least_one(key: &str, given: Option<usize>, default: usize) -> Result<usize, Problem> {
    match given.unwrap_or(default) {
        0 => Err(Problem::new(key, "must be above zero")),
        number => Ok(number),
    }
}

/// Parses each of `texts`; the error names the invalid one.
fn each<T: FromStr<Err: ToString>>(key: &str, texts: &[String]) -> Result<Vec<T>, Problem> {
    let problem = |index: usize, err: T::Err| Problem::new(format!("{key}[{index}]"), err.to_string());
    texts.iter().enumerate().map(|(index, text)| text.parse().map_err(|err| problem(index, err))).collect()
}

fn limits(raw: &BTreeMap<String, String>) -> Result<Vec<LimitConfig>, Problem> {
    if raw.len() > LIMITS_MAX {
        return Err(Problem::new("limits", format!("at most {LIMITS_MAX}")));
    }
    let limit = |(name, text): (&String, &String)| {
        let under = |problem: Problem| problem.under(&format!("limits.{name}"));
        let pattern = name.parse().map_err(|err: String| under(Problem::new("", err)))?;
        let parts = text
            .split_once('/')
            .and_then(|(count, per)| Some((count.trim().parse().ok()?, Span::parse(per.trim())?)));
        match parts {
            Some((count, Span(per))) if count > 0 && per >= Duration::from_secs(1) => {
                Ok(LimitConfig { pattern, count, per })
            }
            _ => Err(under(Problem::new("", format!("`{text}` is not a limit such as \"50/10m\"")))),
        }
    };
    raw.iter().map(limit).collect()
}

fn intake(name: &str, raw: RawIntake, buses: &Buses) -> Result<IntakeConfig, Problem> {
    let keys: [(&str, bool, BusKind); 5] = [
        ("topic", raw.topic.is_some(), BusKind::Kafka),
        ("group", raw.group.is_some(), BusKind::Kafka),
        ("stream", raw.stream.is_some(), BusKind::Nats),
        ("subject", raw.subject.is_some(), BusKind::Nats),
        ("durable", raw.durable.is_some(), BusKind::Nats),
    ];
    if let Some((key, ..)) = keys.iter().find(|(_, is_given, kind)| *is_given && *kind != raw.kind) {
        let kind = format!("{:?}", raw.kind).to_lowercase();
        return Err(Problem::new(*key, format!("an intake of kind {kind} has no such key")));
    }
    let own_name = format!("oktabus-{name}");
    match raw.kind {
        BusKind::Kafka => {
            let bus = choose_bus(raw.bus.as_deref(), buses, "kafka", |bus| match bus {
                BusConfig::Kafka(bus) => Some(bus),
                BusConfig::Nats(_) => None,
            })?;
            let topic = needed("topic", raw.topic, "an intake of kind kafka needs a topic")?;
            if !is_topic(&topic) {
                let reason =
                    format!("`{topic}` is not a topic: A-Z a-z 0-9 . _ -, at most {TOPIC_LENGTH_MAX}");
                return Err(Problem::new("topic", reason));
            }
            Ok(IntakeConfig::Kafka { bus, topic, group: raw.group.unwrap_or(own_name) })
        }
        BusKind::Nats => {
            let bus = choose_bus(raw.bus.as_deref(), buses, "nats", |bus| match bus {
                BusConfig::Nats(bus) => Some(bus),
                BusConfig::Kafka(_) => None,
            })?;
            let stream = needed("stream", raw.stream, "an intake of kind nats needs a JetStream stream")?;
            let subject = needed("subject", raw.subject, "say which subjects of the stream have commands")?;
            let durable = raw.durable.unwrap_or(own_name);
            for (key, name) in [("stream", &stream), ("durable", &durable)] {
                if name.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c)) {
                    return Err(Problem::new(key, format!("`{name}` is not the name of a {key}")));
                }
            }
            if subject.parse::<AddressPattern>().is_err() {
                return Err(Problem::new("subject", format!("`{subject}` is not a subject")));
            }
            Ok(IntakeConfig::Nats { bus, stream, subject, durable })
        }
    }
}

fn needed(key: &str, given: Option<String>, reason: &str) -> Result<String, Problem> {
    given.filter(|text| !text.is_empty()).ok_or_else(|| Problem::new(key, reason))
}

fn destination(
    raw: RawDestination,
    places: &StatePaths<'_>,
    allow: &[ActionPattern],
) -> Result<DestinationConfig, Problem> {
    if places.sinks.broken.contains(&raw.sink) {
        return Err(Problem::consequence());
    }
    let sink = places.sinks.values.get(&raw.sink).ok_or_else(|| {
        let hint = did_you_mean(&raw.sink, places.sinks.names());
        Problem::new("sink", format!("there is no sink `{}`{hint}", raw.sink))
    })?;
    let (key, text, used_as, own) = match (sink, raw.subject, raw.topic) {
        (SinkConfig::Nats(sink), subject, None) => {
            ("subject", subject, AddressUse::Subject, sink.subject.fixed(None))
        }
        (SinkConfig::Kafka(sink), None, topic) => ("topic", topic, AddressUse::Topic, sink.topic.fixed(None)),
        (_, None, None) => {
            return Ok(DestinationConfig { sink: sink.clone(), address: None });
        }
        (_, Some(_), _) => {
            return Err(Problem::new("subject", format!("the sink `{}` has no subjects", raw.sink)));
        }
        (_, _, Some(_)) => {
            return Err(Problem::new("topic", format!("the sink `{}` has no topics", raw.sink)));
        }
    };
    if text.is_none() && own.is_none() {
        let reason = format!("the {key} of the sink `{}` depends on events: give one here", raw.sink);
        return Err(Problem::new(key, reason));
    }
    let address = text.map(|text| AddressTemplate::parse(&text, used_as)).transpose();
    let address = address.map_err(|err| Problem::new(key, err.to_string()))?;
    let actions = Action::ALL.iter().filter(|action| allow.iter().any(|pattern| pattern.allows(**action)));
    let address = address.map(|address| address.limited_to(actions.copied()));
    Ok(DestinationConfig { sink: sink.clone(), address })
}

/// `usual`: the file where none is named.
fn audit(
    raw: RawAudit,
    usual: PathBuf,
    places: &StatePaths<'_>,
    allow: &[ActionPattern],
) -> Result<AuditConfig, Problem> {
    match raw {
        RawAudit { file, sink: None, subject: None, topic: None, rotate: closing, retention: keeping }
            if file.is_some() || closing.is_some() || keeping.is_some() =>
        {
            let path = file.unwrap_or(usual);
            let is_closed = closing.is_some() || keeping.is_some();
            let closing = is_closed.then(|| rotate(&closing.unwrap_or_default().into())).transpose()?;
            let keeping = match (&closing, &keeping) {
                (Some(rotate), Some(raw)) => Some(retention(raw, rotate)?),
                _ => None,
            };
            Ok(AuditConfig::File(AuditFileConfig { path, rotate: closing, retention: keeping }))
        }
        RawAudit { file: None, sink: Some(sink), subject, topic, rotate: None, retention: None } => {
            let destination = destination(RawDestination { sink, subject, topic }, places, allow)?;
            if matches!(&destination.sink, SinkConfig::File(sink) if sink.retention.is_some()) {
                let reason = "this sink has a `retention`, which would remove the beginning of the audit's chain without a word \
                              in it: name a sink without one, or use `file` with `retention`";
                return Err(Problem::new("sink", reason));
            }
            Ok(AuditConfig::Sink(Box::new(destination)))
        }
        RawAudit { sink: Some(_), .. } => {
            Err(Problem::new("", "with `sink` there are `subject` or `topic` and nothing else"))
        }
        _ => Err(Problem::new("", "give `file`, or `sink` with its `subject` or `topic`")),
    }
}
