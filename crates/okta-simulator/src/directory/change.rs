//! What a request has changed, one thing after the other: from this come the events of the System Log and
//! the list of all writes.

use super::status::Status;
use crate::generator::Party;

/// One thing that was changed.
#[derive(Debug)]
pub(super) struct Change {
    /// What the System Log calls it.
    pub(super) event_type: &'static str,
    pub(super) targets: Vec<Party>,
    /// The user's status, where it is about a user.
    pub(super) before: Option<Status>,
    /// The status afterwards, or the one on the way; none if there is no user any more.
    pub(super) after: Option<Status>,
}

impl Change {
    /// A change that leaves the status of users alone.
    pub(super) fn of(event_type: &'static str, targets: impl Into<Vec<Party>>) -> Self {
        Self { event_type, targets: targets.into(), before: None, after: None }
    }

    /// The same with the status before and after.
    pub(super) fn between(self, before: Option<Status>, after: Option<Status>) -> Self {
        Self { before, after, ..self }
    }
}
