//! Administrator roles of users: to list, assign and take away.

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

/// A role that a user has.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) id: String,
    kind: &'static str,
    label: &'static str,
    created_ms: i64,
}

impl Role {
    /// As Okta writes it.
    pub(super) fn view(&self, base: &str, user: &str) -> Value {
        let time = clock::date_time(self.created_ms);
        json!({
            "id": self.id,
            "label": self.label,
            "type": self.kind,
            "status": "ACTIVE",
            "created": time,
            "lastUpdated": time,
            "assignmentType": "USER",
            "_links": { "assignee": { "href": format!("{base}/api/v1/users/{user}") } },
        })
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
        let found = STANDARD.into_iter().find(|(kind, _)| *kind == asked);
        let (kind, label) = found.ok_or_else(|| OktaError::validation("type", "type: Invalid role type"))?;
        if user.roles.iter().any(|role| role.kind == kind) {
            return Err(OktaError::role_assigned_already());
        }
        let role = Role { id: new_id("ra1"), kind, label, created_ms: now_ms };
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
