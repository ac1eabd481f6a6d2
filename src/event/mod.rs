//! What a System Log event is to us: a borrowed view of Okta's bytes, and the message made of it.
//!
//! Owns identity (ids, keys, subjects, topics), redaction and CloudEvents attributes. Does no I/O and reads no clock.

mod attributes;
mod batch;
pub(crate) mod catalogue;
mod events;
mod field;
mod fields;
pub(crate) mod json;
mod missing;
mod party;
mod pattern;
mod printable;
mod redaction;
mod repair;
pub(crate) mod subject;
mod template;

pub use attributes::{Attributes, CONTENT_TYPE, STRUCTURED_CONTENT_TYPE};
pub use batch::{Batch, BatchId, Message, Origin, Payload};
pub use events::{Event, Events, EventsError};
pub use field::Field;
pub(crate) use missing::is_missing;
pub(crate) use party::name_of;
pub(crate) use pattern::Pattern;
pub(crate) use printable::{is_noncharacter, push_printable};
pub use redaction::{Action, Preset, Redaction, RuleError, Rules};
pub(crate) use repair::repaired;
pub(crate) use template::is_topic;
pub use template::{Piece, TOPIC_LENGTH_MAX, Template, TemplateError, Use};

#[cfg(test)]
pub(crate) use batch::tests;
