//! An event as a row: the few things that people look for first.

use std::borrow::Cow;

use okta_system_log::event::{json::EventView, name_of};

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

/// The columns; a value that the event does not have is empty.
#[derive(Debug)]
pub(super) struct Row<'a>(EventView<'a>);

impl<'a> Row<'a> {
    pub(super) fn new(event: &'a [u8]) -> Self {
        Self(EventView::at(event))
    }

    /// The cells, one for each of [`COLUMNS`].
    pub(super) fn cells(&self) -> [Cow<'_, str>; COLUMNS.len()] {
        [
            self.published(),
            self.event_type(),
            self.0.text("/severity"),
            self.outcome(),
            self.0.text("/outcome/reason"),
            self.actor(),
            self.0.text("/actor/id"),
            self.address(),
            self.0.text("/client/geographicalContext/country"),
            self.target(),
            self.0.text("/target/0/id"),
            self.0.text("/displayMessage"),
            self.0.text("/uuid"),
        ]
    }

    pub(super) fn published(&self) -> Cow<'_, str> {
        self.0.text("/published")
    }

    pub(super) fn event_type(&self) -> Cow<'_, str> {
        self.0.text("/eventType")
    }

    pub(super) fn outcome(&self) -> Cow<'_, str> {
        self.0.text("/outcome/result")
    }

    /// The login or e-mail, else the name.
    pub(super) fn actor(&self) -> Cow<'_, str> {
        name_of(&self.0, "/actor")
    }

    pub(super) fn address(&self) -> Cow<'_, str> {
        self.0.text("/client/ipAddress")
    }

    /// The name of the first target, likewise.
    pub(super) fn target(&self) -> Cow<'_, str> {
        name_of(&self.0, "/target/0")
    }
}
