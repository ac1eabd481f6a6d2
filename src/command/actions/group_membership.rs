//! Users in groups: each of the users in each of the groups, with a result for each pair.

use std::{collections::BTreeSet, slice};

use okta_client::{OktaError, groups, users};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Changes, Names,
    group::must_be_editable,
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

/// The row of `group.add_user`.
pub(super) const ADD: Row<Membership> = Row {
    secrets: &[],
    names: |of| Ok(Names::users(&of.users).and_groups(&of.groups)),
    renames: |_| None,
    changes: |of| Changes::Fixed(of.users.len() * of.groups.len()),
    carry_out: |work, _| Box::pin(change(work, Desired::In)),
};

/// The row of `group.remove_user`.
pub(super) const REMOVE: Row<Membership> = Row {
    secrets: &[],
    names: |of| Ok(Names::users(&of.users).and_groups(&of.groups)),
    renames: |_| None,
    changes: |of| Changes::Fixed(of.users.len() * of.groups.len()),
    carry_out: |work, _| Box::pin(change(work, Desired::Out)),
};

/// Each of the users, and each of the groups.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "RawMembership")]
#[schemars(with = "RawMembership")]
pub struct Membership {
    /// Ids or logins, at least one.
    pub users: Vec<String>,
    /// Ids or exact names, at least one.
    pub groups: Vec<String>,
}

/// One of `user` and `users`, and one of `group` and `groups`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Membership")]
#[schemars(extend("allOf" = [{ "oneOf": one_or_many("user") }, { "oneOf": one_or_many("group") }]))]
struct RawMembership {
    /// Id or login.
    user: Option<String>,
    /// Ids or logins.
    #[serde(default)]
    users: Vec<String>,
    /// Id or exact name.
    group: Option<String>,
    /// Ids or exact names.
    #[serde(default)]
    groups: Vec<String>,
}

impl TryFrom<RawMembership> for Membership {
    type Error = String;

    fn try_from(raw: RawMembership) -> Result<Self, String> {
        let users = names("user", raw.user, raw.users)?;
        Ok(Self { users, groups: names("group", raw.group, raw.groups)? })
    }
}

/// The desired state of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desired {
    In,
    Out,
}

impl Desired {
    /// The event type in Okta's log.
    fn event_type(self) -> &'static str {
        match self {
            Self::In => "group.user_membership.add",
            Self::Out => "group.user_membership.remove",
        }
    }
}

/// The name of the list of parts in the result.
const MEMBERSHIPS: &str = "memberships";

/// Adds every user to every group, or removes them.
async fn change(work: &mut Work<'_>, desired: Desired) -> Result<Finished, ActionFailure> {
    let mut parts = Parts::new(MEMBERSHIPS, &work.attempt.progress.done);
    for subject in &work.subjects.users {
        let user = id_of(subject)?;
        let mut groups = None;
        for group in &work.subjects.groups {
            let group_id = id_of_group(group)?;
            let mut part = json!({ "user": user, "group": group_id, "name": group.okta_name });
            if parts.was_done(&part) {
                continue;
            }
            work.begins_part(MEMBERSHIPS, &part, slice::from_ref(subject));
            let came_of = match groups_of(work, user, &mut groups).await {
                Ok(groups) => {
                    // It was sent because it was not as it should be.
                    let was_member = match work.may_have_sent_part() {
                        true => desired == Desired::Out,
                        false => groups.contains(group_id),
                    };
                    part["was_member"] = json!(was_member);
                    one(work, desired, user, (group, group_id), groups).await
                }
                Err(failed) => Err(failed),
            };
            work.ends_part(&part, &came_of);
            parts.add(part, came_of)?;
        }
    }
    parts.finish()
}

/// The user's groups, looked up once for all groups of the command.
async fn groups_of<'a>(
    work: &Work<'_>,
    user: &str,
    known: &'a mut Option<BTreeSet<String>>,
) -> Result<&'a mut BTreeSet<String>, ActionFailure> {
    match known {
        Some(groups) => Ok(groups),
        None => Ok(known.insert(member_of(work, user).await?)),
    }
}

async fn one<'a>(
    work: &mut Work<'a>,
    desired: Desired,
    user: &str,
    (group, group_id): (&'a GroupSubject, &str),
    groups: &mut BTreeSet<String>,
) -> Result<SuccessKind, ActionFailure> {
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let is_so = groups.contains(group_id) == (desired == Desired::In);
        if is_so && (doubt.is_some() || work.may_have_sent_part()) {
            return Ok(SuccessKind::Done);
        }
        let may_be_undone = doubt.is_some() || work.attempt.baseline.is_some();
        let about = [("id", user), ("id", group_id)];
        if !is_so && may_be_undone && log_evidence::shows(work, desired.event_type(), &about).await? {
            return Err(Code::ChangedMeanwhile.because(format!(
                "what was asked of user {user} in group {group_id} was done, and somebody has taken it back since: \
                 nothing more is sent"
            )));
        }
        if !work.expect.is_empty() {
            let now = work.user(user).await?;
            let now = now.ok_or_else(|| Code::UserNotFound.because(format!("there is no user {user}")))?;
            work.must_be_as_expected(&now).await?;
        }
        if is_so {
            return Ok(SuccessKind::Already);
        }
        let change = match desired {
            Desired::In => groups::add_user(group_id, user),
            Desired::Out => groups::remove_user(group_id, user),
        };
        work.must_be_named(slice::from_ref(group)).await?;
        match work.send(&change).await? {
            Sent::Planned => return Ok(SuccessKind::DryRun),
            Sent::Done(_) => return Ok(SuccessKind::Done),
            Sent::Refused(error) => {
                must_be_editable(work, group_id).await?;
                return Err(work.refused(&error));
            }
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
                *groups = member_of(work, user).await?;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// The ids of a user's groups.
pub(super) async fn member_of(work: &Work<'_>, user: &str) -> Result<BTreeSet<String>, ActionFailure> {
    let groups = lookup::whole(work.okta, work.action, &users::groups(user)).await?;
    let groups = groups.ok_or_else(|| Code::UserNotFound.because(format!("there is no user {user}")))?;
    let ids = groups.iter().filter_map(|group| group.get("id").and_then(Value::as_str));
    Ok(ids.map(str::to_owned).collect())
}
