//! How an event is rendered. Pure functions: an event in, a payload out.
//!
//! A new format is one file, one arm here and one row in the docs.

mod okta;

use bytes::Bytes;

use crate::event::Event;

/// A format by its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The bytes that Okta sent.
    #[default]
    Okta,
}

impl Format {
    /// Its name in configuration, ids and subjects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Okta => "okta",
        }
    }

    /// Whether its payloads name their schema in `dataschema`.
    pub fn has_schema_uri(self) -> bool {
        match self {
            // Okta documents the System Log without giving its schema a URI.
            Self::Okta => false,
        }
    }

    /// Renders one event.
    pub fn render(self, event: &Event<'_>) -> Bytes {
        match self {
            Self::Okta => okta::render(event),
        }
    }
}
