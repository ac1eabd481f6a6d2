//! Changes a user's status.

use okta_client::{Change, OktaError, users::User};
use serde_json::{Value, json};

use super::{
    Baseline,
    failure::Code,
    lifecycle::{Operation, Step},
    lookup::back_off,
    unshown::unshown,
    work::{Finished, ROUNDS_MAX, Sent, Work, named, status_of, still_changing},
};
use crate::command::{ActionFailure, SuccessKind};

/// How often the first attempt sends a change that no read can show, if its answers are lost, and how many attempts do:
/// each may be an e-mail to a person.
const UNCONFIRMED_SENDS_MAX: u32 = 2;

/// Reads the user, makes the change if it is needed, and reads again. If the result is in doubt, the change is sent
/// again only if the user's status has not changed since the first read.
pub(in crate::command) async fn change(
    work: &mut Work<'_>,
    operation: Operation,
    request: impl Fn(&str) -> Change,
) -> Result<Finished, ActionFailure> {
    let mut user = work.known_user().await?;
    work.before.get_or_insert_with(|| status_of(&user));
    if !operation.is_seen() {
        work.is_unseen();
    }
    let rounds_max = match work.attempt.baseline {
        _ if operation.is_seen() => ROUNDS_MAX,
        None => UNCONFIRMED_SENDS_MAX,
        Some(_) => 1,
    };
    let mut doubt = None;
    for round in 1..=rounds_max {
        let step = operation.step(&user.status, user.transitioning_to.as_deref());
        if step == Step::Already && work.may_have_sent() {
            return Ok(finished(SuccessKind::Done, &user, &Value::Null));
        }
        if work.may_have_sent() && operation.is_under_way(user.transitioning_to.as_deref()) {
            return Err(still_changing(&user));
        }
        must_not_be_changed_meanwhile(work, operation, &user)?;
        work.must_be_as_expected(&user).await?;
        match step {
            Step::Already => return Ok(finished(SuccessKind::Already, &user, &Value::Null)),
            Step::Wrong(allowed) => return Err(wrong_status(&user, allowed)),
            Step::Wait => return Err(still_changing(&user)),
            Step::Go => {}
        }
        match work.send(&request(&user.id)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(answer) => return answered(work, operation, &user, answer).await,
            Sent::Refused(error) => {
                // Somebody else may have been faster, or our own request of an earlier round was late.
                user = work.known_user().await?;
                if operation.is_so_by_refusal(error.code(), &user.status) {
                    let is_ours = doubt.is_some() || work.attempt.baseline.is_some();
                    let kind = if is_ours { SuccessKind::Done } else { SuccessKind::Already };
                    return Ok(finished(kind, &user, &Value::Null));
                }
                if operation.step(&user.status, None) != Step::Already {
                    return Err(work.refused(&error));
                }
            }
            Sent::InDoubt(error) => {
                tokio::time::sleep(back_off(round)).await;
                doubt = Some(error);
                user = work.known_user().await?;
            }
        }
    }
    // The last round may have done it.
    if operation.step(&user.status, user.transitioning_to.as_deref()) == Step::Already {
        return Ok(finished(SuccessKind::Done, &user, &Value::Null));
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// Okta has accepted the change; it is done when a read shows it. Okta may take minutes, so another attempt reads
/// again: it finds the change in progress, or made, and sends nothing.
async fn answered(
    work: &Work<'_>,
    operation: Operation,
    before: &User,
    answer: Value,
) -> Result<Finished, ActionFailure> {
    // Okta returns a link or a password only once: it must not be lost because Okta takes time or a read fails.
    if told_members(&answer).next().is_some() {
        return Ok(match work.settled_user(&before.id).await {
            Ok(Some(after)) => finished(SuccessKind::Done, &after, &answer),
            Ok(None) | Err(_) => told(SuccessKind::Done, before, &answer),
        });
    }
    let is_over = |now: &User| {
        now.transitioning_to.is_none() && (operation.is_shown_by(&now.status) || !work.is_as_before(now))
    };
    match work.user_once(&before.id, is_over).await? {
        None => Ok(told(SuccessKind::Done, before, &answer)),
        Some(after) if after.transitioning_to.is_some() => Err(still_changing(&after)),
        Some(after) if operation.is_shown_by(&after.status) => {
            Ok(finished(SuccessKind::Done, &after, &answer))
        }
        Some(after) if work.is_as_before(&after) => Err(unshown_status(&after)),
        Some(after) => Err(changed_meanwhile(&after)),
    }
}

/// Okta has answered that it has changed the user's status, which is as before.
pub(in crate::command) fn unshown_status(user: &User) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    unshown(&format!("user {name} is {}", user.status))
}

/// Makes a change of a user that does no harm if it is made twice; in doubt, sends it again until it shows or Okta
/// answers.
pub(in crate::command) async fn once(
    work: &mut Work<'_>,
    id: &str,
    change: &Change,
    is_done: impl Fn(&User) -> bool,
) -> Result<(), ActionFailure> {
    work.is_unseen();
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

/// Fails if the status has changed since before something was sent: the change may have been made, and somebody may
/// have reverted it on purpose. It is not sent again.
fn must_not_be_changed_meanwhile(
    work: &mut Work<'_>,
    operation: Operation,
    user: &User,
) -> Result<(), ActionFailure> {
    let has_sent = work.may_have_sent();
    let baseline = work.baseline(|| Baseline::of_user(user));
    if !has_sent || (!operation.is_seen() && baseline.sending_attempts() < UNCONFIRMED_SENDS_MAX) {
        return Ok(());
    }
    let name = user.login().unwrap_or(&user.id);
    if !operation.is_seen() {
        let times = baseline.sends();
        return Err(Code::Unconfirmed.because(format!(
            "it was sent {times} times for user {name} without an answer, and nothing shows whether Okta has done it"
        )));
    }
    if baseline.is_of_user(user) || operation.may_be_repeated_at(&user.status) {
        return Ok(());
    }
    Err(changed_meanwhile(user))
}

/// The failure if somebody has changed the user's status while the answer was awaited.
pub(in crate::command) fn changed_meanwhile(user: &User) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    Code::ChangedMeanwhile.because(format!(
        "user {name} is {}, and the status was changed since the command was begun: the change may have been made \
         and taken back, so nothing more is sent",
        user.status
    ))
}

/// The failure if the user's status does not allow the operation.
pub(in crate::command) fn wrong_status(user: &User, allowed: &str) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    Code::WrongStatus.because(format!("user {name} is {}; this needs {allowed}", user.status))
}

/// A success for the user as they are now, with what Okta returned only in this answer.
pub(in crate::command) fn finished(kind: SuccessKind, user: &User, answer: &Value) -> Finished {
    told(kind, user, answer).after(status_of(user))
}

fn told(kind: SuccessKind, user: &User, answer: &Value) -> Finished {
    let mut result = json!({ "user": named(user) });
    for (name, value) in told_members(answer) {
        result[name] = value.clone();
    }
    Finished::new(kind, result)
}

/// The members that Okta returns only in this answer. Some operations return the whole user, whose status suffices.
fn told_members(answer: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let members = answer.as_object().into_iter().flatten();
    members.filter(|(name, _)| name.contains("Url") || *name == "tempPassword")
}
