//! Creates or updates a user: for identity sources that do not know whether the user exists.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Changes, Names, NewName, Profile, UserName,
    row::Row,
    user_create::{self, CreateUser},
    user_update, yes,
};
use crate::command::{
    ActionFailure,
    execute::work::{Finished, Work},
};

/// The row of `user.upsert`.
pub(super) const UPSERT: Row<UpsertUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(UserName::New(user_create::login(&of.profile)?)).and_groups(&of.groups)),
    renames: |of| Some(NewName::User(&of.profile)),
    changes: |of| Changes::Fixed(1 + of.groups.len()),
    carry_out: |work, of| Box::pin(upsert(work, of)),
};

/// A user as they shall be.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpsertUser {
    /// Attributes as Okta names them; `login` is by which the user is looked for. Those that are not named stay.
    pub profile: Profile,
    /// Groups that a new user is in from the beginning, at most 20, by id or exact name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether a new user is activated at once.
    #[serde(default = "yes")]
    pub activate: bool,
    /// The id of a new user's type; the default type unless set.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// Whether the user exists is decided once, before the first attempt: a user whom an earlier attempt created counts as
/// new.
async fn upsert(work: &mut Work<'_>, of: &UpsertUser) -> Result<Finished, ActionFailure> {
    if work.subject()?.id.is_some() {
        return user_update::update(work, &of.profile).await;
    }
    let new = CreateUser {
        profile: of.profile.clone(),
        password: None,
        recovery_question: None,
        groups: of.groups.clone(),
        activate: of.activate,
        change_password: false,
        kind: of.kind.clone(),
    };
    user_create::create(work, &new).await
}
