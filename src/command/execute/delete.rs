//! Deleting a user, which cannot be taken back: Okta deprovisions with the first call and destroys with the second, so
//! the status is read right before each.

use serde_json::json;

use super::{
    life::wrong_status,
    lifecycle::{Operation, Step},
    lookup::back_off,
    work::{Finished, ROUNDS_MAX, Sent, Work, id_of, status_of},
};
use crate::{
    command::{Failed, Way, parameters::DeleteUser},
    okta::{OktaError, users, users::User},
};

/// Deprovisions if that is asked for and needed, then deletes.
pub(super) async fn user(work: &mut Work<'_>, parameters: &DeleteUser) -> Result<Finished, Failed> {
    let subject = work.subject()?;
    // Without an id the user was never seen: that there is none is no success.
    let id = id_of(subject)?;
    let gone = |way| {
        let user = json!({ "id": id, "login": subject.login });
        Ok(Finished::new(way, json!({ "user": user })).after(json!({ "status": "DELETED" })))
    };
    let mut doubt: Option<OktaError> = None;
    // In a dry run the first step changes nothing, and the second is told as if it had.
    let mut would_be_deprovisioned = false;
    // Two steps, each in doubt at most so often.
    for round in 1..=2 * ROUNDS_MAX {
        let Some(user) = work.settled_user(id).await? else {
            let is_ours = doubt.is_some() || work.attempt.number > 1;
            return gone(if is_ours { Way::Done } else { Way::Already });
        };
        if work.before.is_none() {
            work.before = Some(status_of(&user));
        }
        if is_own_first_step(work, parameters, &user, round > 1) {
            work.must_have_expected_profile(&user)?;
        } else {
            work.must_be_as_expected(&user).await?;
        }
        work.must_be_settled(&user)?;
        let is_ready = would_be_deprovisioned || Operation::Delete.step(&user.status) == Step::Go;
        let change = match (is_ready, parameters.deactivate_first) {
            (true, _) => users::delete(id, parameters.send_email),
            (false, true) => users::deactivate(id, parameters.send_email),
            (false, false) => return Err(wrong_status(&user, "DEPROVISIONED, or `deactivate_first`")),
        };
        match work.send(&change).await {
            Sent::Planned if is_ready => return Ok(Finished::planned()),
            Sent::Planned => would_be_deprovisioned = true,
            // Okta may take its time; the next look waits for it.
            Sent::Done(_) if !is_ready => {}
            Sent::Done(_) => return gone(Way::Done),
            Sent::Refused(error) => {
                let now = work.settled_user(id).await?;
                if now.is_some_and(|now| now.status == user.status) {
                    return Err(work.refused(&error));
                }
            }
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// Whether the user is deprovisioned because this command did it: the status and groups that it expects are those before.
fn is_own_first_step(work: &Work<'_>, parameters: &DeleteUser, user: &User, has_acted: bool) -> bool {
    parameters.deactivate_first
        && user.status == "DEPROVISIONED"
        && (has_acted || work.may_be_ours(user.time("statusChanged")))
}
