//! Commands: which are allowed, where they come from, and where their outcomes go.

mod approval;
mod contradictions;
mod resolve;
mod words;

use std::{collections::BTreeSet, fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use jiff::SignedDuration;
use okta_client::Scope;

pub use approval::ApprovalConfig;
pub(super) use resolve::{RawCommands, StatePaths, resolve};

use super::{KafkaBus, NatsBus, Retention, Rotate, SinkConfig, problem::did_you_mean};
#[cfg(test)]
use super::{StdoutSink, StdoutStyle};
use crate::action::{Action, AddressPattern, AddressTemplate, Effect, IpRange};

pub use super::signature::{
    KeyError, PublicKey, SIGNED_AHEAD_MAX, SignatureAlgorithm, SignatureConfig, SignatureKeyConfig,
    read_shared_secret,
};

/// One `[commands.NAME]`.
#[derive(Debug, Clone)]
pub struct CommandsConfig {
    /// Its name in the configuration.
    pub name: String,
    /// The org's name.
    pub org: String,
    /// Where commands come from; none: from the command line alone.
    pub intake: Option<IntakeConfig>,
    /// Where outcomes go.
    pub outcomes: DestinationConfig,
    /// What is allowed; whatever is not is refused.
    pub allow: Vec<ActionPattern>,
    /// What a second key must approve.
    pub approval: ApprovalConfig,
    /// Who and what nothing may be changed about.
    pub protect: ProtectConfig,
    /// How many changes in how long, at most 24 limits.
    pub limits: Vec<LimitConfig>,
    /// The most changes that one command may ask for: users times groups.
    pub list_max: usize,
    /// Who may sign commands.
    pub signature: Option<SignatureConfig>,
    /// Whether outcomes may have secrets.
    pub reveal: RevealConfig,
    /// Addresses that a command may name for its outcome.
    pub reply_to: Vec<AddressPattern>,
    /// Where decisions are recorded.
    pub audit: AuditConfig,
    /// Commands that run at a time.
    pub parallel: usize,
    /// How often a command is begun before it counts as failed.
    pub attempts_max: u32,
    /// How long the journal remembers a command.
    pub keep: Duration,
    /// How many commands the journal remembers, those of less than `keep` too.
    pub journal_max: u64,
}

/// Where commands come from.
#[derive(Debug, Clone)]
pub enum IntakeConfig {
    /// A Kafka topic, read by a consumer group.
    Kafka {
        /// The cluster.
        bus: Arc<KafkaBus>,
        /// The topic.
        topic: String,
        /// The consumer group.
        group: String,
    },
    /// A JetStream stream, read by a durable consumer.
    Nats {
        /// The server or cluster.
        bus: Arc<NatsBus>,
        /// The stream.
        stream: String,
        /// The subjects of it that have commands.
        subject: String,
        /// The consumer.
        durable: String,
    },
}

/// Where outcomes or audit records go.
#[derive(Debug, Clone)]
pub struct DestinationConfig {
    /// The sink whose connection and encoding are used.
    pub sink: SinkConfig,
    /// The subject or topic; none: the sink's own, or there are no addresses.
    pub address: Option<AddressTemplate>,
}

/// Which actions: `user.deactivate`, `user.*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern(String);

/// Who and what nothing may be changed about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtectConfig {
    /// Ids or logins.
    pub users: Vec<String>,
    /// Ids or exact names; their members are protected too.
    pub groups: Vec<String>,
    /// Ids or exact labels; all apps of a label are protected.
    pub apps: Vec<String>,
    /// Addresses that are never blocked.
    pub addresses: Vec<IpRange>,
}

/// How many changes in how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitConfig {
    /// The actions that count.
    pub pattern: ActionPattern,
    /// Changes, at most.
    pub count: u32,
    /// In any time of this length.
    pub per: Duration,
}

/// Whether outcomes may have secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevealConfig {
    /// Whether they may at all.
    pub allowed: bool,
    /// The addresses whose readers may see secrets.
    pub private: Vec<AddressPattern>,
    /// The JetStream streams that may store what goes there.
    pub stored_in: Vec<String>,
}

/// Where decisions are recorded.
#[derive(Debug, Clone)]
pub enum AuditConfig {
    /// A file of JSON lines that is only ever appended to.
    File(AuditFileConfig),
    /// A sink.
    Sink(Box<DestinationConfig>),
}

/// The file of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFileConfig {
    /// Where it is.
    pub path: PathBuf,
    /// When it is closed and the next one begun; never unless set.
    pub rotate: Option<Rotate>,
    /// How long closed ones are kept; for ever unless set.
    pub retention: Option<Retention>,
}

impl AuditFileConfig {
    /// A file that is never closed.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), rotate: None, retention: None }
    }
}

impl IntakeConfig {
    /// The group or consumer as which both read, if they do.
    pub(super) fn shared_reader<'a>(&'a self, other: &Self) -> Option<&'a str> {
        match (self, other) {
            (Self::Kafka { bus, group, .. }, Self::Kafka { bus: other_bus, group: other_group, .. }) => {
                (bus.name == other_bus.name && group == other_group).then_some(group)
            }
            (
                Self::Nats { bus, stream, durable, .. },
                Self::Nats { bus: other_bus, stream: other_stream, durable: other_durable, .. },
            ) => {
                let is_one = bus.name == other_bus.name && stream == other_stream && durable == other_durable;
                is_one.then_some(durable)
            }
            (Self::Kafka { .. }, Self::Nats { .. }) | (Self::Nats { .. }, Self::Kafka { .. }) => None,
        }
    }
}

impl DestinationConfig {
    /// Every subject or topic to which outcomes at `org` can go; none where there are no addresses.
    pub fn addresses(&self, org: &str) -> BTreeSet<String> {
        match &self.address {
            Some(template) => template.addresses(org),
            None => self.sink.fixed_address().into_iter().collect(),
        }
    }
}

impl ActionPattern {
    /// Whether `action` is one of them.
    pub fn matches(&self, action: Action) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => action.name().starts_with(prefix),
            None => action.name() == self.0,
        }
    }

    /// Whether it allows `action`: what gives administrator rights is allowed only where it is named, or its group is.
    pub fn allows(&self, action: Action) -> bool {
        self.matches(action) && (self.0 != "*" || action.effect() != Effect::Empower)
    }

    /// All of them.
    pub fn actions(&self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(|action| self.matches(*action))
    }
}

impl FromStr for ActionPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = Self(text.to_owned());
        let is_whole =
            text == "*" || text.strip_suffix(".*").is_some_and(|group| !group.contains(['.', '*']));
        if !is_whole && Action::named(text).is_none() || pattern.actions().next().is_none() {
            let families = Action::ALL.iter().filter_map(|action| action.name().split_once('.'));
            let families: BTreeSet<_> = families.map(|(family, _)| format!("{family}.*")).collect();
            let names =
                families.iter().map(String::as_str).chain(Action::ALL.iter().map(|action| action.name()));
            let hint = did_you_mean(text, names);
            return Err(format!("`{text}` is no action, `*`, or a group such as `user.*`{hint}"));
        }
        Ok(pattern)
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl LimitConfig {
    /// Whether `action` counts. Reads do where the limit is about reads alone.
    pub fn is_about(&self, action: Action) -> bool {
        let is_of_reads = || self.pattern.actions().all(|action| action.effect() == Effect::Read);
        self.pattern.matches(action) && (action.effect() != Effect::Read || is_of_reads())
    }
}

impl fmt::Display for LimitConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} in {}", self.count, self.pattern, words::span(self.per))
    }
}

#[cfg(test)]
impl CommandsConfig {
    /// The commands of a simulated engine, with a limit.
    pub(crate) fn for_simulation(limit: LimitConfig) -> Self {
        Self {
            name: "sim".to_owned(),
            org: "acme".to_owned(),
            intake: None,
            outcomes: DestinationConfig {
                sink: SinkConfig::Stdout(StdoutSink { name: "bus".to_owned(), style: StdoutStyle::Json }),
                address: None,
            },
            allow: vec!["*".parse().unwrap()],
            approval: ApprovalConfig::default(),
            protect: ProtectConfig {
                users: vec!["user4".to_owned()],
                groups: vec!["Admins".to_owned()],
                ..ProtectConfig::default()
            },
            limits: vec![limit],
            list_max: 100,
            signature: None,
            reveal: RevealConfig::default(),
            reply_to: Vec::new(),
            audit: AuditConfig::File(AuditFileConfig::at("")),
            parallel: 4,
            attempts_max: 10,
            keep: Duration::from_secs(30 * 86_400),
            journal_max: 1_000_000,
        }
    }
}

impl CommandsConfig {
    /// [How long the journal remembers a command](Self::keep), for reckoning with times.
    pub fn remembers_for(&self) -> SignedDuration {
        SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX)
    }

    /// All actions that are allowed.
    pub fn actions(&self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(|action| self.allows(*action))
    }

    /// Whether `action` is allowed.
    pub fn allows(&self, action: Action) -> bool {
        self.allow.iter().any(|pattern| pattern.allows(action))
    }

    /// The rights that the allowed actions need, with those to find what commands and protection name.
    pub fn scopes(&self) -> BTreeSet<Scope> {
        self.scopes_with(self.actions())
    }

    /// The rights, if only these actions were allowed.
    pub fn scopes_with(&self, actions: impl IntoIterator<Item = Action>) -> BTreeSet<Scope> {
        let of = |action: Action| [&[action.scope()], action.scopes_to_find()].concat();
        let mut scopes: BTreeSet<_> = actions.into_iter().flat_map(of).collect();
        if !self.protect.groups.is_empty() {
            scopes.insert(Scope::GroupsRead);
        }
        if !self.protect.users.is_empty() {
            scopes.insert(Scope::UsersRead);
        }
        // `protect.apps` needs no more than the actions that are about apps.
        for (read, manage) in
            [(Scope::UsersRead, Scope::UsersManage), (Scope::GroupsRead, Scope::GroupsManage)]
        {
            if scopes.contains(&manage) {
                scopes.remove(&read);
            }
        }
        scopes
    }

    /// The sinks that are used.
    pub fn sinks(&self) -> impl Iterator<Item = &SinkConfig> {
        self.destinations().map(|(_, destination)| &destination.sink)
    }
}

#[cfg(test)]
mod tests;
