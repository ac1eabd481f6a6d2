//! Lists as results of commands: limited, marked as complete or not, with the position at which they continue.

use okta_client::Target;
use serde_json::{Value, json};

use super::{
    ListPosition,
    failure::Code,
    lookup,
    work::{Finished, Work},
};
use crate::command::ActionFailure;

/// The default limit of searches that could list a whole org.
pub(in crate::command) const FOUND_DEFAULT: usize = 200;

/// The list at `target`, from its beginning or from the position in the command. It belongs to the user or the group
/// that the command names, if it names one.
pub(in crate::command) async fn found(
    work: &Work<'_>,
    target: &Target,
    limit: usize,
    after: Option<&ListPosition>,
) -> Result<lookup::List, ActionFailure> {
    let beginning = ListPosition::default();
    let position = after.unwrap_or(&beginning);
    let list = lookup::list_behind(work.okta, work.action, target, limit, position).await?;
    let absent = || match work.subjects.groups.is_empty() {
        true => Code::UserNotFound.because("the user does not exist any more"),
        false => Code::GroupNotFound.because("the group does not exist any more"),
    };
    list.ok_or_else(absent)
}

/// A list as a result.
pub(in crate::command) fn listed(name: &str, list: lookup::List) -> Finished {
    let count = list.items.len();
    let mut result = json!({ name: Value::from(list.items), "count": count, "complete": list.is_complete });
    if let Some(next) = list.next {
        result["next"] = next.text().into();
    }
    Finished::done(result)
}
