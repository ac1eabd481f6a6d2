//! Templates such as `okta.{org}.{format}.{event_type}`, rendered to NATS subjects, Kafka topics and keys that are legal
//! whatever an event says.

use std::{borrow::Cow, fmt};

use okta_system_log::event::push_printable;

use super::{
    batch::{Message, Origin},
    field::Field,
    segments::{Segment, segments},
};

/// The use of a template, which decides what is legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateUse {
    /// A NATS subject to publish on: tokens of `A-Z a-z 0-9 _ -`, separated by dots.
    Subject,
    /// The name of a Kafka topic: the same characters, and at most [`TOPIC_LENGTH_MAX`] of them.
    Topic,
    /// What orders messages: any text that CloudEvents allows, or none.
    Key,
}

/// The most characters that Kafka takes as a topic's name.
pub const TOPIC_LENGTH_MAX: usize = 249;

/// Text with fields to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    used_as: TemplateUse,
    /// A field is filled in with the first of these that the message has.
    segments: Vec<Segment<Vec<Field>>>,
}

/// A piece of what a template gives, as far as that is known before there is a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePiece<'a> {
    /// Always this.
    Fixed(Cow<'a, str>),
    /// Whatever the message has of these fields.
    Open(&'a [Field]),
}

/// What stands in a subject or a topic for a field that the message does not have.
const ABSENT: &str = "_";

/// Why a template is invalid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Brace(String),
    /// A field that does not exist.
    #[error("`{{{0}}}` is not a field; the fields are {list}", list = Field::list())]
    UnknownField(String),
    /// Characters that a subject to publish on cannot have.
    #[error("`{0}` is not a subject to publish on: no spaces, no wildcards, no empty tokens")]
    Subject(String),
    /// Characters that a topic's name cannot have, or too many of them.
    #[error("`{0}` is not a topic: up to {TOPIC_LENGTH_MAX} of A-Z a-z 0-9 . _ -")]
    Topic(String),
    /// An event could choose one of Kafka's own topics.
    #[error(
        "`{0}` begins with what an event says: begin with fixed text, `{{org}}`, `{{route}}` or `{{format}}`"
    )]
    TopicOfAnEvent(String),
    /// Characters that a CloudEvents attribute cannot have.
    #[error("{0:?} is not a key: no control characters")]
    Key(String),
}

impl Template {
    /// An empty template, for destinations with explicit addresses.
    pub fn nothing(used_as: TemplateUse) -> Self {
        Self { text: String::new(), used_as, segments: Vec::new() }
    }

    /// Reads a template for `used_as`. `{field}` is filled in, `{field|other}` with the first of them that the message
    /// has; everything else stands for itself.
    pub fn parse(text: &str, used_as: TemplateUse) -> Result<Self, TemplateError> {
        let brace = || TemplateError::Brace(text.to_owned());
        let first_of = |names: &str| names.split('|').map(field).collect();
        let segments = segments(text, first_of, brace)?;
        let template = Self { text: text.to_owned(), used_as, segments };
        template.require_legal()?;
        Ok(template)
    }

    /// Writes what the template gives for `message` over what `out` held.
    pub fn render(&self, message: &Message<'_>, out: &mut String) {
        out.clear();
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => out.push_str(literal),
                Segment::Field(fields) => {
                    let found = fields.iter().find_map(|field| Some((*field, field.of(message)?)));
                    self.push_value(found.as_ref().map(|(field, value)| (*field, &**value)), out);
                }
            }
        }
    }

    /// The known parts of the result for the messages of `origin`, or of any origin.
    pub fn pieces<'a>(&'a self, origin: Option<&'a Origin>) -> impl Iterator<Item = TemplatePiece<'a>> {
        self.segments.iter().map(move |segment| match segment {
            Segment::Literal(literal) => TemplatePiece::Fixed(Cow::Borrowed(literal)),
            Segment::Field(fields) => {
                match fields.first().and_then(|field| Some((*field, field.of_origin(origin?)?))) {
                    Some(found) => {
                        let mut fixed = String::new();
                        self.push_value(Some(found), &mut fixed);
                        TemplatePiece::Fixed(Cow::Owned(fixed))
                    }
                    None => TemplatePiece::Open(fields),
                }
            }
        })
    }

    /// What the template gives for every message of `origin`, if that does not depend on the message.
    pub fn fixed(&self, origin: Option<&Origin>) -> Option<String> {
        let fixed = |piece: TemplatePiece<'_>| match piece {
            TemplatePiece::Fixed(text) => Some(text.into_owned()),
            TemplatePiece::Open(_) => None,
        };
        self.pieces(origin).map(fixed).collect()
    }

    /// A subject template as a NATS wildcard that matches every subject it can give: for messages of `origin`, or of all.
    pub fn wildcard(&self, origin: Option<&Origin>) -> String {
        let widest = |piece: TemplatePiece<'_>| match piece {
            TemplatePiece::Fixed(text) => text.into_owned(),
            TemplatePiece::Open(fields) => {
                if fields.iter().any(|field| field.has_dots()) { ">" } else { "*" }.to_owned()
            }
        };
        let widest: String = self.pieces(origin).map(widest).collect();

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

    /// The most characters that the subject or topic of a message of `origin` can have.
    pub fn length_max(&self, origin: &Origin) -> usize {
        let of_field = |field: &Field| field.of_origin(origin).map_or_else(|| field.length_max(), str::len);
        let length = |piece: TemplatePiece<'_>| match piece {
            TemplatePiece::Fixed(text) => text.len(),
            TemplatePiece::Open(fields) => fields.iter().map(of_field).max().unwrap_or_default(),
        };
        self.pieces(Some(origin)).map(length).sum()
    }

    fn require_legal(&self) -> Result<(), TemplateError> {
        let filled: String = self.pieces(None).map(|piece| piece.or("x")).collect();
        let text = || self.text.clone();
        match self.used_as {
            TemplateUse::Subject if !is_publishable(&filled) => Err(TemplateError::Subject(text())),
            TemplateUse::Topic if !is_topic(&filled) => Err(TemplateError::Topic(text())),
            TemplateUse::Topic if self.begins_with_an_event() => Err(TemplateError::TopicOfAnEvent(text())),
            TemplateUse::Key if self.text.contains(|c: char| c.is_control()) => {
                Err(TemplateError::Key(text()))
            }
            TemplateUse::Subject | TemplateUse::Topic | TemplateUse::Key => Ok(()),
        }
    }

    /// Kafka keeps its own topics under names such as `__consumer_offsets`.
    fn begins_with_an_event(&self) -> bool {
        match self.segments.first() {
            Some(Segment::Field(fields)) => !fields.first().is_some_and(|field| field.is_of_origin()),
            Some(Segment::Literal(_)) | None => false,
        }
    }

    fn push_value(&self, found: Option<(Field, &str)>, out: &mut String) {
        match (self.used_as, found) {
            (TemplateUse::Key, found) => push_printable(found.map_or("", |(_, value)| value), out),
            (TemplateUse::Subject | TemplateUse::Topic, None) => out.push_str(ABSENT),
            (TemplateUse::Subject | TemplateUse::Topic, Some((field, value))) => {
                push_tokens(field, value, out);
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TemplatePiece<'_> {
    /// The fixed text, or `otherwise`.
    pub fn or(&self, otherwise: &str) -> String {
        match self {
            TemplatePiece::Fixed(text) => text.clone().into_owned(),
            TemplatePiece::Open(_) => otherwise.to_owned(),
        }
    }
}

fn field(name: &str) -> Result<Field, TemplateError> {
    Field::named(name).ok_or_else(|| TemplateError::UnknownField(name.to_owned()))
}

fn is_publishable(subject: &str) -> bool {
    let legal = |token: &str| {
        !token.is_empty()
            && !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    subject.split('.').all(legal)
}

/// Whether Kafka takes `topic`.
pub(crate) fn is_topic(topic: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=TOPIC_LENGTH_MAX).contains(&topic.len()) && topic.chars().all(legal) && topic != "." && topic != ".."
}

/// What has dots keeps them, so that `okta.acme.okta.user.session.>` can be subscribed to. What is longer than anything
/// that Okta sends is cut.
fn push_tokens(field: Field, value: &str, out: &mut String) {
    let end = out.len().saturating_add(field.length_max());
    let mut is_token_empty = true;
    for c in value.chars() {
        // A dot brings a filler with it if its token is empty, and so may the end.
        if out.len() + 3 > end {
            break;
        }
        match c {
            '.' if field.has_dots() => {
                out.push_str(if is_token_empty { "_." } else { "." });
                is_token_empty = true;
            }
            c => {
                out.push(if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' });
                is_token_empty = false;
            }
        }
    }
    if is_token_empty {
        out.push_str(ABSENT);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::batch::tests::batch, *};

    fn template(text: &str, used_as: TemplateUse) -> Template {
        Template::parse(text, used_as).unwrap()
    }

    fn render(text: &str, used_as: TemplateUse, event: &str) -> String {
        let batch = batch(&format!("[{event}]"));
        let mut out = "left over".to_owned();
        template(text, used_as).render(&batch.messages().next().unwrap(), &mut out);
        out
    }

    const EVENT: &str = r#"{"uuid":"u-1","eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1"},
        "authenticationContext":{"externalSessionId":"s1","rootSessionId":"s0"},"transaction":{"id":"t1"}}"#;

    #[test]
    fn fields_are_filled_in() {
        let subject = |text| render(text, TemplateUse::Subject, EVENT);
        assert_eq!(subject("okta.{org}.{format}.{event_type}"), "okta.acme.okta.user.session.start");
        assert_eq!(subject("x.{severity}.{actor}-{outcome}"), "x.INFO.00u1-_");
        assert_eq!(subject("x.{category}.{session}.{transaction}.{uuid}"), "x.user.s0.t1.u-1");
        assert_eq!(subject("{route}.{user}"), "system-log_siem.00u1");
    }

    #[test]
    fn the_first_field_that_the_message_has_stands_for_all() {
        let key = |event| render("{user|org}", TemplateUse::Key, event);
        assert_eq!(key(r#"{"actor":{"id":"00a"},"target":[{"type":"User","id":"00t"}]}"#), "00t");
        assert_eq!(key(r#"{"actor":{"id":"00a"}}"#), "00a");
        assert_eq!(key("{}"), "acme");
        assert_eq!(key(r#"{"actor":{"id":""}}"#), "acme");
        assert_eq!(render("{outcome|severity}", TemplateUse::Subject, "{}"), "_");
    }

    #[test]
    fn an_id_that_is_a_word_for_no_value_leaves_its_place_to_the_next() {
        for word in ["Unknown", "NONE", "unknown", "null"] {
            let event = format!(
                r#"{{"actor":{{"id":"00a"}},"target":[{{"type":"User","id":"{word}"}}],
                "authenticationContext":{{"rootSessionId":"{word}"}},"transaction":{{"id":"{word}"}}}}"#
            );
            assert_eq!(render("{user|org}", TemplateUse::Key, &event), "00a", "{word}");
            assert_eq!(render("{session|transaction|org}", TemplateUse::Key, &event), "acme", "{word}");
            let event = format!(r#"{{"actor":{{"id":"{word}"}},"outcome":{{"result":"{word}"}}}}"#);
            assert_eq!(render("{user|org}", TemplateUse::Key, &event), "acme", "{word}");
            assert_eq!(render("{actor}.{outcome}", TemplateUse::Subject, &event), format!("_.{word}"));
        }
    }

    #[test]
    fn a_key_is_any_text_or_none() {
        assert_eq!(
            render("{org}:{actor}", TemplateUse::Key, r#"{"actor":{"id":"J\u00fcrgen Doe"}}"#),
            "acme:J\u{fc}rgen Doe"
        );
        assert_eq!(render("{actor}", TemplateUse::Key, r#"{"actor":{"id":"a\nb%"}}"#), "a%0Ab%25");
        assert_eq!(render("{actor}", TemplateUse::Key, "{}"), "");
        assert_eq!(render("", TemplateUse::Key, EVENT), "");
    }

    #[test]
    fn a_template_that_cannot_be_right_is_refused() {
        let refusal = |text: &str, used_as| Template::parse(text, used_as).unwrap_err();
        assert_eq!(refusal("a.{nope}", TemplateUse::Subject), TemplateError::UnknownField("nope".to_owned()));
        assert_eq!(refusal("a.{org|}", TemplateUse::Key), TemplateError::UnknownField(String::new()));
        for text in ["a.{org", "a}.b", "{}}"] {
            assert!(matches!(
                refusal(text, TemplateUse::Topic),
                TemplateError::Brace(_) | TemplateError::UnknownField(_)
            ));
        }
        for illegal in ["", "a..b", ".a", "a.*", "a.>", "a b", "{org}."] {
            assert!(matches!(refusal(illegal, TemplateUse::Subject), TemplateError::Subject(_)), "{illegal}");
        }
        for illegal in ["", ".", "..", "a b", "a/{org}", "ü", &"x".repeat(250)] {
            assert!(matches!(refusal(illegal, TemplateUse::Topic), TemplateError::Topic(_)), "{illegal}");
        }
        assert!(matches!(refusal("a\n", TemplateUse::Key), TemplateError::Key(_)));
    }

    #[test]
    fn the_longest_topic_is_known_beforehand() {
        let batch = batch("[{}]");
        let length = |text| template(text, TemplateUse::Topic).length_max(batch.origin());
        assert_eq!(length("okta.{org}.{category}"), 5 + 4 + 1 + 64);
        assert_eq!(length("okta.{severity|org}"), 5 + 32);
        assert_eq!(length("{format|user}"), 4);
    }

    #[test]
    fn no_event_chooses_a_topic_of_kafkas_own() {
        for text in ["{event_type}", "{severity}-x", "{user|org}"] {
            let refusal = Template::parse(text, TemplateUse::Topic).unwrap_err();
            assert!(matches!(refusal, TemplateError::TopicOfAnEvent(_)), "{text}");
        }
        let hostile = r#"{"eventType":"__consumer_offsets"}"#;
        assert_eq!(render("{org}.{event_type}", TemplateUse::Topic, hostile), "acme.__consumer_offsets");
    }

    #[test]
    fn the_wildcard_covers_every_subject() {
        let wildcard = |text| template(text, TemplateUse::Subject).wildcard(None);
        assert_eq!(wildcard("okta.{org}.{event_type}"), "okta.*.>");
        assert_eq!(wildcard("okta.all"), "okta.all");
        assert_eq!(wildcard("okta.{severity}-{outcome}.x{event_type}.y"), "okta.*.>");
    }

    #[test]
    fn what_an_origin_fixes_is_no_wildcard() {
        let batch = batch("[{}]");
        let template = template("okta.{org}.{route}.{format}-{user}.{event_type}", TemplateUse::Subject);
        assert_eq!(template.wildcard(Some(batch.origin())), "okta.acme.system-log_siem.*.>");
        assert_eq!(template.fixed(Some(batch.origin())), None);
        let fixed = Template::parse("okta.{org|user}.{route}", TemplateUse::Topic).unwrap();
        assert_eq!(fixed.fixed(Some(batch.origin())).as_deref(), Some("okta.acme.system-log_siem"));
        assert_eq!(fixed.fixed(None), None);
    }

    /// Whether NATS counts `subject` among those that `wildcard` matches.
    fn matches(wildcard: &str, subject: &str) -> bool {
        let (mut wildcard, mut subject) = (wildcard.split('.'), subject.split('.'));
        loop {
            match (wildcard.next(), subject.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(token), Some(same)) if token == "*" || token == same => {}
                _ => return false,
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_an_event_says_what_it_gives_is_legal(
            text in any::<String>(),
            odd in r"[.*>_ $/\\a-z\x00-\x1f\u{80}\u{fffe}]{0,400}",
        ) {
            for value in [text, odd] {
                let json = serde_json::to_string(&value).unwrap();
                let event = format!(
                    r#"{{"uuid":{json},"eventType":{json},"severity":{json},"outcome":{{"result":{json}}},"actor":{{"id":{json}}},
                    "transaction":{{"id":{json}}},"authenticationContext":{{"externalSessionId":{json}}}}}"#
                );
                let fields = "{org}.{route}.{format}.{event_type}.{category}-{severity}.{outcome}.{actor|user}";
                let batch = batch(&format!("[{event}]"));
                let message = batch.messages().next().unwrap();
                let mut out = String::new();

                let subject = template(&format!("okta.{fields}.{{session|transaction|uuid}}"), TemplateUse::Subject);
                subject.render(&message, &mut out);
                prop_assert!(is_publishable(&out), "{}", out);
                prop_assert!(out.len() <= subject.length_max(batch.origin()));
                prop_assert!(matches(&subject.wildcard(Some(batch.origin())), &out), "{}", out);

                for text in ["{org}.{event_type}", "x{category}-{user}-{uuid}", "{format}{severity}"] {
                    let topic = template(text, TemplateUse::Topic);
                    topic.render(&message, &mut out);
                    prop_assert!(is_topic(&out), "{}", out);
                    prop_assert!(out.len() <= topic.length_max(batch.origin()));
                }

                template(fields, TemplateUse::Key).render(&message, &mut out);
                prop_assert!(!out.contains(|c: char| c.is_control() || "\u{fffe}\u{ffff}".contains(c)), "{:?}", out);
            }
        }
    }
}
