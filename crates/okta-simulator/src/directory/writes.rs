//! Every change that clients have made, in order, for tests to look at.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::change::Change;
use super::status::Status;
use crate::generator::Party;

/// Changes kept; with more the oldest are forgotten.
const KEPT: usize = 100_000;

/// One change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Write {
    at: String,
    method: String,
    path: String,
    /// The type of the event in the System Log.
    what: &'static str,
    /// Ids of what was changed.
    user: Option<String>,
    group: Option<String>,
    app: Option<String>,
    zone: Option<String>,
    /// Of the user.
    before: Option<Status>,
    after: Option<Status>,
    request_id: String,
}

/// All changes so far.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<VecDeque<Write>>);

impl Write {
    pub(super) fn new(at: &str, method: &str, path: &str, request_id: &str, change: &Change) -> Self {
        Self {
            at: at.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            what: change.event_type,
            user: id_of("User", &change.targets),
            group: id_of("UserGroup", &change.targets),
            app: id_of("AppInstance", &change.targets),
            zone: id_of("NetworkZone", &change.targets),
            before: change.before,
            after: change.after,
            request_id: request_id.to_owned(),
        }
    }
}

impl Writes {
    pub(super) fn note(&self, write: Write) {
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if writes.len() == KEPT {
            writes.pop_front();
        }
        writes.push_back(write);
    }

    /// All that are kept, oldest first.
    pub(crate) fn all(&self) -> Vec<Write> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn id_of(kind: &str, targets: &[Party]) -> Option<String> {
    targets.iter().find(|target| target.kind == kind).map(|target| target.id.clone())
}
