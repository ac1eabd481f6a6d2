//! Look-ups of users and what they have. Lists say whether they are complete.

use okta_client::users;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Changes, Names, UserReference, row::Row};
use crate::command::{
    ActionFailure,
    execute::{
        ListPosition,
        failure::Code,
        listing::{FOUND_DEFAULT, found, listed},
        work::{Finished, Work},
    },
};

/// The row of `user.get`.
pub(super) const GET: Row<OneUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, _| Box::pin(get(work)),
};

/// The row of `user.search`.
pub(super) const SEARCH: Row<SearchUsers> = Row {
    secrets: &[],
    names: |_| Ok(Names::nothing()),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(search(work, of)),
};

/// The row of `user.groups`.
pub(super) const GROUPS: Row<UserList> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(groups_of_user(work, of)),
};

/// The row of `user.apps`.
pub(super) const APPS: Row<UserList> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(apps_of_user(work, of)),
};

/// A user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneUser {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
}

/// Which users to find: exactly one of `search`, `filter` and `q`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchUsers {
    /// Okta's search expression over any profile attribute.
    pub search: Option<String>,
    /// Okta's filter expression over status, id, login, e-mail and names.
    pub filter: Option<String>,
    /// The beginning of a first name, last name or e-mail. Finds no deprovisioned users.
    pub q: Option<String>,
    /// The most users to return; 200 unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there. There is none for `q`.
    pub after: Option<ListPosition>,
}

/// A user whose groups or apps are listed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserList {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The most items to return; as many as an outcome can carry unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there.
    pub after: Option<ListPosition>,
}

/// Okta has no second page for `q`.
const QUERY_MAX: usize = 200;

/// Reads a user.
async fn get(work: &mut Work<'_>) -> Result<Finished, ActionFailure> {
    let user = work.known_user().await?;
    work.must_be_as_expected(&user).await?;
    Ok(Finished::done(json!({ "user": user.raw })))
}

/// Finds users by `search`, `filter` or `q`.
async fn search(work: &mut Work<'_>, parameters: &SearchUsers) -> Result<Finished, ActionFailure> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let limit = parameters.limit.unwrap_or(FOUND_DEFAULT);
    let (search, filter, q) = (given(&parameters.search), given(&parameters.filter), given(&parameters.q));
    if q.is_some() && parameters.after.is_some() {
        return Err(Code::InvalidParameters.because("okta has no second page of `q`: use `search`"));
    }
    let target = match (search, filter, q) {
        (Some(search), None, None) => users::search(&search),
        (None, Some(filter), None) => users::filter(&filter),
        (None, None, Some(words)) => {
            let asked = limit.clamp(1, QUERY_MAX);
            let mut list = found(work, &users::query(&words, asked), limit, None).await?;
            // A full page may be incomplete.
            list.is_complete &= list.items.len() < asked;
            list.next = None;
            return Ok(listed("users", list));
        }
        _ => {
            let message = "exactly one of `search`, `filter` and `q` is needed, and not empty";
            return Err(Code::InvalidParameters.because(message));
        }
    };
    Ok(listed("users", found(work, &target, limit, parameters.after.as_ref()).await?))
}

/// Lists a user's groups.
async fn groups_of_user(work: &mut Work<'_>, of: &UserList) -> Result<Finished, ActionFailure> {
    let target = users::groups(work.user_id()?);
    Ok(listed("groups", found(work, &target, of.limit.unwrap_or(usize::MAX), of.after.as_ref()).await?))
}

/// Lists the apps that a user sees.
async fn apps_of_user(work: &mut Work<'_>, of: &UserList) -> Result<Finished, ActionFailure> {
    let target = users::app_links(work.user_id()?);
    Ok(listed("apps", found(work, &target, of.limit.unwrap_or(usize::MAX), of.after.as_ref()).await?))
}
