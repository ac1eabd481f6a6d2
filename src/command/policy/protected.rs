//! Users, groups and apps about which nothing may be changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::{GroupSubject, IpRange, NewName, Request, Subjects, UserSubject},
    config::ProtectConfig,
};

/// Users, groups and apps about which nothing may be changed: those that the configuration names, what Okta knows them as, and
/// the members of the groups. Names of users are compared whatever their case, since Okta does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// Ids, and names and logins [whatever their case](folded).
    users: BTreeSet<String>,
    /// The names of users that the configuration has, whatever their case.
    names: BTreeSet<String>,
    /// Ids and names.
    groups: BTreeSet<String>,
    /// Ids.
    apps: BTreeSet<String>,
    /// Ids of members, each with a protected group that they are in.
    members: BTreeMap<String, String>,
    /// Addresses that are never blocked.
    addresses: Vec<IpRange>,
}

impl Protected {
    /// Those that `config` names, before anything was looked up.
    pub fn named(config: &ProtectConfig) -> Self {
        let names: BTreeSet<_> = config.users.iter().map(|name| folded(name)).collect();
        let users = config.users.iter().cloned().chain(names.iter().cloned()).collect();
        let all = |names: &[String]| names.iter().cloned().collect();
        let (groups, apps) = (all(&config.groups), all(&config.apps));
        Self { users, names, groups, apps, members: BTreeMap::new(), addresses: config.addresses.clone() }
    }

    /// Okta's id and login of a user who is named.
    pub fn add_user(&mut self, user: &UserSubject) {
        self.users.extend(user.id.clone());
        self.users.extend(user.login.as_ref().map(|login| folded(login)));
    }

    /// The id of a user whom a name stood for once.
    pub fn add_user_id(&mut self, id: &str) {
        self.users.insert(id.to_owned());
    }

    /// Okta's id of the group `name`, and its members.
    pub fn add_group(&mut self, name: &str, id: &str, members: impl IntoIterator<Item = String>) {
        self.groups.insert(id.to_owned());
        self.members.extend(members.into_iter().map(|member| (member, name.to_owned())));
    }

    /// Okta's ids of the apps of a name.
    pub fn add_apps(&mut self, ids: impl IntoIterator<Item = String>) {
        self.apps.extend(ids);
    }

    /// Why nothing may be changed about `subjects`, if that is so for any of them.
    pub fn why(&self, subjects: &Subjects) -> Option<String> {
        let of_users = subjects.users.iter().find_map(|user| self.why_user(user));
        let of_groups = || subjects.groups.iter().find_map(|group| self.why_group(group));
        of_users.or_else(of_groups).or_else(|| self.why_app(subjects.app.as_ref()?))
    }

    /// Why nobody and nothing may get a name that `request` gives, if it gives one: by name, protection would find the
    /// wrong one, several, or none.
    pub fn why_renamed(&self, request: &Request) -> Option<String> {
        let name = request.renames()?;
        let protected = match name {
            NewName::User(_) => {
                let mut logins = name.logins().filter(|login| self.is_login_protected(login));
                // Who has no login of this name is looked for by the e-mail.
                let mut emails = name.emails().filter(|email| self.names.contains(&folded(email)));
                logins.next().or_else(|| emails.next())
            }
            NewName::Group(name) => self.groups.contains(name).then_some(name),
        };
        protected.map(|name| format!("the name `{name}` is protected"))
    }

    /// Whether a protected name may mean whoever has this login: all of it does, or what is before the `@`.
    fn is_login_protected(&self, login: &str) -> bool {
        let login = folded(login);
        let short = login.split_once('@').map_or("", |(short, _)| short);
        self.users.contains(&login) || self.users.contains(short)
    }

    /// Why the addresses that `request` blocks may not be blocked, if it blocks any.
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
        // Who is to be created must not be called like somebody who is protected.
        if user.id.is_none() && self.is_login_protected(&user.name) {
            return Some(format!("the name of the user `{}` is protected", user.name));
        }
        let group = self.members.get(user.id.as_ref()?)?;
        Some(format!("the user `{}` is protected as a member of the group `{group}`", user.name))
    }

    fn why_group(&self, group: &GroupSubject) -> Option<String> {
        let names = [Some(&group.name), group.id.as_ref(), group.okta_name.as_ref()];
        let is_protected = names.into_iter().flatten().any(|name| self.groups.contains(name));
        is_protected.then(|| format!("the group `{}` is protected", group.name))
    }

    /// Commands name apps by id alone.
    fn why_app(&self, id: &String) -> Option<String> {
        self.apps.contains(id).then(|| format!("the app `{id}` is protected"))
    }
}

/// A name as it is compared: whatever its case, with letters that are the same in capitals, and the blanks around it.
fn folded(name: &str) -> String {
    name.trim().to_uppercase().to_lowercase()
}
