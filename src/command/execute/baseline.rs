//! The state of what a command changes, right before its first change was sent. Pure.
//!
//! The journal has it before anything is sent. So an attempt after a lost answer or a crash can tell three cases apart:
//! nothing has changed at Okta since, the change is made, or somebody else has changed the same object.

use std::collections::BTreeMap;

use okta_client::users::User;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most bytes of `before` that are kept: a journal entry has room for little more.
const BEFORE_MAX_BYTES: usize = 2 << 10;

/// The state of what a command changes, right before its first change was sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The outcome's `before`; none if it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// Values that Okta showed, by name: mostly the times of the last changes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    marks: BTreeMap<String, Value>,
    /// How many attempts have sent something or were about to.
    #[serde(default)]
    sending_attempts: u32,
    /// How often a change that no read can show was sent or about to be sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    sends: u32,
}

impl Baseline {
    /// A baseline with these marks.
    pub(in crate::command) fn of(marks: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self { marks: marks.into_iter().collect(), ..Self::default() }
    }

    /// The user's status and the times of its changes.
    pub(in crate::command) fn of_user(user: &User) -> Self {
        Self::of(user_marks(user))
    }

    /// Whether it has a user's status.
    pub(in crate::command) fn has_status(&self) -> bool {
        self.marks.contains_key("status")
    }

    /// Whether the user's status has not changed since.
    pub(in crate::command) fn is_of_user(&self, user: &User) -> bool {
        user_marks(user).into_iter().all(|(name, value)| self.is(&name, &value))
    }

    /// Whether the mark `name` was `value`.
    pub(in crate::command) fn is(&self, name: &str, value: &Value) -> bool {
        self.marks.get(name).unwrap_or(&Value::Null) == value
    }

    /// The same, with what the outcome says was before.
    pub(in crate::command) fn with_before(mut self, before: Option<&Value>) -> Self {
        let fits = |before: &&Value| before.to_string().len() <= BEFORE_MAX_BYTES;
        self.before = before.filter(fits).cloned();
        self
    }

    /// The same, with one more attempt about to send.
    pub(in crate::command) fn sending(mut self) -> Self {
        self.sending_attempts = self.sending_attempts.saturating_add(1);
        self
    }

    /// How many attempts have sent something or were about to.
    pub(in crate::command) fn sending_attempts(&self) -> u32 {
        self.sending_attempts
    }

    /// The same, with what nothing can show about to be sent once more.
    pub(in crate::command) fn sent_once_more(mut self) -> Self {
        self.sends = self.sends.saturating_add(1);
        self
    }

    /// How often what nothing can show was sent, at most. Not all journals have counted it: each attempt has sent it once.
    pub(in crate::command) fn sends(&self) -> u32 {
        self.sends.max(self.sending_attempts)
    }

    /// What the outcome says was before, if it is kept.
    pub(in crate::command) fn before(&self) -> Option<&Value> {
        self.before.as_ref()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn user_marks(user: &User) -> Vec<(String, Value)> {
    let time = |name: &str| (name.to_owned(), user.raw.get(name).cloned().unwrap_or_default());
    vec![("status".to_owned(), user.status.clone().into()), time("statusChanged"), time("activated")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(status: &str, changed: &str) -> User {
        User::read(json!({ "id": "00u1", "status": status, "statusChanged": changed })).unwrap()
    }

    #[test]
    fn a_status_that_was_changed_and_changed_back_is_not_the_same() {
        let baseline = Baseline::of_user(&user("ACTIVE", "2026-01-01T00:00:00.000Z"));
        assert!(baseline.is_of_user(&user("ACTIVE", "2026-01-01T00:00:00.000Z")));
        assert!(!baseline.is_of_user(&user("ACTIVE", "2026-01-02T00:00:00.000Z")));
        assert!(!baseline.is_of_user(&user("SUSPENDED", "2026-01-01T00:00:00.000Z")));
    }

    #[test]
    fn a_large_before_is_left_out_and_the_rest_survives_coding() {
        let baseline = Baseline::of_user(&user("ACTIVE", "2026-01-01T00:00:00.000Z"));
        let small = baseline.clone().with_before(Some(&json!({ "status": "ACTIVE" })));
        assert_eq!(small.before(), Some(&json!({ "status": "ACTIVE" })));
        let large = baseline.with_before(Some(&json!("x".repeat(BEFORE_MAX_BYTES))));
        assert_eq!(large.before(), None);
        let text = serde_json::to_string(&small).unwrap();
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), small);
    }
}
