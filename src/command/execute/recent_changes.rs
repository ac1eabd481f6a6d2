//! The recently answered changes. A later command that searches the log for its own change may find one of them. Kept
//! in memory only: changes before a start concern no command that searches.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

/// The most changes that are kept. A command searches from some seconds before its start; this is what an org accepts
/// in a minute.
const KNOWN_MAX: usize = 4_096;

/// The recently answered changes.
#[derive(Debug, Default)]
pub(in crate::command) struct RecentChanges(Mutex<VecDeque<(String, Timestamp)>>);

impl RecentChanges {
    /// Records that Okta has answered the change `request_id`.
    pub(super) fn note(&self, request_id: Option<&str>, at: Timestamp) {
        let Some(id) = request_id else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == KNOWN_MAX {
            known.pop_front();
        }
        known.push_back((id.to_owned(), at));
    }

    /// Whether Okta answered the change `request_id` before `time`, by the clock of this machine.
    pub(super) fn is_before(&self, request_id: &str, time: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|(id, at)| id == request_id && *at < time)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn what_was_answered_before_is_known_and_no_more_than_is_needed() {
        let recent_changes = RecentChanges::default();
        let begun_at = Timestamp::UNIX_EPOCH;
        recent_changes.note(Some("before"), begun_at - SignedDuration::from_millis(1));
        recent_changes.note(Some("own"), begun_at);
        recent_changes.note(None, begun_at);
        assert!(recent_changes.is_before("before", begun_at) && !recent_changes.is_before("own", begun_at));
        (0..KNOWN_MAX).for_each(|number| recent_changes.note(Some(&number.to_string()), begun_at));
        assert!(!recent_changes.is_before("before", begun_at));
    }
}
