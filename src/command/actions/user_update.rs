//! Sets attributes of a user's profile.

use okta_client::{
    OktaError,
    users::{self, User},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Changes, Names, NewName, Profile, UserReference, row::Row};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        Baseline,
        failure::Code,
        lookup::back_off,
        status_change::wrong_status,
        work::{Finished, ROUNDS_MAX, Sent, Work},
    },
};

/// The row of `user.update`.
pub(super) const UPDATE: Row<UpdateUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |of| Some(NewName::User(&of.profile)),
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(update(work, &of.profile)),
};

/// A user and what becomes different about them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The attributes to set; `null` empties one, and those that are not named stay.
    pub profile: Profile,
}

/// The time of the last change of the user.
const UPDATED: &str = "lastUpdated";
/// Orgs may allow changes of users with this status. Others refuse them, or answer as if they had made them.
const DEPROVISIONED: &str = "DEPROVISIONED";
const DEPROVISIONED_NEEDS: &str =
    "any status but DEPROVISIONED, or the org's option to edit the profiles of deactivated users";

/// Sets the attributes that differ; the others stay.
pub(super) async fn update(work: &mut Work<'_>, profile: &Profile) -> Result<Finished, ActionFailure> {
    if profile.is_empty() {
        return Err(Code::InvalidParameters.because("`profile` names no attribute"));
    }
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let user = work.known_user().await?;
        work.before.get_or_insert_with(|| shown(&user, profile));
        let different = different(&user, profile);
        let has_sent = work.may_have_sent();
        if different.is_empty() {
            if !has_sent {
                work.must_be_as_expected(&user).await?;
            }
            let kind = if has_sent { SuccessKind::Done } else { SuccessKind::Already };
            return Ok(finished(kind, &user, profile));
        }
        let updated = user.raw.get(UPDATED).cloned().unwrap_or_default();
        let baseline = work.baseline(|| Baseline::of([(UPDATED.to_owned(), updated.clone())]));
        if has_sent && !baseline.is(UPDATED, &updated) {
            return Err(changed_meanwhile(&user));
        }
        work.must_be_as_expected(&user).await?;
        work.must_be_settled(&user)?;
        match work.send(&users::update(&user.id, &different)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(raw) => {
                let unread = || work.refused(&OktaError::NotAsAsked("it is no user".to_owned()));
                let after = User::read(raw).ok_or_else(unread)?;
                if user.status == DEPROVISIONED && self::different(&after, profile) == different {
                    return Err(wrong_status(&user, DEPROVISIONED_NEEDS));
                }
                return Ok(finished(SuccessKind::Done, &after, profile));
            }
            Sent::Refused(error) if user.status == DEPROVISIONED && error.code() == Some("E0000038") => {
                return Err(wrong_status(&user, DEPROVISIONED_NEEDS));
            }
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// The failure if somebody else has changed the user while the answer was awaited, perhaps reverting the change.
fn changed_meanwhile(user: &User) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    Code::ChangedMeanwhile.because(format!(
        "user {name} was changed since the command was begun, and is not as it asks: the change may have been made and \
         taken back, so nothing more is sent"
    ))
}

/// The requested attributes whose values differ. An unset attribute counts as `null`.
fn different(user: &User, profile: &Profile) -> Map<String, Value> {
    let pairs = profile.iter().filter(|(name, value)| user.attribute(name) != *value);
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn shown(user: &User, profile: &Profile) -> Value {
    let attributes: Map<_, _> =
        profile.keys().map(|name| (name.clone(), user.attribute(name).clone())).collect();
    json!({ "status": user.status, "profile": attributes })
}

fn finished(kind: SuccessKind, user: &User, profile: &Profile) -> Finished {
    Finished::new(kind, json!({ "user": user.raw })).after(shown(user, profile))
}
