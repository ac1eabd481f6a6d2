//! Subjects and topics of outcomes: the template that gives them, and the patterns that say which of them are allowed.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{Action, Status};
use crate::message::{Segment, TOPIC_LENGTH_MAX, segments};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressUse {
    /// A NATS subject.
    Subject,
    /// A Kafka topic.
    Topic,
}

/// A subject or topic with `{action}`, `{status}`, `{org}` and `{command_id}` to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressTemplate {
    text: String,
    segments: Vec<Segment<Field>>,
    /// Those that have addresses of their own.
    actions: Vec<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Action,
    Status,
    Org,
    CommandId,
}

/// Why something is no address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Brace(String),
    /// A field that does not exist.
    #[error("`{{{0}}}` is not a field; the fields are {{action}}, {{status}}, {{org}}, {{command_id}}")]
    UnknownField(String),
    /// A topic for each command would be a great many.
    #[error("a topic for each command would be too many: {{command_id}} is for subjects")]
    TopicOfACommand,
    /// Characters that an address cannot have.
    #[error("`{0}` is not a subject or topic: tokens of A-Z a-z 0-9 _ - $ between dots")]
    Illegal(String),
    /// A wildcard in the wrong place.
    #[error(
        "`{0}` is not a pattern: tokens between dots, `*` for any one of them, `>` at the end for all that follow"
    )]
    Pattern(String),
}

impl AddressTemplate {
    /// Reads a template for `used_as`.
    pub fn parse(text: &str, used_as: AddressUse) -> Result<Self, AddressError> {
        let brace = || AddressError::Brace(text.to_owned());
        let segments = segments(text, |name| field(name, used_as), brace)?;
        let template = Self { text: text.to_owned(), segments, actions: Action::ALL.to_vec() };
        // A field gives one token, or several with dots between them.
        let example = template.render("x", Status::Done, "x", "x");
        if !is_address(&example) {
            return Err(AddressError::Illegal(text.to_owned()));
        }
        Ok(template)
    }

    /// Gives only `actions` addresses of their own; all others share one. So a sender cannot choose an address that
    /// nothing takes, for which the outcome would wait without end.
    #[must_use]
    pub fn limited_to(self, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect(), ..self }
    }

    /// The address of an outcome. Whatever a command says, it is legal, and one of [`AddressTemplate::addresses`] but for
    /// the command's id.
    pub fn render(&self, action: &str, status: Status, org: &str, command_id: &str) -> String {
        let mut address = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => address.push_str(literal),
                Segment::Field(Field::Action) => address.push_str(self.known(action)),
                Segment::Field(Field::Status) => push_token(status.name(), &mut address),
                Segment::Field(Field::Org) => push_token(org, &mut address),
                Segment::Field(Field::CommandId) => push_token(command_id, &mut address),
            }
        }
        address
    }

    /// Every address that outcomes at `org` can have. Ids of commands are as many as there are commands: one stands for
    /// all.
    pub fn addresses(&self, org: &str) -> BTreeSet<String> {
        let actions = self.actions.iter().map(|action| action.name()).chain([OTHER_ACTION]);
        let outcomes = actions.flat_map(|action| Status::ALL.iter().map(move |status| (action, *status)));
        outcomes.map(|(action, status)| self.render(action, status, org, "id")).collect()
    }

    fn known<'a>(&self, action: &'a str) -> &'a str {
        let is_known = self.actions.iter().any(|known| known.name() == action);
        if is_known { action } else { OTHER_ACTION }
    }
}

impl fmt::Display for AddressTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn field(name: &str, used_as: AddressUse) -> Result<Field, AddressError> {
    match (name, used_as) {
        ("action", _) => Ok(Field::Action),
        ("status", _) => Ok(Field::Status),
        ("org", _) => Ok(Field::Org),
        ("command_id", AddressUse::Subject) => Ok(Field::CommandId),
        ("command_id", AddressUse::Topic) => Err(AddressError::TopicOfACommand),
        _ => Err(AddressError::UnknownField(name.to_owned())),
    }
}

/// What stands for an action that has no address of its own.
const OTHER_ACTION: &str = "other";

/// What stands for a value that has nothing to show.
const ABSENT: char = '_';

fn push_token(value: &str, out: &mut String) {
    if value.is_empty() {
        out.push(ABSENT);
    }
    out.extend(value.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }));
}

fn is_address(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
    };
    text.len() <= TOPIC_LENGTH_MAX && text.split('.').all(is_token)
}

/// Addresses that are allowed: `replies.hr`, `replies.*`, `replies.>`, by the rules of NATS for subjects and topics alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPattern(String);

impl AddressPattern {
    /// Whether `address` is one that can be published to, and is of the pattern. What a server keeps for itself, such as
    /// `$JS.API.…`, `__consumer_offsets`, is of none.
    pub fn matches(&self, address: &str) -> bool {
        if !is_address(address) || address.starts_with('$') || address.starts_with("__") {
            return false;
        }
        let mut tokens = address.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }
}

impl FromStr for AddressPattern {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let tokens: Vec<_> = text.split('.').collect();
        let is_good = |(index, token): (usize, &&str)| match *token {
            "*" => true,
            ">" => index + 1 == tokens.len(),
            token => is_address(token),
        };
        if tokens.iter().enumerate().all(is_good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AddressError::Pattern(text.to_owned()))
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_has_a_legal_address_whatever_the_command_says() {
        let text = "okta.{org}.outcomes.{action}.{status}.{command_id}";
        let template = AddressTemplate::parse(text, AddressUse::Subject).unwrap();
        let address = |action: &str, id: &str| template.render(action, Status::DryRun, "acme", id);
        assert_eq!(address("user.deactivate", "c-1"), "okta.acme.outcomes.user.deactivate.dry_run.c-1");
        for (action, id) in [("", ""), ("..>", "*"), ("a b\n.\u{1f600}", "$x.y")] {
            let address = address(action, id);
            assert!(is_address(&address), "{address}");
            assert!(address.starts_with("okta.acme.outcomes.other.dry_run."), "{address}");
        }
    }

    #[test]
    fn a_sender_cannot_choose_an_address_that_the_configuration_does_not_have() {
        let template = |text| {
            let template = AddressTemplate::parse(text, AddressUse::Topic).unwrap();
            template.limited_to([Action::UserGet, Action::UserSuspend])
        };
        let by_action = template("outcomes.{action}");
        for chosen in ["", "foo.bar.baz", "user.deactivated", "group.delete"] {
            assert_eq!(
                by_action.render(chosen, Status::Refused, "acme", "c-1"),
                "outcomes.other",
                "{chosen}"
            );
        }
        let all: Vec<_> = by_action.addresses("acme").into_iter().collect();
        assert_eq!(all, ["outcomes.other", "outcomes.user.get", "outcomes.user.suspend"]);
        assert_eq!(template("{org}.{status}").addresses("acme").len(), Status::ALL.len());
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, reason) in [
            ("a.{action", "without its partner"),
            ("a.{user}", "is not a field"),
            ("a..b", "is not a subject"),
            ("a b", "is not a subject"),
            ("a.*", "is not a subject"),
            ("", "is not a subject"),
        ] {
            let err = AddressTemplate::parse(text, AddressUse::Subject).unwrap_err().to_string();
            assert!(err.contains(reason), "{text}: {err}");
        }
        let topic = AddressTemplate::parse("a.{command_id}", AddressUse::Topic);
        assert_eq!(topic, Err(AddressError::TopicOfACommand));
    }

    #[test]
    fn patterns_match_as_nats_does_and_never_what_a_server_keeps_for_itself() {
        for (pattern, address, is_of_it) in [
            ("replies.hr", "replies.hr", true),
            ("replies.hr", "replies.hr.x", false),
            ("replies.*", "replies.hr", true),
            ("replies.*", "replies", false),
            ("replies.*", "replies.hr.x", false),
            ("replies.>", "replies.hr.x", true),
            ("replies.>", "replies", false),
            ("*.hr", "replies.hr", true),
            (">", "anything.at.all", true),
            (">", "$JS.API.STREAM.DELETE.OKTA", false),
            (">", "__consumer_offsets", false),
            (">", "a b", false),
            (">", "a.*", false),
            (">", "", false),
        ] {
            let parsed: AddressPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(address), is_of_it, "{pattern} {address}");
        }
        for pattern in ["", "a..b", "a.>.b", "a*", "a b"] {
            assert!(pattern.parse::<AddressPattern>().is_err(), "{pattern}");
        }
    }
}
