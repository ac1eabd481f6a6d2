//! The users and groups that have an app (Okta, "Application Users" and "Application Groups").

use serde_json::{Map, Value, json};

use super::{Change, Target, request::Confirmation};

/// Okta's most for a page of apps.
const PAGE_SIZE: usize = 200;

/// An app.
pub fn get(id: &str) -> Target {
    Target::of(&["apps", id])
}

/// One of them, whichever that is: whether we may look.
pub fn any() -> Target {
    Target::of(&["apps"]).with("limit", &1)
}

/// Those whose labels or names begin so, whatever the case. Several may have one label.
pub fn beginning(label: &str) -> Target {
    Target::of(&["apps"]).with("q", label).with("limit", &PAGE_SIZE)
}

/// How a user has an app, if at all.
pub fn user(id: &str, user: &str) -> Target {
    Target::of(&["apps", id, "users", user])
}

/// How a group has an app, if at all.
pub fn group(id: &str, group: &str) -> Target {
    Target::of(&["apps", id, "groups", group])
}

/// Assigns the app to a user.
pub fn assign_user(id: &str, user: &str, profile: &Map<String, Value>) -> Change {
    let body = json!({ "id": user, "scope": "USER", "profile": profile });
    Change::post(Target::of(&["apps", id, "users"]), Confirmation::Object(user.to_owned())).body(body)
}

/// Sets these attributes of a user's profile in the app.
pub fn update_user(id: &str, user: &str, profile: &Map<String, Value>) -> Change {
    Change::post(Target::of(&["apps", id, "users", user]), Confirmation::Object(user.to_owned()))
        .body(json!({ "profile": profile }))
}

/// Takes the app from a user.
pub fn unassign_user(id: &str, user: &str) -> Change {
    Change::delete(Target::of(&["apps", id, "users", user]))
}

/// Assigns the app to a group.
pub fn assign_group(id: &str, group: &str) -> Change {
    Change::put(Target::of(&["apps", id, "groups", group]), Confirmation::Object(group.to_owned()))
        .body(json!({}))
}

/// Takes the app from a group.
pub fn unassign_group(id: &str, group: &str) -> Change {
    Change::delete(Target::of(&["apps", id, "groups", group]))
}
