//! Enrolled factors. Okta lists only those that the user's enrollment policy admits, so a missing factor may exist: its
//! removal is requested all the same.

use okta_client::{Change, OktaError, factors, is_id};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use super::user_look_up::OneUser;
use super::{Changes, Names, UserReference, row::Row};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        failure::Code,
        lookup::{self, back_off},
        secrets,
        work::{Finished, ROUNDS_MAX, Sent, Work, named},
    },
};

/// The row of `user.factors`.
pub(super) const LIST: Row<OneUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(list(work)),
};

/// The row of `user.reset_factor`.
pub(super) const RESET: Row<ResetFactor> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(reset(work, &of.factor)),
};

/// The row of `user.reset_factors`.
pub(super) const RESET_ALL: Row<OneUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(reset_all(work)),
};

/// Which factor is removed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetFactor {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The factor's id, as `user.factors` lists it.
    pub factor: String,
}

/// Lists the factors.
async fn list(work: &mut Work<'_>) -> Result<Finished, ActionFailure> {
    let id = work.user_id()?;
    let mut factors = enrolled(work, id).await?;
    factors.iter_mut().for_each(secrets::strip_factor);
    Ok(Finished::done(json!({ "factors": factors, "complete": true })))
}

/// Removes one.
async fn reset(work: &mut Work<'_>, factor: &str) -> Result<Finished, ActionFailure> {
    if !is_id(factor) {
        return Err(Code::InvalidParameters.because("`factor` is no id; user.factors lists them"));
    }
    let is_it = |one: &Value| one.get("id").and_then(Value::as_str) == Some(factor);
    let is_left = |enrolled: &[Value], _: &Value| enrolled.iter().any(is_it);
    // Okta does not return unlisted factors, so only its refusal tells.
    let is_gone = |error: &OktaError| error.is_absence();
    remove(work, |user| factors::reset(user, factor), is_left, is_gone).await
}

/// Removes all.
async fn reset_all(work: &mut Work<'_>) -> Result<Finished, ActionFailure> {
    // Factors that were enrolled since stay.
    let is_left = |enrolled: &[Value], before: &Value| {
        let before = before.get("factors").and_then(Value::as_array);
        let was_there = |one: &Value| before.zip(one.get("id")).is_none_or(|(ids, id)| ids.contains(id));
        enrolled.iter().any(was_there)
    };
    remove(work, factors::reset_all, is_left, |_| false).await
}

async fn remove(
    work: &mut Work<'_>,
    change: impl Fn(&str) -> Change,
    is_left: impl Fn(&[Value], &Value) -> bool,
    is_gone: impl Fn(&OktaError) -> bool,
) -> Result<Finished, ActionFailure> {
    let user = work.known_user().await?;
    let mut was_listed = work.may_have_sent();
    let mut doubt: Option<OktaError> = None;
    let mut is_answered = false;
    for round in 1..=ROUNDS_MAX {
        let enrolled = enrolled(work, &user.id).await?;
        let before = work.before.get_or_insert_with(|| ids(&enrolled)).clone();
        let finished =
            |kind, left: &[Value]| Ok(Finished::new(kind, json!({ "user": named(&user) })).after(ids(left)));
        if was_listed && !is_left(&enrolled, &before) {
            return finished(SuccessKind::Done, &enrolled);
        }
        was_listed = is_left(&enrolled, &before);
        work.must_be_as_expected(&user).await?;
        match work.send(&change(&user.id)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(_) => {
                let left = self::enrolled(work, &user.id).await?;
                // Okta's answer does not tell: the listed factors must be gone from the list.
                if !was_listed || !is_left(&left, &before) {
                    return finished(SuccessKind::Done, &left);
                }
                is_answered = true;
                tokio::time::sleep(back_off(round)).await;
            }
            Sent::Refused(error) if is_gone(&error) => {
                return finished(
                    if doubt.is_some() { SuccessKind::Done } else { SuccessKind::Already },
                    &enrolled,
                );
            }
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    let what_is = format!("the list of the factors of user {} is", user.id);
    Err(work.gave_up_unshown(doubt.as_ref(), is_answered, &what_is))
}

async fn enrolled(work: &Work<'_>, user: &str) -> Result<Vec<Value>, ActionFailure> {
    let factors = lookup::whole(work.okta, work.action, &factors::list(user)).await?;
    factors.ok_or_else(|| Code::UserNotFound.because(format!("user {user} does not exist any more")))
}

fn ids(enrolled: &[Value]) -> Value {
    let ids: Vec<_> = enrolled.iter().filter_map(|factor| factor.get("id")).collect();
    json!({ "factors": ids })
}
