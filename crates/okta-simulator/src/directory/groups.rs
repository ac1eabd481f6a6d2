//! Groups: to create, find, change and delete them, and who is in them.

use serde_json::Value;

use super::change::Change;
use super::group::{Group, GroupKind, GroupProfile};
use super::user::User;
use super::versioned::Versioned;
use super::{Directory, new_id};
use crate::okta_error::OktaError;

impl Directory {
    pub(super) fn group(&self, id: &str) -> Result<&Group, OktaError> {
        let group = self.groups.get(id).and_then(Versioned::now);
        group.ok_or_else(|| OktaError::missing(id, "UserGroup"))
    }

    pub(super) fn create_group(&mut self, body: &Value, now_ms: i64) -> Result<Group, OktaError> {
        let profile = GroupProfile::parse(&body["profile"])?;
        self.check_name_is_free(&profile.name, None)?;
        let group = Group::new(new_id("00g"), GroupKind::OktaGroup, profile, now_ms);
        self.changes.push(Change::of("group.lifecycle.create", [group.party()]));
        self.keep_group(group.clone(), now_ms);
        Ok(group)
    }

    pub(super) fn replace_group(&mut self, id: &str, body: &Value, now_ms: i64) -> Result<Group, OktaError> {
        let group = self.group(id)?.clone();
        group.check_editable()?;
        let profile = GroupProfile::parse(&body["profile"])?;
        self.check_name_is_free(&profile.name, Some(id))?;
        let group = Group { profile, last_updated_ms: now_ms, ..group };
        self.changes.push(Change::of("group.profile.update", [group.party()]));
        self.keep_group(group.clone(), now_ms);
        Ok(group)
    }

    pub(super) fn delete_group(&mut self, id: &str, now_ms: i64) -> Result<(), OktaError> {
        let group = self.group(id)?;
        group.check_deletable()?;
        let change = Change::of("group.lifecycle.delete", [group.party()]);
        self.changes.push(change);
        self.members.remove(id);
        self.apps.values_mut().for_each(|app| {
            app.groups.remove(id);
        });
        let oldest_ms = self.listed_until(now_ms);
        if let Some(versions) = self.groups.get_mut(id) {
            versions.become_at(now_ms, None, oldest_ms);
        }
        Ok(())
    }

    /// Puts a user into a group; one who is in it already stays.
    pub(super) fn add_member(&mut self, group: &str, user: &str, now_ms: i64) -> Result<(), OktaError> {
        let (group, user) = self.membership(group, user)?;
        if self.members.entry(group.id.clone()).or_default().insert(user.id.clone()) {
            self.note_membership("group.user_membership.add", &user, group, now_ms);
        }
        Ok(())
    }

    /// Takes a user out of a group; one who is not in it stays out.
    pub(super) fn remove_member(&mut self, group: &str, user: &str, now_ms: i64) -> Result<(), OktaError> {
        let (group, user) = self.membership(group, user)?;
        if self.members.entry(group.id.clone()).or_default().remove(&user.id) {
            self.note_membership("group.user_membership.remove", &user, group, now_ms);
        }
        Ok(())
    }

    /// The members of a group, in the order of their ids. All users are in the built-in groups.
    pub(super) fn members_of(&self, id: &str) -> Result<Vec<&User>, OktaError> {
        let group = self.group(id)?;
        let users = self.users.values().filter_map(Versioned::now);
        Ok(users.filter(|user| self.is_member(user, group)).collect())
    }

    /// The groups that a user is in.
    pub(super) fn groups_of(&self, key: &str) -> Result<Vec<&Group>, OktaError> {
        let user = self.user(key)?;
        let groups = self.groups.values().filter_map(Versioned::now);
        Ok(groups.filter(|group| self.is_member(user, group)).collect())
    }

    pub(super) fn is_member(&self, user: &User, group: &Group) -> bool {
        group.kind == GroupKind::BuiltIn
            || self.members.get(&group.id).is_some_and(|members| members.contains(&user.id))
    }

    /// All groups as lists see them now.
    pub(super) fn listed_groups(&self, now_ms: i64) -> impl Iterator<Item = &Group> {
        let until_ms = self.listed_until(now_ms);
        self.groups.values().filter_map(move |versions| versions.at(until_ms))
    }

    /// Makes this the newest version of a group.
    pub(super) fn keep_group(&mut self, group: Group, at_ms: i64) {
        let oldest_ms = self.listed_until(at_ms);
        match self.groups.get_mut(&group.id) {
            Some(versions) => versions.become_at(at_ms, Some(group), oldest_ms),
            None => {
                self.groups.insert(group.id.clone(), Versioned::new(at_ms, group));
            }
        }
    }

    pub(super) fn check_name_is_free(&self, name: &str, own: Option<&str>) -> Result<(), OktaError> {
        let mut others =
            self.groups.values().filter_map(Versioned::now).filter(|group| Some(&*group.id) != own);
        match others.any(|group| group.kind == GroupKind::OktaGroup && group.profile.name == name) {
            true => Err(OktaError::duplicate_group()),
            false => Ok(()),
        }
    }

    fn membership(&self, group: &str, user: &str) -> Result<(Group, User), OktaError> {
        let group = self.group(group)?;
        let user = self.user(user)?;
        group.check_editable()?;
        Ok((group.clone(), user.clone()))
    }

    fn note_membership(&mut self, event_type: &'static str, user: &User, group: Group, now_ms: i64) {
        let change = Change::of(event_type, [user.party(), group.party()]);
        self.changes.push(change.between(Some(user.status), Some(user.status)));
        self.keep_group(Group { last_membership_updated_ms: now_ms, ..group }, now_ms);
    }
}
