//! Users: to create, find, change and delete them.

use serde_json::{Map, Value};

use super::change::Change;
use super::credentials::Credentials;
use super::lifecycle::Operation;
use super::profile::{self, Profile};
use super::status::Status;
use super::user::{Transition, User};
use super::versioned::Versioned;
use super::{Directory, new_id};
use crate::okta_error::OktaError;

const MAX_GROUPS: usize = 20;
const TAKEN: &str = "An object with this field already exists in the current organization";

/// A user to be created.
#[derive(Debug)]
pub(super) struct NewUser<'a> {
    /// The body of the request.
    pub(super) body: &'a Value,
    pub(super) activate: bool,
    /// `nextLogin=changePassword`.
    pub(super) change_password: bool,
}

/// A change of a user's profile and credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// What is not said stays.
    Partial,
    /// What is not said is gone.
    Whole,
}

impl Directory {
    /// By id, by login if there is no `/` in it, or by the part of a login before `@` if only one user has it.
    pub(super) fn user(&self, key: &str) -> Result<&User, OktaError> {
        if let Some(user) = self.users.get(key).and_then(Versioned::now) {
            return Ok(user);
        }
        // However it is escaped in a path.
        if key.contains('/') {
            return Err(OktaError::missing(key, "User"));
        }
        let lower = key.to_lowercase();
        let all = || self.users.values().filter_map(Versioned::now);
        if let Some(user) = all().find(|user| user.login().to_lowercase() == lower) {
            return Ok(user);
        }
        let mut short = all().filter(|user| user.short_login().to_lowercase() == lower);
        match (short.next(), short.next()) {
            (Some(user), None) => Ok(user),
            _ => Err(OktaError::missing(key, "User")),
        }
    }

    pub(super) fn create_user(&mut self, new: &NewUser<'_>, now_ms: i64) -> Result<User, OktaError> {
        let profile = profile::merged(&Map::new(), profile_of(new.body)?);
        profile::check(&profile)?;
        self.check_login_is_free(&profile, None)?;
        let credentials = Credentials::parse(&new.body["credentials"], &profile)?;
        if new.change_password && !credentials.has_password {
            return Err(OktaError::no_password_to_expire());
        }
        if new.change_password && !new.activate {
            return Err(OktaError::no_activation_to_expire());
        }
        let groups = self.groups_of_new_user(&new.body["groupIds"])?;

        let mut user = User::new(new_id("00u"), Status::Staged, profile, now_ms);
        take_over(&mut user, credentials, now_ms);
        if let Some(kind) = type_of_new_user(&new.body["type"])? {
            user.kind = kind;
        }
        let id = user.id.clone();
        self.changes
            .push(Change::of("user.lifecycle.create", [user.party()]).between(None, Some(Status::Staged)));
        self.keep_user(user, now_ms);
        for group in groups {
            self.add_member(&group, &id, now_ms)?;
        }
        if new.activate {
            self.operate(&id, Operation::Activate, now_ms)?;
        }
        if new.change_password {
            let user = self.user(&id)?.clone();
            // A password that waits for an activation under way is expired when that is done.
            match user.transition {
                Some(transition) => {
                    let transition = Some(Transition { to: Status::PasswordExpired, ..transition });
                    self.keep_user(User { transition, ..user }, now_ms);
                }
                None => {
                    self.operate(&id, Operation::ExpirePassword, now_ms)?;
                }
            }
        }
        self.user(&id).cloned()
    }

    /// Changes profile and credentials. `if_match` is the `ETag` that the user must still have.
    pub(super) fn update_user(
        &mut self,
        key: &str,
        body: &Value,
        update: Update,
        if_match: Option<&str>,
        now_ms: i64,
    ) -> Result<User, OktaError> {
        let mut user = self.resting_user(key)?.clone();
        if if_match.is_some_and(|etag| etag != user.etag()) {
            return Err(OktaError::etag_mismatch());
        }
        let before = user.status;
        Operation::UpdateProfile.lead(before, user.has_password)?;
        let old = match update {
            Update::Partial => user.profile.clone(),
            Update::Whole => Map::new(),
        };
        user.profile = match body.get("profile") {
            None if update == Update::Partial => old,
            _ => profile::merged(&old, profile_of(body)?),
        };
        profile::check(&user.profile)?;
        self.check_login_is_free(&user.profile, Some(&user.id))?;
        let credentials = Credentials::parse(&body["credentials"], &user.profile)?;
        let sets_password = credentials.has_password;
        let after = match sets_password {
            true => Operation::SetPassword.lead(before, user.has_password)?,
            false => before,
        };
        take_over(&mut user, credentials, now_ms);
        user.enter(after, now_ms);
        user.last_updated_ms = now_ms;
        if body.get("profile").is_some() {
            self.note(Operation::UpdateProfile, &user, before, before);
        }
        if sets_password {
            self.note(Operation::SetPassword, &user, before, after);
        }
        self.keep_user(user.clone(), now_ms);
        Ok(user)
    }

    /// Does to a user what the state machine allows.
    pub(super) fn operate(
        &mut self,
        key: &str,
        operation: Operation,
        now_ms: i64,
    ) -> Result<User, OktaError> {
        let mut user = self.resting_user(key)?.clone();
        let before = user.status;
        let after = operation.lead(before, user.has_password)?;
        match operation {
            Operation::ResetFactors => user.factors.clear(),
            Operation::ExpirePasswordWithTempPassword => user.has_password = true,
            _ => {}
        }
        let takes_a_while = matches!(operation, Operation::Activate | Operation::Deactivate);
        if takes_a_while && self.transition_ms > 0 {
            let done_ms = now_ms.saturating_add(self.transition_ms);
            user.transition = Some(Transition { to: after, done_ms });
            self.in_transition.insert(user.id.clone());
        } else {
            user.enter(after, now_ms);
        }
        user.last_updated_ms = now_ms;
        self.note(operation, &user, before, after);
        self.keep_user(user.clone(), now_ms);
        if operation == Operation::Deactivate {
            self.unassign_all_apps(&user);
        }
        Ok(user)
    }

    /// Deactivates a user; one who is deactivated already is gone for good.
    pub(super) fn delete_user(&mut self, key: &str, now_ms: i64) -> Result<(), OktaError> {
        let user = self.resting_user(key)?.clone();
        if user.status != Status::Deprovisioned {
            return self.operate(&user.id, Operation::Deactivate, now_ms).map(|_| ());
        }
        for event_type in ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"] {
            self.changes.push(Change::of(event_type, [user.party()]).between(Some(user.status), None));
        }
        self.members.values_mut().for_each(|members| {
            members.remove(&user.id);
        });
        let oldest_ms = self.listed_until(now_ms);
        if let Some(versions) = self.users.get_mut(&user.id) {
            versions.become_at(now_ms, None, oldest_ms);
        }
        self.deleted.push(user);
        Ok(())
    }

    pub(super) fn clear_sessions(&mut self, key: &str) -> Result<(), OktaError> {
        let user = self.user(key)?;
        let change = Change::of("user.session.clear", [user.party()]);
        self.changes.push(change.between(Some(user.status), Some(user.status)));
        Ok(())
    }

    /// Unenrolls a factor, and what goes with it.
    pub(super) fn delete_factor(&mut self, key: &str, factor: &str, now_ms: i64) -> Result<(), OktaError> {
        let mut user = self.resting_user(key)?.clone();
        Operation::ResetFactors.lead(user.status, user.has_password)?;
        let found = user.factors.iter().find(|other| other.id == factor);
        let kind = found.ok_or_else(|| OktaError::missing(factor, "UserFactor"))?.kind;
        user.factors.retain(|other| !kind.takes_along(other.kind));
        user.last_updated_ms = now_ms;
        let change = Change::of("user.mfa.factor.deactivate", [user.party()]);
        self.changes.push(change.between(Some(user.status), Some(user.status)));
        self.keep_user(user, now_ms);
        Ok(())
    }

    /// Everybody as lists see them now.
    pub(super) fn listed_users(&self, now_ms: i64) -> impl Iterator<Item = &User> {
        let until_ms = self.listed_until(now_ms);
        self.users.values().filter_map(move |versions| versions.at(until_ms))
    }

    /// Everybody as they are now, the deleted ones last.
    pub(super) fn all_users(&self) -> impl Iterator<Item = (&User, bool)> {
        let here = self.users.values().filter_map(Versioned::now).map(|user| (user, false));
        here.chain(self.deleted.iter().map(|user| (user, true)))
    }

    /// Makes this the newest version of a user.
    pub(super) fn keep_user(&mut self, user: User, at_ms: i64) {
        let oldest_ms = self.listed_until(at_ms);
        match self.users.get_mut(&user.id) {
            Some(versions) => versions.become_at(at_ms, Some(user), oldest_ms),
            None => {
                self.users.insert(user.id.clone(), Versioned::new(at_ms, user));
            }
        }
    }

    /// A user on whom Okta is not at work.
    fn resting_user(&self, key: &str) -> Result<&User, OktaError> {
        let user = self.user(key)?;
        if user.transition.is_some() { Err(OktaError::still_activating()) } else { Ok(user) }
    }

    fn note(&mut self, operation: Operation, user: &User, before: Status, after: Status) {
        let change = Change::of(operation.event_type(), [user.party()]);
        self.changes.push(change.between(Some(before), Some(after)));
    }

    /// Logins are unique whatever their case, also those of deactivated users.
    pub(super) fn check_login_is_free(&self, profile: &Profile, own: Option<&str>) -> Result<(), OktaError> {
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let mut others = self.users.values().filter_map(Versioned::now).filter(|user| Some(&*user.id) != own);
        match others.any(|user| user.login().to_lowercase() == login) {
            true => Err(OktaError::validation("login", format!("login: {TAKEN}"))),
            false => Ok(()),
        }
    }

    fn groups_of_new_user(&self, ids: &Value) -> Result<Vec<String>, OktaError> {
        let ids: Vec<String> =
            ids.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if ids.len() > MAX_GROUPS {
            return Err(OktaError::too_many_targets());
        }
        for id in &ids {
            self.group(id)?.check_editable()?;
        }
        Ok(ids)
    }
}

fn profile_of(body: &Value) -> Result<Profile, OktaError> {
    match body.get("profile") {
        Some(Value::Object(profile)) => Ok(profile.clone()),
        _ => Err(OktaError::validation("profile", "profile: The field cannot be left blank")),
    }
}

/// The user type that a request asks for: any id of Okta's form.
fn type_of_new_user(kind: &Value) -> Result<Option<String>, OktaError> {
    match kind["id"].as_str() {
        Some(id) if id.starts_with("oty") => Ok(Some(id.to_owned())),
        None if kind.is_null() => Ok(None),
        _ => Err(OktaError::validation("type", "type: The user type does not exist")),
    }
}

fn take_over(user: &mut User, credentials: Credentials, now_ms: i64) {
    if credentials.has_password {
        user.has_password = true;
        user.password_changed_ms = Some(now_ms);
    }
    if credentials.recovery_question.is_some() {
        user.recovery_question = credentials.recovery_question;
    }
}
