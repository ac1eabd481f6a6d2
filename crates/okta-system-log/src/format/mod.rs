//! How an event is rendered. Pure functions: an event in, a payload out.
//!
//! A new format is one file or folder, one arm in each `match` here and one row in the docs. What the formats that take
//! an event apart share: `log_event` (the parts of an event), `forms` (parts in other forms than Okta's), `object` and `writer` (JSON in and out), `rules` (tables
//! from event types to what they mean), `facts` (what Okta writes in several forms), `party`, `about`, `whose` and `vouching` (who
//! and what an event is about), `rights`, `severity` and `findings` (which events somebody should look at).

mod about;
mod detail;
mod distinct;
pub mod ecs;
#[cfg(test)]
mod examples;
mod explanation;
mod facts;
pub mod fields;
mod findings;
mod forms;
mod lines;
mod log_event;
mod object;
pub mod ocsf;
mod okta;
mod party;
mod rights;
mod rules;
mod severity;
#[cfg(test)]
mod tests;
pub mod udm;
mod vouching;
mod whose;
mod words;
mod writer;

use bytes::Bytes;

use crate::event::{Event, json::Document, repaired};
use detail::Detail;
pub use explanation::explanation;
pub use lines::push_line;
pub use rules::Rule;

/// A format by its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The bytes that Okta sent.
    #[default]
    Okta,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
    /// The Elastic Common Schema.
    Ecs,
    /// The Unified Data Model of Google SecOps.
    Udm,
}

impl Format {
    /// Its name in configuration, ids and subjects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Okta => "okta",
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
            Self::Udm => "udm",
        }
    }

    /// Whether its payloads name their schema in `dataschema`.
    pub fn has_schema_uri(self) -> bool {
        match self {
            // Okta documents the System Log, and Elastic and Google their fields, without giving a schema a URI.
            Self::Okta | Self::Ecs | Self::Udm => false,
            Self::Ocsf => true,
        }
    }
}

/// A format with all that decides what it gives. The same renderer gives the same bytes for the same event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renderer {
    /// The format.
    pub format: Format,
    /// How OCSF is written.
    pub ocsf: ocsf::Options,
    /// The org's domain, the source of the event in OCSF, ECS and UDM.
    pub tenant: Option<String>,
}

impl Renderer {
    /// Renders one event, with less and less detail until it has no more than `bytes_max` bytes. What is larger even so
    /// is given as it is, for the sink to refuse. Cannot fail: what is not an event is kept whole in a shape of its own.
    pub fn render(&self, event: &Event<'_>, bytes_max: Option<usize>) -> Payload {
        if self.format == Format::Okta {
            return okta::render(event).into();
        }
        let bytes_max = bytes_max.unwrap_or(usize::MAX);
        let raw = event.text();
        let repaired = if event.is_odd() { repaired(raw) } else { raw.into() };
        let json = if event.is_odd() { Document::read(&repaired) } else { event.document() };
        let tenant = self.tenant.as_deref();
        let input = Input { raw, json: &json, identity: &event.identity(), tenant, detail: Detail::Full };
        let full = self.render_with(&input);
        if full.bytes.len() <= bytes_max {
            return full;
        }
        let mut smallest = full;
        for detail in Detail::less_than_full(smallest.bytes.len()) {
            let smaller = self.render_with(&Input { detail, ..input });
            if smaller.bytes.len() < smallest.bytes.len() {
                smallest = smaller;
            }
            if smallest.bytes.len() <= bytes_max {
                break;
            }
        }
        smallest
    }

    fn render_with(&self, input: &Input<'_>) -> Payload {
        forms::with_event(input.json, |event| match self.format {
            Format::Okta => Bytes::copy_from_slice(input.raw.as_bytes()).into(),
            Format::Ocsf => ocsf::render(input, event, self.ocsf),
            Format::Ecs => Bytes::from(ecs::render(input, event)).into(),
            Format::Udm => Bytes::from(udm::render(input, event)).into(),
        })
    }
}

/// What an event is rendered to.
#[derive(Debug, Clone)]
pub struct Payload {
    /// One JSON value.
    pub bytes: Bytes,
    /// The CloudEvents `dataschema`: the absolute URI of the schema that `bytes` adheres to, if it has one.
    pub schema: Option<&'static str>,
}

impl From<Bytes> for Payload {
    /// A payload without a schema that has a URI.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, schema: None }
    }
}

/// One event to be rendered.
#[derive(Debug, Clone, Copy)]
struct Input<'a> {
    /// The event as Okta sent it.
    raw: &'a str,
    /// The same as any reader takes it: no name twice in an object, and the like.
    json: &'a Document<'a>,
    /// What identifies it for ever.
    identity: &'a str,
    /// The org's domain, if it is known.
    tenant: Option<&'a str>,
    detail: Detail,
}
