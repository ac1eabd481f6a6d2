//! An event as a row: the few things that people look for first.

use serde_json::Value;

use crate::event::{Event, name_of};

/// The columns of CSV, in their order. They may grow at the end.
pub(super) const COLUMNS: [&str; 13] = [
    "published",
    "event_type",
    "severity",
    "outcome",
    "reason",
    "actor",
    "actor_id",
    "address",
    "country",
    "target",
    "target_id",
    "message",
    "uuid",
];

/// What stands in the columns; what the event does not say is empty.
#[derive(Debug)]
pub(super) struct Row(Value);

impl Row {
    pub(super) fn new(event: &Event<'_>) -> Self {
        // An event of another shape has empty columns.
        Self(serde_json::from_slice(&event.raw()).unwrap_or(Value::Null))
    }

    /// The cells, one for each of [`COLUMNS`].
    pub(super) fn cells(&self) -> [&str; COLUMNS.len()] {
        [
            self.at("/published"),
            self.event_type(),
            self.at("/severity"),
            self.outcome(),
            self.at("/outcome/reason"),
            self.actor(),
            self.at("/actor/id"),
            self.address(),
            self.at("/client/geographicalContext/country"),
            self.target(),
            self.at("/target/0/id"),
            self.at("/displayMessage"),
            self.at("/uuid"),
        ]
    }

    pub(super) fn published(&self) -> &str {
        self.at("/published")
    }

    pub(super) fn event_type(&self) -> &str {
        self.at("/eventType")
    }

    pub(super) fn outcome(&self) -> &str {
        self.at("/outcome/result")
    }

    /// The login or e-mail, else the name.
    pub(super) fn actor(&self) -> &str {
        name_of(self.0.pointer("/actor"))
    }

    pub(super) fn address(&self) -> &str {
        self.at("/client/ipAddress")
    }

    /// The same of the first target.
    pub(super) fn target(&self) -> &str {
        name_of(self.0.pointer("/target/0"))
    }

    fn at(&self, path: &str) -> &str {
        self.0.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }
}
