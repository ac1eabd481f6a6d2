//! Setting attributes of a user's profile.

use serde_json::{Map, Value, json};

use super::{
    failure::Code,
    life::wrong_status,
    lookup::back_off,
    work::{Finished, ROUNDS_MAX, Sent, Work},
};
use crate::{
    command::{Failed, Way, parameters::Profile},
    okta::{OktaError, users, users::User},
};

/// Sets the attributes that differ; the others stay.
pub(super) async fn user(work: &mut Work<'_>, profile: &Profile) -> Result<Finished, Failed> {
    if profile.is_empty() {
        return Err(Code::InvalidParameters.because("`profile` names no attribute"));
    }
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let user = work.known_user().await?;
        if work.before.is_none() {
            work.before = Some(shown(&user, profile));
        }
        let different = different(&user, profile);
        if different.is_empty() {
            let is_ours = doubt.is_some() || work.may_be_ours(user.time("lastUpdated"));
            if !is_ours {
                work.must_be_as_expected(&user).await?;
            }
            let way = if is_ours { Way::Done } else { Way::Already };
            return Ok(finished(way, &user, profile));
        }
        work.must_be_as_expected(&user).await?;
        work.must_be_settled(&user)?;
        if user.status == "DEPROVISIONED" {
            return Err(wrong_status(&user, "any status but DEPROVISIONED"));
        }
        match work.send(&users::update(&user.id, &different)).await {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(raw) => {
                let after = User::read(raw).unwrap_or(user);
                return Ok(finished(Way::Done, &after, profile));
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

/// The wanted attributes that the user does not have so. What is not set is `null`.
fn different(user: &User, profile: &Profile) -> Map<String, Value> {
    let pairs = profile.iter().filter(|(name, value)| user.attribute(name) != *value);
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn shown(user: &User, profile: &Profile) -> Value {
    let attributes: Map<_, _> =
        profile.keys().map(|name| (name.clone(), user.attribute(name).clone())).collect();
    json!({ "status": user.status, "profile": attributes })
}

fn finished(way: Way, user: &User, profile: &Profile) -> Finished {
    Finished::new(way, json!({ "user": user.raw })).after(shown(user, profile))
}
