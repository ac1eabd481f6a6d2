//! Changing a user's status: what each status means for each operation is in `execute::lifecycle`.

use okta_client::users;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use super::user_look_up::OneUser;
use super::{Changes, Names, UserReference, row::Row, yes};
use crate::command::execute::{lifecycle::Operation, status_change};

/// The row of `user.activate`.
pub(super) const ACTIVATE: Row<ActivateUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(status_change::change(work, Operation::Activate, |id| users::activate(id, of.send_email)))
    },
};

/// The row of `user.reactivate`.
pub(super) const REACTIVATE: Row<ReactivateUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(status_change::change(work, Operation::Reactivate, |id| {
            users::reactivate(id, of.send_email)
        }))
    },
};

/// The row of `user.suspend`.
pub(super) const SUSPEND: Row<OneUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(status_change::change(work, Operation::Suspend, users::suspend)),
};

/// The row of `user.unsuspend`.
pub(super) const UNSUSPEND: Row<OneUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(status_change::change(work, Operation::Unsuspend, users::unsuspend)),
};

/// The row of `user.unlock`.
pub(super) const UNLOCK: Row<OneUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(status_change::change(work, Operation::Unlock, users::unlock)),
};

/// The row of `user.deactivate`.
pub(super) const DEACTIVATE: Row<DeactivateUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(status_change::change(work, Operation::Deactivate, |id| {
            users::deactivate(id, of.send_email)
        }))
    },
};

/// A user to be activated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivateUser {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether Okta sends the e-mail; without it the link is a secret of the outcome.
    #[serde(default = "yes")]
    pub send_email: bool,
}

/// A user whose activation is sent once more.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactivateUser {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether Okta sends the e-mail; without it the link is a secret of the outcome.
    #[serde(default)]
    pub send_email: bool,
}

/// A user to be deprovisioned.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeactivateUser {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether the administrator gets an e-mail.
    #[serde(default)]
    pub send_email: bool,
}
