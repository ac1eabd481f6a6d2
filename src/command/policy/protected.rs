//! Users, groups and apps that no command changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::{GroupSubject, IpRange, NewName, Request, Subjects, UserSubject},
    config::ProtectConfig,
};

/// The protected users, groups and apps: the names in the configuration, their ids at Okta, and the members of the
/// groups. Names of users are compared without case, as Okta does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// Ids, and names and logins [without case](folded).
    users: BTreeSet<String>,
    /// The names of users in the configuration, without case.
    names: BTreeSet<String>,
    /// Ids and names.
    groups: BTreeSet<String>,
    /// Ids.
    apps: BTreeSet<String>,
    /// Ids of members, each with a protected group.
    members: BTreeMap<String, String>,
    /// Addresses that no command blocks.
    addresses: Vec<IpRange>,
}

impl Protected {
    /// The names in `config`, before any look-up.
    pub fn named(config: &ProtectConfig) -> Self {
        let names: BTreeSet<_> = config.users.iter().map(|name| folded(name)).collect();
        let users = config.users.iter().cloned().chain(names.iter().cloned()).collect();
        let all = |names: &[String]| names.iter().cloned().collect();
        let (groups, apps) = (all(&config.groups), all(&config.apps));
        Self { users, names, groups, apps, members: BTreeMap::new(), addresses: config.addresses.clone() }
    }

    /// Adds the id and login of a named user.
    pub fn add_user(&mut self, user: &UserSubject) {
        self.users.extend(user.id.clone());
        self.users.extend(user.login.as_ref().map(|login| folded(login)));
    }

    /// Adds an id that a name stood for once.
    pub fn add_user_id(&mut self, id: &str) {
        self.users.insert(id.to_owned());
    }

    /// Adds the id of the group `name` and its members.
    pub fn add_group(&mut self, name: &str, id: &str, members: impl IntoIterator<Item = String>) {
        self.groups.insert(id.to_owned());
        self.members.extend(members.into_iter().map(|member| (member, name.to_owned())));
    }

    /// Adds the ids of the apps with a name.
    pub fn add_apps(&mut self, ids: impl IntoIterator<Item = String>) {
        self.apps.extend(ids);
    }

    /// Why one of the `subjects` is protected, if one is.
    pub fn why(&self, subjects: &Subjects) -> Option<String> {
        let of_users = subjects.users.iter().find_map(|user| self.why_user(user));
        let of_groups = || subjects.groups.iter().find_map(|group| self.why_group(group));
        of_users.or_else(of_groups).or_else(|| self.why_app(subjects.app.as_ref()?))
    }

    /// Why the new name in `request` is protected, if it gives one: otherwise protection by name would find the wrong
    /// user, several, or none.
    pub fn why_renamed(&self, request: &Request) -> Option<String> {
        let name = request.renames()?;
        let protected = match name {
            NewName::User(_) => {
                let mut logins = name.logins().filter(|login| self.is_login_protected(login));
                // A protected name without a user of that login is looked up by e-mail.
                let mut emails = name.emails().filter(|email| self.names.contains(&folded(email)));
                logins.next().or_else(|| emails.next())
            }
            NewName::Group(name) => self.is_group_protected(name).then_some(name),
        };
        protected.map(|name| format!("the name `{name}` is protected"))
    }

    /// Whether a protected name may mean a user with this login: by the whole login, or by the part before the `@`.
    fn is_login_protected(&self, login: &str) -> bool {
        let login = folded(login);
        let short = login.split_once('@').map_or("", |(short, _)| short);
        self.users.contains(&login) || self.users.contains(short)
    }

    /// Whether a protected name or id may mean this group, whatever Okta makes of case and of blanks around a name.
    fn is_group_protected(&self, name: &str) -> bool {
        let name = folded(name);
        self.groups.iter().any(|group| folded(group) == name)
    }

    /// Why the addresses that `request` blocks are protected, if it blocks any.
    pub fn why_blocked(&self, request: &Request) -> Option<String> {
        let names = request.names().ok()?;
        let is_protected = |ip: &&IpRange| self.addresses.iter().any(|protected| ip.reaches(*protected));
        let ip = names.blocked.iter().find(is_protected)?;
        Some(format!("of the addresses {ip} some are protected"))
    }

    fn why_user(&self, user: &UserSubject) -> Option<String> {
        let is_named = |name: &String| self.users.contains(name) || self.users.contains(&folded(name));
        if [Some(&user.name), user.id.as_ref(), user.login.as_ref()].into_iter().flatten().any(is_named) {
            return Some(format!("the user `{}` is protected", user.name));
        }
        // A new user must not have the name of a protected one.
        if user.id.is_none() && self.is_login_protected(&user.name) {
            return Some(format!("the name of the user `{}` is protected", user.name));
        }
        // Who has got such a login at Okta is not known as protected before the next look at Okta.
        if user.login.as_ref().is_some_and(|login| self.is_login_protected(login)) {
            return Some(format!("the login of the user `{}` is protected", user.name));
        }
        let group = self.members.get(user.id.as_ref()?)?;
        Some(format!("the user `{}` is protected as a member of the group `{group}`", user.name))
    }

    fn why_group(&self, group: &GroupSubject) -> Option<String> {
        let names = [Some(&group.name), group.id.as_ref(), group.okta_name.as_ref()];
        let is_protected = names.into_iter().flatten().any(|name| self.is_group_protected(name));
        is_protected.then(|| format!("the group `{}` is protected", group.name))
    }

    /// Commands name apps only by id.
    fn why_app(&self, id: &String) -> Option<String> {
        self.apps.contains(id).then(|| format!("the app `{id}` is protected"))
    }
}

/// A name for comparison: without case, including letters that are equal only in upper case, and trimmed.
fn folded(name: &str) -> String {
    name.trim().to_uppercase().to_lowercase()
}
