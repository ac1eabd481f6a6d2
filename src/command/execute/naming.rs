//! Whether groups that a command names by name still have these names: changes use the ids that were found, and a group
//! may have been renamed since. Ids never change.

use okta_client::groups;
use serde_json::Value;

use super::{Okta, failure::Code, lookup};
use crate::command::{Action, ActionFailure, GroupSubject};

/// The group with its id, if the command names it by name.
pub(super) fn by_name(group: &GroupSubject) -> Option<(&GroupSubject, &str)> {
    let id = group.id.as_deref()?;
    (id != group.name).then_some((group, id))
}

/// Fails unless the group, as Okta shows it now, has the name in the command.
pub(in crate::command) fn must_be_named(
    group: &GroupSubject,
    now: Option<&Value>,
) -> Result<(), ActionFailure> {
    let Some((GroupSubject { name, .. }, id)) = by_name(group) else { return Ok(()) };
    let absent = || Code::GroupNotFound.because(format!("group {name} ({id}) does not exist any more"));
    let now = name_of(now.ok_or_else(absent)?);
    if now == Some(name) {
        return Ok(());
    }
    let now = now.unwrap_or_default();
    Err(Code::ChangedMeanwhile
        .because(format!("the group that was named `{name}` is named `{now}` now: nothing more is sent")))
}

/// Whether all `groups` have the names in the command, according to Okta now. Fails if Okta does not say.
pub(super) async fn are_named(
    okta: &dyn Okta,
    action: Action,
    groups: &[GroupSubject],
) -> Result<bool, ActionFailure> {
    for (group, id) in groups.iter().filter_map(by_name) {
        let now = lookup::one(okta, action, &groups::get(id)).await?;
        if must_be_named(group, now.as_ref()).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn name_of(group: &Value) -> Option<&str> {
    group.pointer("/profile/name")?.as_str()
}
