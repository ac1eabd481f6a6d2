//! The message made of one event: id, key, subject, CloudEvents attributes, payload.
//!
//! Pure. Knows how messages are addressed, and no connection to any bus.

mod attributes;
mod batch;
mod field;
mod segments;
pub(crate) mod subject;
mod template;

pub use attributes::{Attributes, CONTENT_TYPE, STRUCTURED_CONTENT_TYPE, TRACEPARENT};
pub use batch::{Batch, Message, Messages, Origin};
pub use field::Field;
pub(crate) use segments::{Segment, segments};
pub(crate) use template::is_topic;
pub use template::{TOPIC_LENGTH_MAX, Template, TemplateError, TemplatePiece, TemplateUse};

#[cfg(test)]
pub(crate) use batch::tests;
