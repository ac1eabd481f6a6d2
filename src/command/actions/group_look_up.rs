//! Look-ups of groups and their members. Lists say whether they are complete.

use okta_client::groups;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Changes, Hold, Names, Presence,
    names::{GROUP_CHARS_MAX, must_be_short},
    row::Row,
};
use crate::command::{
    ActionFailure,
    execute::{
        ListPosition,
        failure::Code,
        listing::{FOUND_DEFAULT, found, listed},
        lookup,
        work::{Finished, Work},
    },
};

/// The row of `group.get`.
pub(super) const GET: Row<OneGroup> = Row {
    secrets: &[],
    names: |of| Ok(Names::group(&of.group, Presence::Known, Hold::Shared)),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(get(work)),
};

/// The row of `group.find`.
pub(super) const FIND: Row<FindGroups> = Row {
    secrets: &[],
    names: |_| Ok(Names::nothing()),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(find(work, of)),
};

/// The row of `group.members`.
pub(super) const MEMBERS: Row<GroupList> = Row {
    secrets: &[],
    names: |of| Ok(Names::group(&of.group, Presence::Known, Hold::Shared)),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(members(work, of)),
};

/// A group.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneGroup {
    /// Id or exact name.
    pub group: String,
}

/// Which groups to find.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindGroups {
    /// What the name begins with; not empty.
    pub name: String,
    /// The most groups to return; 200 unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there.
    pub after: Option<ListPosition>,
}

/// A group whose members are listed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupList {
    /// Id or exact name.
    pub group: String,
    /// The most members to return; as many as an outcome can carry unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there.
    pub after: Option<ListPosition>,
}

/// Reads a group.
async fn get(work: &mut Work<'_>) -> Result<Finished, ActionFailure> {
    let id = work.group_id()?;
    let group = lookup::one(work.okta, work.action, &groups::get(id)).await?;
    let absent = || Code::GroupNotFound.because(format!("group {id} does not exist any more"));
    Ok(Finished::done(json!({ "group": group.ok_or_else(absent)? })))
}

/// Finds groups by the beginning of their names.
async fn find(work: &mut Work<'_>, parameters: &FindGroups) -> Result<Finished, ActionFailure> {
    if parameters.name.is_empty() {
        return Err(Code::InvalidParameters.because("`name` is empty, which would be all groups"));
    }
    must_be_short("a group's name", &parameters.name, GROUP_CHARS_MAX)?;
    let limit = parameters.limit.unwrap_or(FOUND_DEFAULT);
    Ok(listed(
        "groups",
        found(work, &groups::beginning(&parameters.name), limit, parameters.after.as_ref()).await?,
    ))
}

/// Lists a group's members.
async fn members(work: &mut Work<'_>, of: &GroupList) -> Result<Finished, ActionFailure> {
    let target = groups::members(work.group_id()?);
    Ok(listed("members", found(work, &target, of.limit.unwrap_or(usize::MAX), of.after.as_ref()).await?))
}
