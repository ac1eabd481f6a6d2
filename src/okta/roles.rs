//! Administrator roles of users (Okta, "Role Assignments").

use serde_json::json;

use super::{Change, Target};

/// The roles that a user has, by themselves and through groups.
pub fn of_user(user: &str) -> Target {
    Target::of(&["users", user, "roles"])
}

/// Gives a user a standard role by its type.
pub fn assign(user: &str, role: &str) -> Change {
    Change::post(of_user(user)).body(json!({ "type": role }))
}

/// Takes an assignment from a user.
pub fn unassign(user: &str, assignment: &str) -> Change {
    Change::delete(Target::of(&["users", user, "roles", assignment]))
}
