//! Assignments of apps. A user who has an app through a group keeps it until the group loses it or they leave the
//! group. `app` is an id: labels are not unique at Okta.

use std::slice;

use jiff::Timestamp;
use okta_client::{Change, OktaError, Target, apps, is_id};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Changes, Names, Profile,
    names::named_shortly,
    one_or_many::{names, one_or_many},
    row::Row,
};
use crate::command::{
    ActionFailure, GroupSubject, SuccessKind,
    execute::{
        failure::Code,
        log_evidence,
        lookup::{self, back_off},
        parts::Parts,
        work::{Finished, ROUNDS_MAX, Sent, Work, id_of, id_of_group},
    },
};

/// The row of `app.assign_user`.
pub(super) const ASSIGN_USER: Row<AssignUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::users(&of.users).and_app(&of.app)),
    renames: |_| None,
    changes: |of| Changes::Fixed(of.users.len()),
    carry_out: |work, of| Box::pin(users(work, &of.app, Desired::Assigned(&of.profile))),
};

/// The row of `app.unassign_user`.
pub(super) const UNASSIGN_USER: Row<AppUsers> = Row {
    secrets: &[],
    names: |of| Ok(Names::users(&of.users).and_app(&of.app)),
    renames: |_| None,
    changes: |of| Changes::Fixed(of.users.len()),
    carry_out: |work, of| Box::pin(users(work, &of.app, Desired::Unassigned)),
};

/// The row of `app.assign_group`.
pub(super) const ASSIGN_GROUP: Row<AppGroups> = Row {
    secrets: &[],
    names: |of| Ok(Names::nothing().and_groups(&of.groups).and_app(&of.app)),
    renames: |_| None,
    changes: |of| Changes::MembersOf(of.groups.len()),
    carry_out: |work, of| Box::pin(groups(work, &of.app, true)),
};

/// The row of `app.unassign_group`.
pub(super) const UNASSIGN_GROUP: Row<AppGroups> = Row {
    secrets: &[],
    names: |of| Ok(Names::nothing().and_groups(&of.groups).and_app(&of.app)),
    renames: |_| None,
    changes: |of| Changes::MembersOf(of.groups.len()),
    carry_out: |work, of| Box::pin(groups(work, &of.app, false)),
};

/// Who gets an app, or loses it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "RawAppUsers")]
#[schemars(with = "RawAppUsers")]
pub struct AppUsers {
    /// The app's id.
    pub app: String,
    /// Ids or logins, at least one.
    pub users: Vec<String>,
}

/// Who gets an app, and as whom.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "RawAssignUser")]
#[schemars(with = "RawAssignUser")]
pub struct AssignUser {
    /// The app's id.
    pub app: String,
    /// Ids or logins, at least one.
    pub users: Vec<String>,
    /// Their profile in the app, as Okta names its attributes.
    pub profile: Profile,
}

/// Which groups get an app, or lose it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "RawAppGroups")]
#[schemars(with = "RawAppGroups")]
pub struct AppGroups {
    /// The app's id.
    pub app: String,
    /// Ids or exact names, at least one.
    pub groups: Vec<String>,
}

/// `app`, and one of `user` and `users`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AppUsers", extend("oneOf" = one_or_many("user")))]
struct RawAppUsers {
    /// The app's id.
    app: String,
    /// Id or login.
    user: Option<String>,
    /// Ids or logins.
    #[serde(default)]
    users: Vec<String>,
}

/// `app`, and one of `user` and `users`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssignUser", extend("oneOf" = one_or_many("user")))]
struct RawAssignUser {
    /// The app's id.
    app: String,
    /// Id or login.
    user: Option<String>,
    /// Ids or logins.
    #[serde(default)]
    users: Vec<String>,
    /// Their profile in the app, as Okta names its attributes.
    #[serde(default)]
    profile: Profile,
}

/// `app`, and one of `group` and `groups`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AppGroups", extend("oneOf" = one_or_many("group")))]
struct RawAppGroups {
    /// The app's id.
    app: String,
    /// Id or exact name.
    group: Option<String>,
    /// Ids or exact names.
    #[serde(default)]
    groups: Vec<String>,
}

impl TryFrom<RawAppUsers> for AppUsers {
    type Error = String;

    fn try_from(raw: RawAppUsers) -> Result<Self, String> {
        Ok(Self { app: raw.app, users: names("user", raw.user, raw.users)? })
    }
}

impl TryFrom<RawAssignUser> for AssignUser {
    type Error = String;

    fn try_from(raw: RawAssignUser) -> Result<Self, String> {
        Ok(Self { app: raw.app, users: names("user", raw.user, raw.users)?, profile: raw.profile })
    }
}

impl TryFrom<RawAppGroups> for AppGroups {
    type Error = String;

    fn try_from(raw: RawAppGroups) -> Result<Self, String> {
        Ok(Self { app: raw.app, groups: names("group", raw.group, raw.groups)? })
    }
}

/// The desired state of a user and the app.
#[derive(Debug, Clone, Copy)]
enum Desired<'a> {
    /// Assigned, with these attributes.
    Assigned(&'a Profile),
    /// Not assigned.
    Unassigned,
}

/// The name of the list of parts in the result.
const ASSIGNMENTS: &str = "assignments";

/// Assigns the app to all users of the command, or unassigns it.
async fn users(work: &mut Work<'_>, app: &str, desired: Desired<'_>) -> Result<Finished, ActionFailure> {
    must_be_id(app)?;
    let mut parts = Parts::new(ASSIGNMENTS, &work.attempt.progress.done);
    for subject in &work.subjects.users {
        let user = id_of(subject)?;
        let part = json!({ "app": app, "user": user });
        if parts.was_done(&part) {
            continue;
        }
        work.begins_part(ASSIGNMENTS, &part, slice::from_ref(subject));
        let next = |now: Option<&Value>| user_change(app, user, desired, now);
        let target = apps::user(app, user);
        let holder = Holder { app, id: user, group: None, target: &target };
        let came_of = bring_about(work, holder, &next).await;
        work.ends_part(&part, &came_of);
        parts.add(part, came_of)?;
    }
    parts.finish()
}

/// Assigns the app to all groups of the command, or unassigns it.
async fn groups(work: &mut Work<'_>, app: &str, is_wanted: bool) -> Result<Finished, ActionFailure> {
    must_be_id(app)?;
    let mut parts = Parts::new(ASSIGNMENTS, &work.attempt.progress.done);
    for subject in &work.subjects.groups {
        let group = id_of_group(subject)?;
        let part = json!({ "app": app, "group": group, "name": subject.okta_name });
        if parts.was_done(&part) {
            continue;
        }
        work.begins_part(ASSIGNMENTS, &part, &[]);
        let next = |now: Option<&Value>| {
            Ok(match (now, is_wanted) {
                (None, true) => Some(NeededChange {
                    change: apps::assign_group(app, group),
                    event_type: "group.application_assignment.add",
                    time: UPDATED,
                    needs_look: false,
                }),
                (Some(_), false) => Some(NeededChange {
                    change: apps::unassign_group(app, group),
                    event_type: "group.application_assignment.remove",
                    time: UPDATED,
                    needs_look: false,
                }),
                _ => None,
            })
        };
        let target = apps::group(app, group);
        let holder = Holder { app, id: group, group: Some(subject), target: &target };
        let came_of = bring_about(work, holder, &next).await;
        work.ends_part(&part, &came_of);
        parts.add(part, came_of)?;
    }
    parts.finish()
}

fn must_be_id(app: &str) -> Result<(), ActionFailure> {
    if is_id(app) {
        Ok(())
    } else {
        Err(Code::AppNotFound.because(format!("there is no app {}", named_shortly(app))))
    }
}

/// The change that is needed, if any.
fn user_change(
    app: &str,
    user: &str,
    desired: Desired<'_>,
    now: Option<&Value>,
) -> Result<Option<NeededChange>, ActionFailure> {
    let is_by_group = now.and_then(|now| now.get("scope")).and_then(Value::as_str) == Some("GROUP");
    Ok(match (desired, now) {
        (Desired::Assigned(profile), None) => Some(NeededChange {
            change: apps::assign_user(app, user, profile),
            event_type: "application.user_membership.add",
            time: CREATED,
            needs_look: false,
        }),
        (Desired::Assigned(profile), Some(now)) => {
            let attribute = |name: &str| now.get("profile").and_then(|now| now.get(name));
            let is_so = |(name, value): (&String, &Value)| attribute(name).unwrap_or(&Value::Null) == value;
            (!profile.iter().all(is_so)).then(|| NeededChange {
                change: apps::update_user(app, user, profile),
                event_type: "application.user_membership.update",
                time: UPDATED,
                needs_look: false,
            })
        }
        // They would keep it.
        (Desired::Unassigned, Some(_)) if is_by_group => {
            let message = format!("user {user} has app {app} through a group");
            return Err(Code::AssignedByGroup.because(message));
        }
        (Desired::Unassigned, Some(_)) => Some(NeededChange {
            change: apps::unassign_user(app, user),
            event_type: "application.user_membership.remove",
            time: CREATED,
            needs_look: true,
        }),
        (Desired::Unassigned, None) => None,
    })
}

/// Reads an assignment, changes it if needed, and reads again if the result is in doubt.
async fn bring_about<'a>(
    work: &mut Work<'a>,
    holder: Holder<'_, 'a>,
    next: &impl Fn(Option<&Value>) -> Result<Option<NeededChange>, ActionFailure>,
) -> Result<SuccessKind, ActionFailure> {
    let mut doubt: Option<OktaError> = None;
    // Okta has answered that it was done, and a look does not show it.
    let mut is_answered = false;
    for round in 1..=ROUNDS_MAX {
        let now = lookup::one(work.okta, work.action, holder.target).await?;
        let needed = next(now.as_ref())?;
        if needed.is_none() && (is_answered || doubt.is_some() || work.may_have_sent_part()) {
            return Ok(SuccessKind::Done);
        }
        if let Some(needed) = &needed
            && (is_answered || doubt.is_some() || work.attempt.baseline.is_some())
        {
            holder.must_not_be_taken_back(work, needed, now.as_ref()).await?;
        }
        if holder.group.is_none() && !work.expect.is_empty() {
            let id = holder.id;
            let now = work.user(id).await?;
            let now = now.ok_or_else(|| Code::UserNotFound.because(format!("there is no user {id}")))?;
            work.must_be_as_expected(&now).await?;
        }
        let Some(NeededChange { change, needs_look, .. }) = needed else { return Ok(SuccessKind::Already) };
        if let Some(group) = holder.group {
            work.must_be_named(slice::from_ref(group)).await?;
        }
        match work.send(&change).await? {
            Sent::Planned => return Ok(SuccessKind::DryRun),
            Sent::Done(_) if !needs_look => return Ok(SuccessKind::Done),
            Sent::Done(_) => {
                let now = lookup::one(work.okta, work.action, holder.target).await?;
                if next(now.as_ref())?.is_none() {
                    return Ok(SuccessKind::Done);
                }
                is_answered = true;
                work.is_unshown();
                tokio::time::sleep(back_off(round)).await;
            }
            // It was done after all: the next look shows it.
            Sent::Refused(error) if is_answered && error.is_absence() => {}
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    let what_is = format!("the assignment of app {} to {} is", holder.app, holder.id);
    Err(work.gave_up_unshown(doubt.as_ref(), is_answered, &what_is))
}

/// The times of an assignment, by Okta's names.
const CREATED: &str = "created";
const UPDATED: &str = "lastUpdated";

/// A change of an assignment, and how to find that it was made since the command began.
struct NeededChange {
    change: Change,
    /// The event type in Okta's log.
    event_type: &'static str,
    /// The time of the assignment that is new if the change was made and reverted.
    time: &'static str,
    /// Whether the answer does not say enough: one who has the app through a group too has it still.
    needs_look: bool,
}

/// A user or a group that may have an app.
#[derive(Clone, Copy)]
struct Holder<'a, 's> {
    app: &'a str,
    id: &'a str,
    /// None for a user.
    group: Option<&'s GroupSubject>,
    target: &'a Target,
}

impl Holder<'_, '_> {
    /// Fails if an assignment newer than the command, or the log, shows that an earlier attempt made the change and
    /// somebody reverted it.
    async fn must_not_be_taken_back(
        &self,
        work: &Work<'_>,
        needed: &NeededChange,
        now: Option<&Value>,
    ) -> Result<(), ActionFailure> {
        let time = |now: &Value| now.get(needed.time)?.as_str()?.parse::<Timestamp>().ok();
        let is_newer = now.and_then(time).is_some_and(|time| time > work.begun_for_certain());
        let about = [("id", self.app), ("id", self.id)];
        if is_newer || log_evidence::shows(work, needed.event_type, &about).await? {
            return Err(Code::ChangedMeanwhile.because(format!(
                "what was asked of {} and app {} was done, and somebody has taken it back since: nothing more is sent",
                self.id, self.app
            )));
        }
        Ok(())
    }
}
