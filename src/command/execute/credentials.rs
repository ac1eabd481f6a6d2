//! Passwords and sessions.

use serde_json::{Value, json};

use super::{
    life,
    lifecycle::Operation,
    lookup::back_off,
    work::{Finished, ROUNDS_MAX, Sent, Work, named, status_of},
};
use crate::{
    command::{
        Failed, Way,
        parameters::{ClearSessions, ExpirePassword, ResetPassword, SetPassword},
    },
    okta::{Change, OktaError, users, users::User},
};

/// Lets a password expire. A temporary one is made anew each time, as nobody can be told the former one.
pub(super) async fn expire(work: &mut Work<'_>, parameters: &ExpirePassword) -> Result<Finished, Failed> {
    if parameters.temporary_password {
        let revoke = parameters.revoke_sessions;
        let change = |id: &str| users::expire_password_with_temporary(id, revoke);
        return life::change(work, Operation::MakeTemporaryPassword, change).await;
    }
    if parameters.revoke_sessions {
        let message = "`revoke_sessions` goes with `temporary_password` only; use user.clear_sessions";
        return Err(super::Code::InvalidParameters.because(message));
    }
    life::change(work, Operation::ExpirePassword, users::expire_password).await
}

/// Takes a password away.
pub(super) async fn reset(work: &mut Work<'_>, parameters: &ResetPassword) -> Result<Finished, Failed> {
    let ResetPassword { send_email, revoke_sessions, .. } = *parameters;
    // That sessions are ended can be seen no more than a link.
    let is_seen = send_email && !revoke_sessions;
    let operation = if is_seen { Operation::ResetPassword } else { Operation::ResetPasswordAnew };
    life::change(work, operation, |id| users::reset_password(id, send_email, revoke_sessions)).await
}

/// Sets a password, and lets it expire at once if it is temporary.
pub(super) async fn set(work: &mut Work<'_>, parameters: &SetPassword) -> Result<Finished, Failed> {
    let mut user = work.known_user().await?;
    work.before.get_or_insert_with(|| status_of(&user));
    if user.status == "DEPROVISIONED" {
        return Err(life::wrong_status(&user, "any status but DEPROVISIONED"));
    }
    // What a former attempt has set may have expired by its own doing.
    let is_own_expiry = work.may_have_sent() && parameters.temporary && user.status == "PASSWORD_EXPIRED";
    if !is_own_expiry {
        work.must_be_as_expected(&user).await?;
    }
    work.must_be_settled(&user)?;
    // That the password was changed does not say by whom: only Okta's answer does.
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
    Ok(life::finished(Way::Done, &after, Value::Null))
}

/// Ends sessions. Nobody can see whether they are ended, and ending them again does no harm.
pub(super) async fn clear_sessions(
    work: &mut Work<'_>,
    parameters: &ClearSessions,
) -> Result<Finished, Failed> {
    let user = work.known_user().await?;
    work.must_be_as_expected(&user).await?;
    let change = users::clear_sessions(&user.id, parameters.oauth_tokens, parameters.forget_devices);
    once(work, &user.id, &change, |_| false).await?;
    if work.attempt.dry_run {
        return Ok(Finished::planned());
    }
    Ok(Finished::done(json!({ "user": named(&user) })))
}

/// Makes a change; in doubt, again until it shows or Okta answers.
async fn once(
    work: &mut Work<'_>,
    id: &str,
    change: &Change,
    is_done: impl Fn(&User) -> bool,
) -> Result<(), Failed> {
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        match work.send(change).await? {
            Sent::Planned | Sent::Done(_) => return Ok(()),
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => doubt = Some(error),
        }
        tokio::time::sleep(back_off(round)).await;
        if work.user(id).await?.is_some_and(|now| is_done(&now)) {
            return Ok(());
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}
