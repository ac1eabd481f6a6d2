//! Administrator roles of users (Okta, "Role Assignments").

use serde_json::json;

use super::{Change, Target, request::Confirmation};

/// The type of all custom roles.
pub const CUSTOM: &str = "CUSTOM";

/// The roles that a user has, by themselves and through groups.
pub fn of_user(user: &str) -> Target {
    Target::of(&["users", user, "roles"])
}

/// Gives a user a standard role by its type.
pub fn assign(user: &str, role: &str) -> Change {
    Change::post(of_user(user), Confirmation::Body).body(json!({ "type": role }))
}

/// A custom role, by id or label.
pub fn custom(role: &str) -> Target {
    Target::of(&["iam", "roles", role])
}

/// A resource set, by id or label.
pub fn resource_set(set: &str) -> Target {
    Target::of(&["iam", "resource-sets", set])
}

/// Gives a user a custom role over a resource set, both by id.
pub fn assign_custom(user: &str, role: &str, set: &str) -> Change {
    Change::post(of_user(user), Confirmation::Body)
        .body(json!({ "type": CUSTOM, "role": role, "resource-set": set }))
}

/// Removes an assignment from a user.
pub fn unassign(user: &str, assignment: &str) -> Change {
    Change::delete(Target::of(&["users", user, "roles", assignment]))
}
