//! Parameters of groups and membership.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Profile,
    list::{names, one_or_many},
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
}

/// A group whose members are listed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupList {
    /// Id or exact name.
    pub group: String,
    /// The most members to return; all unless set.
    pub limit: Option<usize>,
}

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

/// A new group.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// Its name, unique in the org.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// More attributes, as Okta names them.
    #[serde(default)]
    pub profile: Profile,
}

/// A group and what becomes different about it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateGroup {
    /// Id or exact name.
    pub group: String,
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// More attributes to set, as Okta names them; those that are not named stay.
    #[serde(default)]
    pub profile: Profile,
}
