//! What a change was decided by: an object as it was seen, and the names of groups. It may have changed by the time when the
//! change can be sent. Sends nothing but look-ups.

use okta_client::Target;
use serde_json::Value;
use tokio::time::Instant;

use super::{Okta, lookup, naming};
use crate::command::{Action, GroupSubject};

/// What a change was decided by.
#[derive(Debug)]
pub struct Precondition<'a> {
    pub(super) okta: &'a dyn Okta,
    pub(super) action: Action,
    /// What was seen, and where.
    pub(super) seen: Option<(Target, Value)>,
    /// The groups that the change is about, by which the command names them.
    pub(super) groups: &'a [GroupSubject],
    pub(super) at: Instant,
}

impl Precondition<'_> {
    /// When it was seen.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// Whether it is so yet, as far as Okta says now.
    pub async fn holds(&self) -> bool {
        if let Some((target, seen)) = &self.seen {
            let now = lookup::one(self.okta, self.action, target).await;
            if !now.is_ok_and(|now| now.is_some_and(|now| is_alike(&now, seen))) {
                return false;
            }
        }
        naming::are_named(self.okta, self.action, self.groups).await
    }
}

/// Whether an object is as it was: a sign-in alone changes nothing about it.
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
