//! The endless feed of one org's new events, shared by all routes that want it.
//!
//! A route walks the feed with a [`Reader`] of its own. Routes that stand at the same link share one request through
//! the page cache. Moves no cursor and knows no sink.

mod log_source;
mod pace;
mod page;
mod page_cache;
mod parsing;
mod polling;
mod reader;
mod seen;
mod shared;
#[cfg(test)]
pub(crate) mod simulation;
mod watermark;
pub mod window;

pub(crate) use log_source::LogSource;
pub use pace::PaceTally;
pub use page::Page;
pub use reader::{Position, Read, ReadStep, Reader};
pub use shared::{Stream, StreamSnapshot};
