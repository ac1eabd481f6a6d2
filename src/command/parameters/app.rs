//! Parameters of assigning apps. `app` is an id: Okta does not keep labels unique.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Profile,
    list::{names, one_or_many},
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
