//! A description of `[commands.NAME]` in words, to check that the settings say what was meant.

use std::time::Duration;

use super::{
    AuditConfig, CommandsConfig, DestinationConfig, IntakeConfig, SignatureAlgorithm, SignatureConfig,
    SignatureKeyConfig,
};

impl CommandsConfig {
    /// What the configuration says, a sentence a thing.
    pub fn in_words(&self) -> Vec<String> {
        let outcomes = self.outcomes.in_words();
        let audit = match &self.audit {
            AuditConfig::File(file) => format!("the file {}", file.path.display()),
            AuditConfig::Sink(destination) => destination.in_words(),
        };
        let mut words = vec![
            self.intake.as_ref().map_or_else(
                || "reads no queue: it is for the command line of this machine".to_owned(),
                IntakeConfig::in_words,
            ),
            format!("publishes outcomes to {outcomes}, and records decisions in {audit}"),
            format!("allows {}: {} action(s)", list(&self.allow), self.actions().count()),
        ];
        if !self.approval.actions.is_empty() {
            let (actions, within) = (list(&self.approval.actions), span(self.approval.within));
            words.push(format!("has {actions} approved by a second key within {within}"));
        }
        let protect = &self.protect;
        let users = protect.users.iter().map(|user| format!("the user {user}"));
        let groups = protect.groups.iter().map(|group| format!("the group {group} with its members"));
        let apps = protect.apps.iter().map(|app| format!("the app {app}"));
        let addresses = protect.addresses.iter().map(|ip| format!("the addresses {ip}"));
        let protected: Vec<_> = users.chain(groups).chain(apps).chain(addresses).collect();
        if !protected.is_empty() {
            words.push(format!("protects {}", protected.join(", ")));
        }
        if !self.limits.is_empty() {
            words.push(format!("stops at {}", list(&self.limits)));
        }
        if !self.reply_to.is_empty() {
            words.push(format!("replies to {} where a command asks", list(&self.reply_to)));
        }
        if self.reveal.allowed {
            let to = match self.reveal.private.as_slice() {
                [] => "shows secrets on the command line".to_owned(),
                private => format!("gives secrets to {}", list(private)),
            };
            words.push(format!("{to} where a command asks"));
        }
        words.extend(self.signature.iter().map(SignatureConfig::in_words));
        words
    }
}

impl IntakeConfig {
    /// The queue, and the consumer that reads it.
    pub fn in_words(&self) -> String {
        match self {
            Self::Kafka { bus, topic, group } => {
                format!("reads the topic {topic} of {} as the group {group}", bus.name)
            }
            Self::Nats { bus, stream, subject, durable } => {
                format!("reads {subject} of the stream {stream} of {} as the consumer {durable}", bus.name)
            }
        }
    }
}

impl DestinationConfig {
    fn in_words(&self) -> String {
        let address = self.address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
        format!("the sink {}{address}", self.sink.name())
    }
}

impl SignatureConfig {
    fn in_words(&self) -> String {
        if self.keys.is_empty() {
            return "obeys anyone who can write to the queue: no signature is required".to_owned();
        }
        let keys: Vec<_> = self.keys.iter().map(SignatureKeyConfig::in_words).collect();
        let wants = if self.required { "obeys only what is signed" } else { "takes signatures" };
        format!("{wants} with {}, at most {} ago", keys.join(", "), span(self.max_age))
    }
}

impl SignatureKeyConfig {
    fn in_words(&self) -> String {
        let algorithm = match &self.algorithm {
            SignatureAlgorithm::Ed25519(_) => "ed25519",
            SignatureAlgorithm::HmacSha256(_) => "hmac-sha256",
        };
        let of = |what: &str, patterns: &[_]| match patterns {
            [] => String::new(),
            patterns => format!(", {what} {}", list(patterns)),
        };
        let (asks, approves) = (of("for", &self.allow), of("approves", &self.approve));
        format!("{} ({algorithm}{asks}{approves})", self.id)
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// A duration in the largest unit that it is a whole number of.
pub(super) fn span(per: Duration) -> String {
    let seconds = per.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let unit = units.iter().find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    unit.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}
