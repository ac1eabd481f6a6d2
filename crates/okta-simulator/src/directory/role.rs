//! Administrator roles of users: to list, assign and take away; standard ones, and the custom role over the resource set that
//! each org has here.

use serde_json::{Value, json};

use super::change::Change;
use super::user::User;
use super::{Directory, new_id};
use crate::clock;
use crate::okta_error::OktaError;

/// The standard roles that are assigned by type, with Okta's labels.
const STANDARD: [(&str, &str); 10] = [
    ("API_ACCESS_MANAGEMENT_ADMIN", "API Access Management Administrator"),
    ("APP_ADMIN", "Application Administrator"),
    ("GROUP_MEMBERSHIP_ADMIN", "Group Membership Administrator"),
    ("HELP_DESK_ADMIN", "Help Desk Administrator"),
    ("MOBILE_ADMIN", "Mobile Administrator"),
    ("ORG_ADMIN", "Organizational Administrator"),
    ("READ_ONLY_ADMIN", "Read-Only Administrator"),
    ("REPORT_ADMIN", "Report Administrator"),
    ("SUPER_ADMIN", "Super Administrator"),
    ("USER_ADMIN", "Group Administrator"),
];

/// The custom roles of an org, with their labels.
const CUSTOM: [(&str, &str); 1] = [("cr0HelpLine000000001", "Help Line")];
/// The resource sets of an org, with their labels.
const RESOURCE_SETS: [(&str, &str); 1] = [("iamPeople00000000001", "People")];

/// A role that a user has.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) id: String,
    kind: &'static str,
    label: &'static str,
    custom: Option<Custom>,
    created_ms: i64,
}

/// Which custom role, and over which resource set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Custom {
    role: &'static str,
    resource_set: &'static str,
}

impl Custom {
    /// As the body of an assignment names it, by ids; with its label.
    fn named(body: &Value) -> Result<(Self, &'static str), OktaError> {
        let by_id = |all: &[(&'static str, &'static str)], name: &str| {
            let asked = body[name].as_str().unwrap_or_default();
            let found = all.iter().find(|(id, _)| *id == asked).copied();
            found.ok_or_else(|| OktaError::validation(name, format!("{name}: Invalid id")))
        };
        let (role, label) = by_id(&CUSTOM, "role")?;
        let (resource_set, _) = by_id(&RESOURCE_SETS, "resource-set")?;
        Ok((Self { role, resource_set }, label))
    }
}

/// A custom role as Okta writes it.
pub(super) fn custom(key: &str) -> Result<Value, OktaError> {
    by_id_or_label(&CUSTOM, key).ok_or_else(|| OktaError::missing(key, "CustomRole"))
}

/// A resource set as Okta writes it.
pub(super) fn resource_set(key: &str) -> Result<Value, OktaError> {
    by_id_or_label(&RESOURCE_SETS, key).ok_or_else(|| OktaError::missing(key, "ResourceSet"))
}

fn by_id_or_label(all: &[(&str, &str)], key: &str) -> Option<Value> {
    let (id, label) = all.iter().find(|(id, label)| key == *id || key == *label)?;
    let time = clock::date_time(0);
    Some(json!({ "id": id, "label": label, "description": label, "created": time, "lastUpdated": time }))
}

impl Role {
    /// As Okta writes it.
    pub(super) fn view(&self, base: &str, user: &str) -> Value {
        let time = clock::date_time(self.created_ms);
        let mut view = json!({
            "id": self.id,
            "label": self.label,
            "type": self.kind,
            "status": "ACTIVE",
            "created": time,
            "lastUpdated": time,
            "assignmentType": "USER",
            "_links": { "assignee": { "href": format!("{base}/api/v1/users/{user}") } },
        });
        if let Some(Custom { role, resource_set }) = self.custom {
            (view["role"], view["resource-set"]) = (role.into(), resource_set.into());
        }
        view
    }
}

impl Directory {
    /// Gives a user the role that the body names.
    pub(super) fn assign_role(
        &mut self,
        key: &str,
        body: &Value,
        now_ms: i64,
    ) -> Result<(String, Role), OktaError> {
        let user = self.user(key)?.clone();
        let asked = body["type"].as_str().unwrap_or_default();
        let (kind, label, custom) = if asked == "CUSTOM" {
            let (custom, label) = Custom::named(body)?;
            ("CUSTOM", label, Some(custom))
        } else {
            let found = STANDARD.into_iter().find(|(kind, _)| *kind == asked);
            let (kind, label) =
                found.ok_or_else(|| OktaError::validation("type", "type: Invalid role type"))?;
            (kind, label, None)
        };
        if user.roles.iter().any(|role| role.kind == kind && role.custom == custom) {
            return Err(OktaError::role_assigned_already());
        }
        let role = Role { id: new_id("ra1"), kind, label, custom, created_ms: now_ms };
        let mut roles = user.roles.clone();
        roles.push(role.clone());
        let id = user.id.clone();
        self.note_roles(User { roles, ..user }, "user.account.privilege.grant", now_ms);
        Ok((id, role))
    }

    /// Takes a role from a user.
    pub(super) fn unassign_role(&mut self, key: &str, role: &str, now_ms: i64) -> Result<(), OktaError> {
        let user = self.user(key)?.clone();
        let mut roles = user.roles.clone();
        roles.retain(|other| other.id != role);
        if roles.len() == user.roles.len() {
            return Err(OktaError::missing(role, "RoleAssignment"));
        }
        self.note_roles(User { roles, ..user }, "user.account.privilege.revoke", now_ms);
        Ok(())
    }

    fn note_roles(&mut self, user: User, event_type: &'static str, now_ms: i64) {
        let change = Change::of(event_type, [user.party()]);
        self.changes.push(change.between(Some(user.status), Some(user.status)));
        self.keep_user(user, now_ms);
    }
}
