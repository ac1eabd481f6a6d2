//! What must still be so when a change is sent: the object by which it was decided, as it was seen, and the names of groups.
//! Sends nothing but look-ups.

use okta_client::{Target, users::User};
use serde_json::Value;
use tokio::time::Instant;

use super::{Baseline, Okta, lookup, naming};
use crate::command::{Action, ActionFailure, GroupSubject};

/// What must still be so when a change is sent.
#[derive(Debug)]
pub struct Precondition<'a> {
    pub(super) okta: &'a dyn Okta,
    pub(super) action: Action,
    /// The object as it was read, and where.
    pub(super) seen: Option<(Target, Value)>,
    /// The groups of the change that the command names by name.
    pub(super) groups: &'a [GroupSubject],
    pub(super) seen_at: Instant,
}

impl Precondition<'_> {
    /// When it was seen.
    pub fn seen_at(&self) -> Instant {
        self.seen_at
    }

    /// Whether a step of the command is done, by the user as they were read: their status is not that of `baseline`, or
    /// they did not exist.
    pub fn shows_progress(&self, baseline: &Baseline, existed: bool) -> bool {
        let Some((_, seen)) = &self.seen else { return false };
        let Some(user) = User::read(seen.clone()) else { return false };
        if baseline.has_status() { !baseline.is_of_user(&user) } else { !existed }
    }

    /// Whether it still holds, according to Okta now. Fails if Okta does not say.
    pub async fn holds(&self) -> Result<bool, ActionFailure> {
        if let Some((target, seen)) = &self.seen {
            let now = lookup::one(self.okta, self.action, target).await?;
            if !now.is_some_and(|now| is_alike(&now, seen)) {
                return Ok(false);
            }
        }
        naming::are_named(self.okta, self.action, self.groups).await
    }
}

/// Whether an object is unchanged. A sign-in does not count as a change.
fn is_alike(now: &Value, seen: &Value) -> bool {
    let without_sign_in = |value: &Value| {
        let mut value = value.clone();
        if let Some(members) = value.as_object_mut() {
            members.remove("lastLogin");
        }
        value
    };
    without_sign_in(now) == without_sign_in(seen)
}
