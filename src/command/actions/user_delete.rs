//! Deletes a user, irreversibly: Okta's first call deactivates and the second destroys, so the status is read right
//! before each.

use jiff::Timestamp;
use okta_client::{
    OktaError,
    users::{self, User},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Changes, Names, UserReference, row::Row};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        Baseline,
        failure::Code,
        lifecycle::{Operation, Step},
        lookup::back_off,
        status_change::{unshown_status, wrong_status},
        work::{Finished, ROUNDS_MAX, Sent, Work, id_of, status_of},
    },
};

/// The row of `user.delete`.
pub(super) const DELETE: Row<DeleteUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.maybe_gone())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(delete(work, of)),
};

/// A user to be deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteUser {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether a user who is not deprovisioned is deprovisioned first; otherwise the command fails.
    #[serde(default)]
    pub deactivate_first: bool,
    /// Whether the administrator gets an e-mail.
    #[serde(default)]
    pub send_email: bool,
}

/// Deactivates if requested and needed, then deletes.
async fn delete(work: &mut Work<'_>, parameters: &DeleteUser) -> Result<Finished, ActionFailure> {
    let subject = work.subject()?;
    // Without an id the user was never seen: their absence is not a success.
    let id = id_of(subject)?;
    let gone = |kind| {
        let user = json!({ "id": id, "login": subject.login });
        Ok(Finished::new(kind, json!({ "user": user })).after(json!({ "status": "DELETED" })))
    };
    let mut done = Done::default();
    // In a dry run the first step changes nothing, and the second is reported as if it had.
    let mut would_be_deprovisioned = false;
    // Two steps, each with the maximum of rounds in doubt.
    for round in 1..=2 * ROUNDS_MAX {
        let Some(user) = done.look(work, id).await? else {
            return gone(if work.may_have_sent() { SuccessKind::Done } else { SuccessKind::Already });
        };
        work.before.get_or_insert_with(|| status_of(&user));
        if is_own_first_step(work, parameters, &user, round > 1) {
            work.must_have_expected_profile(&user)?;
        } else {
            work.must_be_as_expected(&user).await?;
        }
        work.must_be_settled(&user)?;
        done.must_not_be_undone(work, &user)?;
        must_be_as_left(work, &user)?;
        let is_ready = would_be_deprovisioned || Operation::Delete.step(&user.status, None) == Step::Go;
        done.was_deprovisioned |= user.status == "DEPROVISIONED";
        let sent = match (is_ready, parameters.deactivate_first) {
            (true, _) => work.send(&users::delete(id, parameters.send_email)).await?,
            (false, true) => work.send(&users::deactivate(id, parameters.send_email)).await?,
            (false, false) => return Err(wrong_status(&user, "DEPROVISIONED, or `deactivate_first`")),
        };
        match sent {
            Sent::Planned if is_ready => return Ok(Finished::planned()),
            Sent::Planned => would_be_deprovisioned = true,
            // Okta may take its time; the next read waits for it.
            Sent::Done(_) if !is_ready => done.first_step_from = Some(user),
            Sent::Done(_) => {
                must_be_gone(work, &user).await?;
                return gone(SuccessKind::Done);
            }
            Sent::Refused(error) => {
                let now = work.settled_user(id).await?;
                if now.is_some_and(|now| now.status == user.status) {
                    return Err(work.refused(&error));
                }
            }
            Sent::InDoubt(error) => {
                if is_ready {
                    done.deletion_in_doubt_of = Some(user.time("statusChanged"));
                }
                done.doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(done.doubt.as_ref()))
}

/// What this attempt has seen and done so far, or may have done.
#[derive(Default)]
struct Done {
    doubt: Option<OktaError>,
    /// Whether the user was seen deactivated, or this attempt did it.
    was_deprovisioned: bool,
    /// The user before the first step, to which Okta has answered.
    first_step_from: Option<User>,
    /// The last change of the status before a deletion that is in doubt.
    deletion_in_doubt_of: Option<Option<Timestamp>>,
}

impl Done {
    /// The user as they are now, once Okta has done what it has answered to, if it does that in the background.
    async fn look(&mut self, work: &Work<'_>, id: &str) -> Result<Option<User>, ActionFailure> {
        let Some(before) = self.first_step_from.take() else { return work.settled_user(id).await };
        let is_over = |now: &User| now.transitioning_to.is_none() && !is_same(now, &before);
        let user = work.user_once(id, is_over).await?;
        match user {
            Some(now) if now.transitioning_to.is_none() && is_same(&now, &before) => {
                Err(unshown_status(&now))
            }
            user => {
                self.was_deprovisioned = true;
                Ok(user)
            }
        }
    }

    /// Fails if somebody has activated the user since: they may be wanted, and the rest is not done.
    fn must_not_be_undone(&self, work: &Work<'_>, user: &User) -> Result<(), ActionFailure> {
        let changed = user.time("statusChanged");
        let may_have_acted = work.may_have_sent();
        let is_active = matches!(user.status.as_str(), "ACTIVE" | "PROVISIONED");
        let is_undone = match user.status.as_str() {
            // The deletion of a reactivated user only deactivated them.
            "DEPROVISIONED" => self.deletion_in_doubt_of.is_some_and(|before| before != changed),
            _ if self.was_deprovisioned => true,
            _ => may_have_acted && is_active && changed > Some(work.begun_at()),
        };
        if is_undone { Err(taken_back(user)) } else { Ok(()) }
    }
}

/// Fails if an earlier attempt has sent something and the status cannot be the result of this command: a user whom
/// somebody else has changed since is not deleted.
fn must_be_as_left(work: &mut Work<'_>, user: &User) -> Result<(), ActionFailure> {
    let is_again = work.attempt.baseline.is_some();
    let baseline = work.baseline(|| Baseline::of_user(user));
    if !is_again || baseline.is_of_user(user) {
        return Ok(());
    }
    // Our first step deactivates. A second one would destroy a user who was deactivated at first and was deactivated
    // again.
    let was_deprovisioned = baseline.is("status", &json!("DEPROVISIONED"));
    if user.status == "DEPROVISIONED" && !was_deprovisioned { Ok(()) } else { Err(taken_back(user)) }
}

/// Checks that the user is deleted. Okta answers the same to a call that only deactivates a user who was activated at
/// that moment, and another call would destroy a user who should stay.
async fn must_be_gone(work: &Work<'_>, before: &User) -> Result<(), ActionFailure> {
    let mut last = None;
    for looks in 1..=ROUNDS_MAX {
        let Some(user) = work.user(&before.id).await? else { return Ok(()) };
        last = Some(user);
        if looks < ROUNDS_MAX {
            tokio::time::sleep(back_off(looks)).await;
        }
    }
    match last {
        // Okta has not finished.
        Some(now) if now.transitioning_to.is_some() || is_same(&now, before) => Err(still_there(&now)),
        Some(now) => Err(taken_back(&now)),
        None => Ok(()),
    }
}

/// Whether nothing has happened to the user's status.
fn is_same(now: &User, before: &User) -> bool {
    now.status == before.status && now.time("statusChanged") == before.time("statusChanged")
}

fn still_there(user: &User) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    Code::StillChanging
        .because(format!("okta has taken the deletion of user {name}, and they are still there"))
}

fn taken_back(user: &User) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    let reason = "somebody has activated them since the command was begun, and may want to keep them";
    Code::ExpectationFailed.because(format!("user {name} is {} and not deleted: {reason}", user.status))
}

/// Whether the user is deactivated because this command did it: the expected status and groups are those before.
fn is_own_first_step(work: &Work<'_>, parameters: &DeleteUser, user: &User, has_acted: bool) -> bool {
    parameters.deactivate_first
        && user.status == "DEPROVISIONED"
        && (has_acted || work.may_be_ours(user.time("statusChanged")))
}
