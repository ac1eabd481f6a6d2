//! Changing a user's status: what each status means for each operation is in `execute::lifecycle`.

use okta_client::{Scope, users};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use super::user_look_up::OneUser;
use super::{Changes, Effect, Names, UserReference, row::Row, yes};
use crate::command::execute::{life, lifecycle::Operation};

/// The row of `user.activate`.
pub(super) const ACTIVATE: Row<ActivateUser> = Row {
    name: "user.activate",
    about: "Activate a staged or deprovisioned user.",
    effect: Effect::Write,
    scope: Scope::UsersManage,
    scopes_to_find: &[],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(life::change(work, Operation::Activate, |id| users::activate(id, of.send_email)))
    },
};

/// The row of `user.reactivate`.
pub(super) const REACTIVATE: Row<ReactivateUser> = Row {
    name: "user.reactivate",
    about: "Send the activation of a user who has not completed it once more.",
    effect: Effect::Write,
    scope: Scope::UsersManage,
    scopes_to_find: &[],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(life::change(work, Operation::Reactivate, |id| users::reactivate(id, of.send_email)))
    },
};

/// The row of `user.suspend`.
pub(super) const SUSPEND: Row<OneUser> = Row {
    name: "user.suspend",
    about: "Suspend an active user.",
    effect: Effect::Write,
    scope: Scope::UsersManage,
    scopes_to_find: &[],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(life::change(work, Operation::Suspend, users::suspend)),
};

/// The row of `user.unsuspend`.
pub(super) const UNSUSPEND: Row<OneUser> = Row {
    name: "user.unsuspend",
    about: "Let a suspended user be active again.",
    effect: Effect::Write,
    scope: Scope::UsersManage,
    scopes_to_find: &[],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(life::change(work, Operation::Unsuspend, users::unsuspend)),
};

/// The row of `user.unlock`.
pub(super) const UNLOCK: Row<OneUser> = Row {
    name: "user.unlock",
    about: "Unlock a user who is locked out.",
    effect: Effect::Write,
    scope: Scope::UsersManage,
    scopes_to_find: &[],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(life::change(work, Operation::Unlock, users::unlock)),
};

/// The row of `user.deactivate`.
pub(super) const DEACTIVATE: Row<DeactivateUser> = Row {
    name: "user.deactivate",
    about: "Deprovision a user: apps and their content may be lost.",
    effect: Effect::Destroy,
    scope: Scope::UsersManage,
    scopes_to_find: &[],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(life::change(work, Operation::Deactivate, |id| users::deactivate(id, of.send_email)))
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
