//! Changes that Okta has answered as done, and that a look does not show.

use std::time::Duration;

use okta_client::OktaError;

use super::{failure::Code, work::Work};
use crate::command::ActionFailure;

/// Another attempt looks again, and makes the change again if it still does not show.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// What of a change was answered, and does not show.
pub(in crate::command) fn unshown(what_is: &str) -> ActionFailure {
    Code::Unconfirmed.because(format!(
        "okta has answered that it was done, and {what_is} as before: a proxy may have answered in its place"
    ))
}

impl Work<'_> {
    /// The failure that remains after all rounds, if `is_answered` says whether Okta has answered that it was done.
    pub(in crate::command) fn gave_up_unshown(
        &self,
        doubt: Option<&OktaError>,
        is_answered: bool,
        what_is: &str,
    ) -> ActionFailure {
        match doubt {
            None if is_answered => ActionFailure { retry_after: Some(RETRY_AFTER), ..unshown(what_is) },
            doubt => self.gave_up(doubt),
        }
    }
}
