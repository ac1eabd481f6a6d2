//! Apps: who has which, by an assignment of their own or by one of a group.

use serde_json::Value;

use super::Directory;
use super::app::{App, Assignment, Scope, app_user_id};
use super::change::Change;
use super::user::User;
use super::versioned::Versioned;
use crate::generator::Party;
use crate::okta_error::OktaError;

impl Directory {
    pub(super) fn app(&self, id: &str) -> Result<&App, OktaError> {
        self.apps.get(id).ok_or_else(|| OktaError::missing(id, "AppInstance"))
    }

    /// How a user has an app, if at all.
    pub(super) fn assignment(&self, app: &App, user: &User) -> Option<Assignment> {
        if let Some(own) = app.users.get(&user.id) {
            return Some(own.clone());
        }
        let groups = app.groups.iter().filter_map(|(id, at_ms)| Some((self.groups.get(id)?.now()?, at_ms)));
        let mut groups = groups.filter(|(group, _)| self.is_member(user, group));
        groups.next().map(|(_, at_ms)| Assignment::new(user, Scope::Group, *at_ms))
    }

    /// The apps that a user has.
    pub(super) fn apps_of(&self, key: &str) -> Result<Vec<&App>, OktaError> {
        let user = self.user(key)?;
        Ok(self.apps.values().filter(|app| self.assignment(app, user).is_some()).collect())
    }

    /// The users of an app and how they got it, in the order of their ids.
    pub(super) fn users_of(&self, id: &str) -> Result<Vec<(&User, Assignment)>, OktaError> {
        let app = self.app(id)?;
        let users = self.users.values().filter_map(Versioned::now);
        Ok(users.filter_map(|user| Some((user, self.assignment(app, user)?))).collect())
    }

    /// Assigns an app to a user, or updates the assignment.
    pub(super) fn assign_user(
        &mut self,
        app: &str,
        user: &str,
        body: &Value,
        now_ms: i64,
    ) -> Result<(User, Assignment), OktaError> {
        let (id, user) = (self.app(app)?.id.clone(), self.user(user)?.clone());
        let Some(app) = self.apps.get_mut(&id) else { return Err(OktaError::missing(&id, "AppInstance")) };
        let is_new = !app.users.contains_key(&user.id);
        let assignment =
            app.users.entry(user.id.clone()).or_insert_with(|| Assignment::new(&user, Scope::User, now_ms));
        assignment.update(body, now_ms);
        let assignment = assignment.clone();
        let event_type =
            if is_new { "application.user_membership.add" } else { "application.user_membership.update" };
        let change = assignment_change(event_type, app, &user);
        self.changes.push(change);
        Ok((user, assignment))
    }

    pub(super) fn unassign_user(&mut self, app: &str, user: &str) -> Result<(), OktaError> {
        let (app, user) = (self.app(app)?, self.user(user)?.clone());
        let id = app.id.clone();
        match self.assignment(app, &user).map(|assignment| assignment.scope) {
            Some(Scope::User) => {}
            Some(Scope::Group) => return Err(OktaError::access_denied()),
            None => return Err(OktaError::missing(&user.id, "AppUser")),
        }
        self.take_app(&id, &user);
        Ok(())
    }

    /// Assigns an app to a group; answers when it was assigned.
    pub(super) fn assign_group(&mut self, app: &str, group: &str, now_ms: i64) -> Result<i64, OktaError> {
        let (id, group) = (self.app(app)?.id.clone(), self.group(group)?.clone());
        let Some(app) = self.apps.get_mut(&id) else { return Err(OktaError::missing(&id, "AppInstance")) };
        if let Some(assigned_ms) = app.groups.get(&group.id) {
            return Ok(*assigned_ms);
        }
        app.groups.insert(group.id.clone(), now_ms);
        let change = Change::of("group.application_assignment.add", [app.party(), group.party()]);
        self.changes.push(change);
        Ok(now_ms)
    }

    pub(super) fn unassign_group(&mut self, app: &str, group: &str) -> Result<(), OktaError> {
        let (id, group) = (self.app(app)?.id.clone(), self.group(group)?.clone());
        let Some(app) = self.apps.get_mut(&id) else { return Err(OktaError::missing(&id, "AppInstance")) };
        if app.groups.remove(&group.id).is_none() {
            return Err(OktaError::missing(&group.id, "GroupAssignment"));
        }
        let change = Change::of("group.application_assignment.remove", [app.party(), group.party()]);
        self.changes.push(change);
        Ok(())
    }

    /// What deactivation does: the user's own assignments are gone.
    pub(super) fn unassign_all_apps(&mut self, user: &User) {
        let ids: Vec<String> = self
            .apps
            .values()
            .filter(|app| app.users.contains_key(&user.id))
            .map(|app| app.id.clone())
            .collect();
        for id in ids {
            self.take_app(&id, user);
        }
    }

    fn take_app(&mut self, id: &str, user: &User) {
        let Some(app) = self.apps.get_mut(id) else { return };
        app.users.remove(&user.id);
        let change = assignment_change("application.user_membership.remove", app, user);
        self.changes.push(change);
    }
}

fn assignment_change(event_type: &'static str, app: &App, user: &User) -> Change {
    let party = user.party();
    let app_user = Party::new(&app_user_id(&user.id), "AppUser", user.login(), &party.display_name);
    Change::of(event_type, [app_user, app.party(), party]).between(Some(user.status), Some(user.status))
}
