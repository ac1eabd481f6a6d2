//! Who has an app. One who has it through a group keeps it until the group loses it or they leave the group.

use serde_json::{Value, json};

use super::{
    failure::Code,
    lookup::{self, back_off},
    membership::id_of_group,
    parts::Parts,
    work::{Finished, ROUNDS_MAX, Sent, Work, id_of},
};
use crate::{
    command::{Failed, Way, parameters::Profile},
    okta::{Change, OktaError, Target, apps, is_id},
};

/// What shall be of a user and the app.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish<'a> {
    /// They have it, with these attributes.
    Assigned(&'a Profile),
    /// They do not have it.
    Unassigned,
}

/// Assigns the app to all users of the command, or takes it from them.
pub(super) async fn users(work: &mut Work<'_>, app: &str, wish: Wish<'_>) -> Result<Finished, Failed> {
    must_be_id(app)?;
    let mut parts = Parts::new("assignments");
    for subject in &work.subjects.users {
        let user = id_of(subject)?;
        let next = |now: Option<&Value>| user_change(app, user, wish, now);
        let target = apps::user(app, user);
        let came_of = match bring_about(work, Some(user), &target, &next).await {
            Ok(Way::Done) if matches!(wish, Wish::Unassigned) => {
                // One who has it through a group too has it still.
                let now = lookup::one(work.okta, work.action, &target).await;
                now.and_then(|now| next(now.as_ref())).map(|_| Way::Done)
            }
            came_of => came_of,
        };
        parts.add(json!({ "app": app, "user": user }), came_of)?;
    }
    parts.finish()
}

/// Assigns the app to all groups of the command, or takes it from them.
pub(super) async fn groups(work: &mut Work<'_>, app: &str, is_wanted: bool) -> Result<Finished, Failed> {
    must_be_id(app)?;
    let mut parts = Parts::new("assignments");
    for subject in &work.subjects.groups {
        let group = id_of_group(subject)?;
        let next = |now: Option<&Value>| {
            Ok(match (now, is_wanted) {
                (None, true) => Some(apps::assign_group(app, group)),
                (Some(_), false) => Some(apps::unassign_group(app, group)),
                _ => None,
            })
        };
        let came_of = bring_about(work, None, &apps::group(app, group), &next).await;
        parts.add(json!({ "app": app, "group": group, "name": subject.okta_name }), came_of)?;
    }
    parts.finish()
}

fn must_be_id(app: &str) -> Result<(), Failed> {
    if is_id(app) { Ok(()) } else { Err(Code::AppNotFound.because(format!("there is no app {app}"))) }
}

/// The change that is needed, if any.
fn user_change(app: &str, user: &str, wish: Wish<'_>, now: Option<&Value>) -> Result<Option<Change>, Failed> {
    let is_by_group = now.and_then(|now| now.get("scope")).and_then(Value::as_str) == Some("GROUP");
    Ok(match (wish, now) {
        (Wish::Assigned(profile), None) => Some(apps::assign_user(app, user, profile)),
        (Wish::Assigned(profile), Some(now)) => {
            let attribute = |name: &str| now.get("profile").and_then(|now| now.get(name));
            let is_so = |(name, value): (&String, &Value)| attribute(name).unwrap_or(&Value::Null) == value;
            (!profile.iter().all(is_so)).then(|| apps::update_user(app, user, profile))
        }
        // They would keep it.
        (Wish::Unassigned, Some(_)) if is_by_group => {
            let message = format!("user {user} has app {app} through a group");
            return Err(Code::AssignedByGroup.because(message));
        }
        (Wish::Unassigned, Some(_)) => Some(apps::unassign_user(app, user)),
        (Wish::Unassigned, None) => None,
    })
}

/// Looks at an assignment, changes it if that is needed, and looks again if it is in doubt.
async fn bring_about(
    work: &mut Work<'_>,
    user: Option<&str>,
    target: &Target,
    next: &impl Fn(Option<&Value>) -> Result<Option<Change>, Failed>,
) -> Result<Way, Failed> {
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let now = lookup::one(work.okta, work.action, target).await?;
        let change = next(now.as_ref())?;
        if change.is_none() && doubt.is_some() {
            return Ok(Way::Done);
        }
        if let Some(id) = user.filter(|_| !work.expect.is_empty()) {
            let now = work.user(id).await?;
            let now = now.ok_or_else(|| Code::UserNotFound.because(format!("there is no user {id}")))?;
            work.must_be_as_expected(&now).await?;
        }
        let Some(change) = change else { return Ok(Way::Already) };
        match work.send(&change).await? {
            Sent::Planned => return Ok(Way::DryRun),
            Sent::Done(_) => return Ok(Way::Done),
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}
