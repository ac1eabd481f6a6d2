//! Changing a user's status, whichever way.

use serde_json::{Value, json};

use super::{
    failure::Code,
    lifecycle::{Operation, Step},
    lookup::back_off,
    work::{Finished, ROUNDS_MAX, Sent, Work, named, status_of, still_changing},
};
use crate::{
    command::{Failed, Way},
    okta::{Change, OktaError, users::User},
};

/// Looks at the user, makes the change if it is needed, and looks again.
pub(super) async fn change(
    work: &mut Work<'_>,
    operation: Operation,
    request: impl Fn(&str) -> Change,
) -> Result<Finished, Failed> {
    let mut user = work.known_user().await?;
    work.before = Some(status_of(&user));
    let mut doubt = None;
    for round in 1..=ROUNDS_MAX {
        let step = operation.step(&user.status, user.transitioning_to.as_deref());
        if step == Step::Already && is_ours(work, &user, doubt.as_ref()) {
            return Ok(finished(Way::Done, &user, Value::Null));
        }
        work.must_be_as_expected(&user).await?;
        match step {
            Step::Already => return Ok(finished(Way::Already, &user, Value::Null)),
            Step::Wrong(allowed) => return Err(wrong_status(&user, allowed)),
            Step::Wait => return Err(still_changing(&user)),
            Step::Go => {}
        }
        match work.send(&request(&user.id)).await {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(answer) => {
                // Okta tells a link or a password once: they are not lost because it cannot be looked at now.
                return Ok(match work.settled_user(&user.id).await {
                    Ok(Some(after)) => finished(Way::Done, &after, answer),
                    Ok(None) | Err(_) => told(Way::Done, &user, answer),
                });
            }
            Sent::Refused(error) => {
                // Somebody else may have been quicker, or our own request of a former round late.
                user = work.known_user().await?;
                if operation.is_so_by_refusal(error.code(), &user.status) {
                    let way = if is_ours(work, &user, doubt.as_ref()) { Way::Done } else { Way::Already };
                    return Ok(finished(way, &user, Value::Null));
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
        return Ok(finished(Way::Done, &user, Value::Null));
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// Whether it was this command that brought the user to the status.
fn is_ours(work: &Work<'_>, user: &User, doubt: Option<&OktaError>) -> bool {
    doubt.is_some() || work.may_be_ours(user.time("statusChanged"))
}

/// The user's status does not allow what is asked.
pub(super) fn wrong_status(user: &User, allowed: &str) -> Failed {
    let name = user.login().unwrap_or(&user.id);
    Code::WrongStatus.because(format!("user {name} is {}; this needs {allowed}", user.status))
}

/// It ended well for the user, who is like that now; what Okta answered becomes part of the result.
pub(super) fn finished(way: Way, user: &User, answer: Value) -> Finished {
    told(way, user, answer).after(status_of(user))
}

fn told(way: Way, user: &User, answer: Value) -> Finished {
    let mut result = json!({ "user": named(user) });
    if let (Some(result), Value::Object(answer)) = (result.as_object_mut(), answer) {
        // Some operations answer with the whole user: the status after it says enough.
        result.extend(answer.into_iter().filter(|(name, _)| name.contains("Url") || name == "tempPassword"));
    }
    Finished::new(way, result)
}
