//! `GET /tail`: events as they are delivered.

use serde::{Deserialize, Serialize};

use crate::live::PassedEvent;

/// A line of a tail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// The tail is open: what is delivered from now on comes by.
    Open,
    /// An event.
    Event(Box<PassedEvent>),
    /// So many events passed that this reader did not keep up with.
    Missed(u64),
}
