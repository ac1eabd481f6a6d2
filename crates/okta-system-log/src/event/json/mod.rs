//! The one JSON reader: whoever looks into an event (identity, redaction, formats, people) does so through a tape that one
//! pass over its text has written.
//!
//! Takes what RFC 8259 allows, however deep it is, and nothing else. Bytes stay as they are written: a value is the text
//! from its first to its last byte, numbers have their own digits, and escapes are resolved only for who asks.

mod document;
mod reader;
mod scan;
mod tape;
mod unescape;
mod value;
mod view;

pub(crate) use document::Document;
pub(crate) use scan::{is_huge, is_plain};
pub(crate) use tape::{Key, TEXT_BYTES_MAX, Tape};
pub(crate) use unescape::with_whole_characters;
pub(crate) use value::{Items, Value};
pub use view::EventView;
