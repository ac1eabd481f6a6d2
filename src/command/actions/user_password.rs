//! Passwords: expire, reset, recover, set.

use okta_client::users::{self, User};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::{Changes, Names, UserReference, row::Row, yes};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        failure::Code,
        lifecycle::Operation,
        status_change::{self, once},
        work::{Finished, Work, status_of},
    },
};

/// The row of `user.expire_password`.
pub(super) const EXPIRE: Row<ExpirePassword> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(expire(work, of)),
};

/// The row of `user.reset_password`.
pub(super) const RESET: Row<ResetPassword> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(reset(work, of)),
};

/// The row of `user.forgot_password`.
pub(super) const FORGOT: Row<ForgotPassword> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(status_change::change(work, Operation::ForgotPassword, |id| {
            users::forgot_password(id, of.send_email)
        }))
    },
};

/// The row of `user.set_password`.
pub(super) const SET: Row<SetPassword> = Row {
    secrets: &["password"],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(set(work, of)),
};

/// Whose password expires.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpirePassword {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether Okta makes a temporary password, which is a secret of the outcome.
    #[serde(default)]
    pub temporary_password: bool,
    /// Whether sessions end too; only with `temporary_password`.
    #[serde(default)]
    pub revoke_sessions: bool,
}

/// Whose password is taken away.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether Okta sends the link; without it the link is a secret of the outcome.
    #[serde(default = "yes")]
    pub send_email: bool,
    /// Whether sessions end too.
    #[serde(default)]
    pub revoke_sessions: bool,
}

/// Who has forgotten the password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether Okta sends the link; without it the link is a secret of the outcome.
    #[serde(default = "yes")]
    pub send_email: bool,
}

/// Whose password is set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The new password.
    #[schemars(with = "String")]
    pub password: SecretString,
    /// Whether it must be changed at the next sign-in.
    #[serde(default)]
    pub temporary: bool,
}

/// Expires a password. A temporary one is created anew each time, since an earlier one cannot be shown.
async fn expire(work: &mut Work<'_>, parameters: &ExpirePassword) -> Result<Finished, ActionFailure> {
    if parameters.temporary_password {
        let revoke = parameters.revoke_sessions;
        let change = |id: &str| users::expire_password_with_temporary(id, revoke);
        return status_change::change(work, Operation::MakeTemporaryPassword, change).await;
    }
    if parameters.revoke_sessions {
        let message = "`revoke_sessions` goes with `temporary_password` only; use user.clear_sessions";
        return Err(Code::InvalidParameters.because(message));
    }
    status_change::change(work, Operation::ExpirePassword, users::expire_password).await
}

/// Resets a password.
async fn reset(work: &mut Work<'_>, parameters: &ResetPassword) -> Result<Finished, ActionFailure> {
    let ResetPassword { send_email, revoke_sessions, .. } = *parameters;
    // The end of sessions cannot be seen, nor can a link.
    let is_seen = send_email && !revoke_sessions;
    let operation = if is_seen { Operation::ResetPassword } else { Operation::ResetPasswordAnew };
    status_change::change(work, operation, |id| users::reset_password(id, send_email, revoke_sessions)).await
}

/// Sets a password, and expires it at once if it is temporary.
async fn set(work: &mut Work<'_>, parameters: &SetPassword) -> Result<Finished, ActionFailure> {
    let mut user = work.known_user().await?;
    work.before.get_or_insert_with(|| status_of(&user));
    if user.status == "DEPROVISIONED" {
        return Err(status_change::wrong_status(&user, "any status but DEPROVISIONED"));
    }
    // A password that an earlier attempt has set may have expired by itself.
    let is_own_expiry = work.may_have_sent() && parameters.temporary && user.status == "PASSWORD_EXPIRED";
    if !is_own_expiry {
        work.must_be_as_expected(&user).await?;
    }
    work.must_be_settled(&user)?;
    // The time of the change does not tell who made it: only Okta's answer does.
    once(work, &user.id, &users::set_password(&user.id, &parameters.password), |_| false).await?;
    // A new password ends its expiry.
    if parameters.temporary && !work.attempt.dry_run {
        user = work.known_user().await?;
    }
    if parameters.temporary && (work.attempt.dry_run || user.status != "PASSWORD_EXPIRED") {
        let is_done = |now: &User| now.status == "PASSWORD_EXPIRED";
        once(work, &user.id, &users::expire_password(&user.id), is_done).await?;
    }
    if work.attempt.dry_run {
        return Ok(Finished::planned());
    }
    let after = work.user(&user.id).await?.unwrap_or(user);
    if parameters.temporary && after.status != "PASSWORD_EXPIRED" {
        return Err(status_change::unshown_status(&after));
    }
    Ok(status_change::finished(SuccessKind::Done, &after, &Value::Null))
}
