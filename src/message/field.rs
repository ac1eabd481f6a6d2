//! The fields of templates: their value for a message, and what is known of it without a message.

use std::borrow::Cow;

use super::batch::{Message, Origin};

/// Something that a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The org's name in the configuration.
    Org,
    /// The route's name.
    Route,
    /// The format's name.
    Format,
    /// `eventType`.
    EventType,
    /// The first segment of `eventType`.
    Category,
    /// `severity`.
    Severity,
    /// `outcome.result`.
    Outcome,
    /// `actor.id`.
    Actor,
    /// The user that the event is about: the first target of type `User`, else the actor.
    User,
    /// The root session, else the session.
    Session,
    /// `transaction.id`: what happened in one request or job.
    Transaction,
    /// What identifies the event.
    Uuid,
}

/// The fields with their names and the most characters that a token made of one may have, in the order of the
/// documentation. Okta's longest event type has 93 characters.
const FIELDS: [(Field, &str, usize); 12] = [
    (Field::Org, "org", usize::MAX),
    (Field::Route, "route", usize::MAX),
    (Field::Format, "format", usize::MAX),
    (Field::EventType, "event_type", 128),
    (Field::Category, "category", 64),
    (Field::Severity, "severity", 32),
    (Field::Outcome, "outcome", 32),
    (Field::Actor, "actor", 64),
    (Field::User, "user", 64),
    (Field::Session, "session", 64),
    (Field::Transaction, "transaction", 64),
    (Field::Uuid, "uuid", 64),
];

impl Field {
    pub(super) fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, known, _)| *known == name).map(|(field, _, _)| *field)
    }

    /// All names, for a message to a person.
    pub(super) fn list() -> String {
        FIELDS.map(|(_, name, _)| name).join(", ")
    }

    /// Its name in a template.
    pub fn name(self) -> &'static str {
        FIELDS[self as usize].1
    }

    /// A description for schemas.
    pub fn description(self) -> &'static str {
        match self {
            Self::Org => "the org's name in the configuration",
            Self::Route => "the route's name",
            Self::Format => "the format's name",
            Self::EventType => "Okta's eventType, its dots kept",
            Self::Category => "the first segment of Okta's eventType",
            Self::Severity => "the severity",
            Self::Outcome => "the outcome's result",
            Self::Actor => "the actor's id",
            Self::User => "the id of the user that the event is about",
            Self::Session => "the id of the root session, else of the session",
            Self::Transaction => "the id of the transaction",
            Self::Uuid => "the event's uuid",
        }
    }

    /// The most characters that it gives in a subject or a topic. What the configuration says is never cut.
    pub fn length_max(self) -> usize {
        FIELDS[self as usize].2
    }

    /// Whether it may give several tokens.
    pub fn has_dots(self) -> bool {
        self == Self::EventType
    }

    pub(super) fn is_of_origin(self) -> bool {
        matches!(self, Self::Org | Self::Route | Self::Format)
    }

    /// Its value, if it is the same for all messages of `origin`.
    pub(super) fn of_origin(self, origin: &Origin) -> Option<&str> {
        match self {
            Self::Org => Some(&origin.org),
            Self::Route => Some(&origin.route),
            Self::Format => Some(origin.format),
            _ => None,
        }
    }

    /// Its value for `message`, if it has one.
    pub(super) fn of<'a>(self, message: &Message<'a>) -> Option<Cow<'a, str>> {
        let event = message.event;
        let value = match self {
            Self::Org | Self::Route | Self::Format => self.of_origin(message.origin),
            Self::EventType => event.event_type(),
            Self::Category => event.event_type().and_then(|event_type| event_type.split('.').next()),
            Self::Severity => event.severity(),
            Self::Outcome => event.outcome(),
            Self::Actor => event.actor_id(),
            Self::User => event.subject(),
            Self::Session => event.session_id(),
            Self::Transaction => event.transaction_id(),
            Self::Uuid => return Some(event.identity()),
        };
        value.filter(|value| !value.is_empty()).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_stands_at_its_own_place() {
        for (index, (field, name, _)) in FIELDS.iter().enumerate() {
            assert_eq!(*field as usize, index);
            assert_eq!(Field::named(name), Some(*field));
        }
    }
}
