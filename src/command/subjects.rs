//! The users, groups, app and zone that a command is about, after the look-up of their names.

use serde::{Deserialize, Serialize};

use super::actions::Names;

/// The objects that a command is about. Policy, ordering and the journal use these ids, not the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subjects {
    /// Users, in the order of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserSubject>,
    /// Groups, in the order of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSubject>,
    /// The id of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The network zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneSubject>,
}

impl Subjects {
    /// The subjects of a command before the look-up: without ids.
    pub(in crate::command) fn named(names: &Names<'_>) -> Self {
        let user = |name: &str| UserSubject { name: name.to_owned(), id: None, login: None };
        let group = |name: &str| GroupSubject { name: name.to_owned(), id: None, okta_name: None };
        Self {
            users: names.users.iter().map(|name| user(name.text())).collect(),
            groups: names.groups.iter().map(|named| group(named.name)).collect(),
            app: names.app.map(str::to_owned),
            // One has an id.
            zone: None,
        }
    }

    /// Whether these are the same objects at Okta, whatever they are called.
    pub(in crate::command) fn are(&self, those: &Self) -> bool {
        self.ids().eq(those.ids())
    }

    fn ids(&self) -> impl Iterator<Item = Option<&str>> {
        let users = self.users.iter().map(|user| user.id.as_deref());
        let groups = self.groups.iter().map(|group| group.id.as_deref());
        let zone = self.zone.as_ref().map(|zone| zone.id.as_str());
        users.chain(groups).chain([self.app.as_deref(), zone])
    }
}

/// A user whom a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSubject {
    /// The name in the command.
    pub name: String,
    /// Okta's id; none if there is no such user, as for `user.create` and a repeated `user.delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The login, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// A group that a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSubject {
    /// The name in the command.
    pub name: String,
    /// Okta's id; none if there is no such group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name at Okta, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub okta_name: Option<String>,
}

/// A network zone that a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneSubject {
    /// The name in the command.
    pub name: String,
    /// Okta's id.
    pub id: String,
}
