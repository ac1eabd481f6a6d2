//! Where records go: to one topic, or to a topic for each message.

use std::{collections::BTreeSet, fmt};

use crate::message::{Message, Origin, Template};

/// The topic or topics of a sink.
#[derive(Debug, Clone)]
pub(crate) enum Topic {
    /// Every record goes there.
    One(String),
    /// What a message says decides.
    Many(Template),
}

impl Topic {
    /// Where messages of `origin` go.
    pub(crate) fn new(template: &Template, origin: &Origin) -> Self {
        match template.fixed(Some(origin)) {
            Some(topic) => Self::One(topic),
            None => Self::Many(template.clone()),
        }
    }

    /// Writes the topic of `message` over what `topic` held.
    pub(crate) fn render(&self, message: &Message<'_>, topic: &mut String) {
        match self {
            Self::One(one) => topic.clone_from(one),
            Self::Many(template) => template.render(message, topic),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(topic) => formatter.write_str(topic),
            Self::Many(template) => template.fmt(formatter),
        }
    }
}

/// The topics that the cluster is known to have.
#[derive(Debug, Default)]
pub(crate) struct KnownTopics(BTreeSet<String>);

impl KnownTopics {
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.0.contains(topic)
    }

    pub(crate) fn add(&mut self, topic: &str) {
        self.0.insert(topic.to_owned());
    }
}
