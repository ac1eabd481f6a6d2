//! One span: what it is of, when it was, and what is known of it. Attributes are names and numbers of the configuration, of
//! actions and of HTTP: never an event, a person, an id that a sender chose, or a secret.

use jiff::Timestamp;

use super::context::TraceContext;

/// What a span is to others, by OTLP's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Internal = 1,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttributeValue {
    Text(String),
    Number(i64),
}

/// Something that took a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) context: TraceContext,
    /// The span that it is a part of.
    pub(crate) parent: Option<u64>,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) attributes: Vec<(&'static str, AttributeValue)>,
    /// What happened in it.
    pub(crate) events: Vec<(&'static str, Timestamp)>,
    /// Spans of other traces that it is about.
    pub(crate) links: Vec<TraceContext>,
    /// Why it failed, in a few words.
    pub(crate) error: Option<String>,
}

impl Span {
    /// One that begins at `start` and has not ended.
    pub(crate) fn new(
        context: TraceContext,
        parent: Option<u64>,
        name: impl Into<String>,
        start: Timestamp,
    ) -> Self {
        Self {
            context,
            parent,
            name: name.into(),
            kind: SpanKind::Internal,
            start,
            end: start,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    pub(crate) fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.attributes.push((name, AttributeValue::Text(value.into())));
    }

    pub(crate) fn number(&mut self, name: &'static str, value: usize) {
        self.attributes.push((name, AttributeValue::Number(i64::try_from(value).unwrap_or(i64::MAX))));
    }
}
