//! What a System Log event is to us: a borrowed view of Okta's bytes, and the message made of it.
//!
//! Owns identity (ids, keys, subjects) and CloudEvents attributes. Does no I/O and reads no clock.

mod attributes;
mod batch;
mod events;
mod fields;
mod subject;

pub use attributes::{Attributes, CONTENT_TYPE, STRUCTURED_CONTENT_TYPE};
pub use batch::{Batch, BatchId, Message, Origin};
pub use events::{Event, Events, EventsError};
pub use subject::{SubjectError, SubjectTemplate};

#[cfg(test)]
pub(crate) use batch::tests;
