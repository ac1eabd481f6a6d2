//! Subject templates such as `okta.{org}.{format}.{event_type}`, rendered to subjects that NATS accepts whatever an
//! event says.

use super::batch::{Message, Origin};

/// A subject with fields to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectTemplate {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Org,
    Route,
    Format,
    EventType,
    Severity,
    Outcome,
    Actor,
    User,
}

/// The fields and their names, in the order of the documentation.
const FIELDS: [(&str, Field); 8] = [
    ("org", Field::Org),
    ("route", Field::Route),
    ("format", Field::Format),
    ("event_type", Field::EventType),
    ("severity", Field::Severity),
    ("outcome", Field::Outcome),
    ("actor", Field::Actor),
    ("user", Field::User),
];

/// What stands in a subject for a field that the event does not have.
const ABSENT: &str = "_";

/// Why a template cannot give valid subjects.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SubjectError {
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Brace(String),
    /// A field that does not exist.
    #[error(
        "`{{{0}}}` is not a field; the fields are org, route, format, event_type, severity, outcome, actor, user"
    )]
    UnknownField(String),
    /// Characters that a subject to publish on cannot have.
    #[error("`{0}` is not a subject to publish on: no spaces, no wildcards, no empty tokens")]
    Illegal(String),
}

impl SubjectTemplate {
    /// Reads a template; `{field}` is filled in, everything else stands for itself.
    pub fn parse(template: &str) -> Result<Self, SubjectError> {
        let brace = || SubjectError::Brace(template.to_owned());
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(open) = rest.find(['{', '}']) {
            if open > 0 {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            let inside = rest[open..].strip_prefix('{').ok_or_else(brace)?;
            let (name, after) = inside.split_once('}').ok_or_else(brace)?;
            parts.push(Part::Field(field(name)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        let template_of = Self { parts };
        if !is_publishable(&template_of.filled_with("x")) {
            return Err(SubjectError::Illegal(template.to_owned()));
        }
        Ok(template_of)
    }

    /// Writes the subject of `message` over what `subject` held.
    pub fn render(&self, message: &Message<'_>, subject: &mut String) {
        subject.clear();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => subject.push_str(literal),
                Part::Field(field) => push_field(*field, message, subject),
            }
        }
    }

    /// The template as a NATS wildcard that matches every subject it can give: for messages of `origin`, or of all.
    pub fn wildcard(&self, origin: Option<&Origin>) -> String {
        let widest = |part: &Part| match part {
            Part::Literal(literal) => literal.clone(),
            Part::Field(field) => widest_value(*field, origin),
        };
        let widest: String = self.parts.iter().map(widest).collect();

        // A wildcard is a whole token, and what can have several tokens ends it.
        let mut wildcard = String::new();
        for (index, token) in widest.split('.').enumerate() {
            if index > 0 {
                wildcard.push('.');
            }
            if token.contains('>') {
                wildcard.push('>');
                break;
            }
            wildcard.push_str(if token.contains('*') { "*" } else { token });
        }
        wildcard
    }

    fn filled_with(&self, value: &str) -> String {
        let fill = |part: &Part| match part {
            Part::Literal(literal) => literal.clone(),
            Part::Field(_) => value.to_owned(),
        };
        self.parts.iter().map(fill).collect()
    }
}

fn field(name: &str) -> Result<Field, SubjectError> {
    let found = FIELDS.iter().find(|(known, _)| *known == name);
    found.map(|(_, field)| *field).ok_or_else(|| SubjectError::UnknownField(name.to_owned()))
}

fn is_publishable(subject: &str) -> bool {
    let legal = |token: &str| {
        !token.is_empty()
            && !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    subject.split('.').all(legal)
}

fn widest_value(field: Field, origin: Option<&Origin>) -> String {
    let known = match field {
        Field::Org => origin.map(|origin| origin.org.as_str()),
        Field::Route => origin.map(|origin| origin.route.as_str()),
        Field::Format => origin.map(|origin| origin.format),
        Field::EventType => return ">".to_owned(),
        Field::Severity | Field::Outcome | Field::Actor | Field::User => None,
    };
    if known.is_none() {
        return "*".to_owned();
    }
    let mut value = String::new();
    push_token(known, &mut value);
    value
}

fn push_field(field: Field, message: &Message<'_>, subject: &mut String) {
    let event = &message.event;
    match field {
        Field::Org => push_token(Some(&message.origin.org), subject),
        Field::Route => push_token(Some(&message.origin.route), subject),
        Field::Format => push_token(Some(message.origin.format), subject),
        Field::Severity => push_token(event.severity(), subject),
        Field::Outcome => push_token(event.outcome(), subject),
        Field::Actor => push_token(event.actor_id(), subject),
        Field::User => push_token(event.subject(), subject),
        Field::EventType => push_event_type(event.event_type(), subject),
    }
}

/// An event type keeps its dots, so that `okta.acme.okta.user.session.>` can be subscribed to.
fn push_event_type(event_type: Option<&str>, subject: &mut String) {
    for (index, token) in event_type.unwrap_or(ABSENT).split('.').enumerate() {
        if index > 0 {
            subject.push('.');
        }
        push_token(Some(token), subject);
    }
}

fn push_token(value: Option<&str>, subject: &mut String) {
    let value = value.filter(|value| !value.is_empty()).unwrap_or(ABSENT);
    subject
        .extend(value.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }));
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::batch;
    use super::*;

    fn render(template: &str, event: &str) -> String {
        let batch = batch(&format!("[{event}]"));
        let mut subject = String::new();
        SubjectTemplate::parse(template).unwrap().render(&batch.messages().next().unwrap(), &mut subject);
        subject
    }

    #[test]
    fn fields_are_filled_in() {
        let event = r#"{"eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1"}}"#;
        assert_eq!(render("okta.{org}.{format}.{event_type}", event), "okta.acme.okta.user.session.start");
        assert_eq!(render("x.{severity}.{actor}-{outcome}", event), "x.INFO.00u1-_");
    }

    #[test]
    fn whatever_an_event_says_the_subject_is_legal() {
        for odd in ["", ".", "a..b", "a b", "*", ">", "ü.x", "a.>.b", "\\n"] {
            let subject = render(
                "okta.{event_type}.{severity}",
                &format!(r#"{{"eventType":"{odd}","severity":"{odd}"}}"#),
            );
            assert!(is_publishable(&subject), "{odd} gave {subject}");
        }
    }

    #[test]
    fn a_template_that_cannot_be_right_is_refused() {
        assert_eq!(SubjectTemplate::parse("a.{nope}"), Err(SubjectError::UnknownField("nope".to_owned())));
        assert!(matches!(SubjectTemplate::parse("a.{org"), Err(SubjectError::Brace(_))));
        assert!(matches!(SubjectTemplate::parse("a}.b"), Err(SubjectError::Brace(_))));
        for illegal in ["", "a..b", ".a", "a.*", "a.>", "a b", "{org}."] {
            assert!(matches!(SubjectTemplate::parse(illegal), Err(SubjectError::Illegal(_))), "{illegal}");
        }
    }

    #[test]
    fn the_wildcard_covers_every_subject() {
        let wildcard = |template| SubjectTemplate::parse(template).unwrap().wildcard(None);
        assert_eq!(wildcard("okta.{org}.{event_type}"), "okta.*.>");
        assert_eq!(wildcard("okta.all"), "okta.all");
        assert_eq!(wildcard("okta.{severity}-{outcome}.x{event_type}.y"), "okta.*.>");
    }

    #[test]
    fn what_an_origin_fixes_is_no_wildcard() {
        let batch = batch("[{}]");
        let template = SubjectTemplate::parse("okta.{org}.{route}.{format}-{user}.{event_type}").unwrap();
        let wildcard = template.wildcard(Some(batch.origin()));
        assert_eq!(wildcard, "okta.acme.system-log_siem.*.>");
    }
}
