//! Looking users and groups up. Lists say whether they are complete.

use serde_json::{Value, json};

use super::{
    failure::Code,
    lookup,
    membership::id_of_group,
    work::{Finished, Work},
};
use crate::{
    command::{
        Failed,
        parameters::{FindGroups, SearchUsers},
    },
    okta::{Target, groups, users},
};

/// Unless the command says otherwise, where Okta would list a whole org.
const FOUND_DEFAULT: usize = 200;
/// Okta has no second page of words.
const QUERY_MAX: usize = 200;

/// A user.
pub(super) async fn user(work: &mut Work<'_>) -> Result<Finished, Failed> {
    let user = work.known_user().await?;
    work.must_be_as_expected(&user).await?;
    Ok(Finished::done(json!({ "user": user.raw })))
}

/// Users by a search, a filter or words.
pub(super) async fn search(work: &mut Work<'_>, parameters: &SearchUsers) -> Result<Finished, Failed> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let limit = parameters.limit.unwrap_or(FOUND_DEFAULT);
    let (search, filter, q) = (given(&parameters.search), given(&parameters.filter), given(&parameters.q));
    let target = match (search, filter, q) {
        (Some(search), None, None) => users::search(&search),
        (None, Some(filter), None) => users::filter(&filter),
        (None, None, Some(words)) => {
            let asked = limit.clamp(1, QUERY_MAX);
            let mut list = found(work, &users::query(&words, asked), limit).await?;
            // A full page may be all there is, or not.
            list.is_complete &= list.items.len() < asked;
            return Ok(listed("users", list));
        }
        _ => {
            let message = "exactly one of `search`, `filter` and `q` is needed, and not empty";
            return Err(Code::InvalidParameters.because(message));
        }
    };
    Ok(listed("users", found(work, &target, limit).await?))
}

/// A user's groups.
pub(super) async fn groups_of_user(work: &mut Work<'_>, limit: Option<usize>) -> Result<Finished, Failed> {
    let target = users::groups(work.user_id()?);
    Ok(listed("groups", found(work, &target, limit.unwrap_or(usize::MAX)).await?))
}

/// The apps that a user sees.
pub(super) async fn apps_of_user(work: &mut Work<'_>, limit: Option<usize>) -> Result<Finished, Failed> {
    let target = users::app_links(work.user_id()?);
    Ok(listed("apps", found(work, &target, limit.unwrap_or(usize::MAX)).await?))
}

/// A group.
pub(super) async fn group(work: &mut Work<'_>) -> Result<Finished, Failed> {
    let id = the_group(work)?;
    let group = lookup::one(work.okta, work.action, &groups::get(id)).await?;
    let absent = || Code::GroupNotFound.because(format!("group {id} does not exist any more"));
    Ok(Finished::done(json!({ "group": group.ok_or_else(absent)? })))
}

/// Groups whose names begin so.
pub(super) async fn find_groups(work: &mut Work<'_>, parameters: &FindGroups) -> Result<Finished, Failed> {
    if parameters.name.is_empty() {
        return Err(Code::InvalidParameters.because("`name` is empty, which would be all groups"));
    }
    let limit = parameters.limit.unwrap_or(FOUND_DEFAULT);
    Ok(listed("groups", found(work, &groups::beginning(&parameters.name), limit).await?))
}

/// A group's members.
pub(super) async fn members(work: &mut Work<'_>, limit: Option<usize>) -> Result<Finished, Failed> {
    let target = groups::members(the_group(work)?);
    Ok(listed("members", found(work, &target, limit.unwrap_or(usize::MAX)).await?))
}

fn the_group<'a>(work: &Work<'a>) -> Result<&'a str, Failed> {
    let none = || Code::GroupNotFound.because("the command names no group");
    id_of_group(work.subjects.groups.first().ok_or_else(none)?)
}

async fn found(work: &Work<'_>, target: &Target, limit: usize) -> Result<lookup::List, Failed> {
    let list = lookup::list(work.okta, work.action, target, limit).await?;
    let absent = || match work.subjects.groups.is_empty() {
        true => Code::UserNotFound.because("the user does not exist any more"),
        false => Code::GroupNotFound.because("the group does not exist any more"),
    };
    list.ok_or_else(absent)
}

fn listed(name: &str, list: lookup::List) -> Finished {
    let count = list.items.len();
    Finished::done(json!({ name: Value::from(list.items), "count": count, "complete": list.is_complete }))
}
