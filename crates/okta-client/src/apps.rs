//! Apps, and their assignments to users and groups (Okta, "Application Users" and "Application Groups").

use serde_json::{Map, Value, json};

use super::{Change, Target, request::Confirmation};

/// The largest page of apps that Okta gives.
const PAGE_SIZE: usize = 200;

/// The app with this id.
pub fn get(id: &str) -> Target {
    Target::of(&["apps", id])
}

/// Any one app: shows whether the credential may read apps.
pub fn any() -> Target {
    Target::of(&["apps"]).with("limit", &1)
}

/// The apps whose label or name begins with this text, in any case. Several apps can have the same label.
pub fn beginning(label: &str) -> Target {
    Target::of(&["apps"]).with("q", label).with("limit", &PAGE_SIZE)
}

/// A user's assignment to the app, if there is one.
pub fn user(id: &str, user: &str) -> Target {
    Target::of(&["apps", id, "users", user])
}

/// A group's assignment to the app, if there is one.
pub fn group(id: &str, group: &str) -> Target {
    Target::of(&["apps", id, "groups", group])
}

/// Assigns the app to a user.
pub fn assign_user(id: &str, user: &str, profile: &Map<String, Value>) -> Change {
    let body = json!({ "id": user, "scope": "USER", "profile": profile });
    Change::post(Target::of(&["apps", id, "users"]), Confirmation::Object(user.to_owned())).body(body)
}

/// Sets these attributes of the user's profile in the app.
pub fn update_user(id: &str, user: &str, profile: &Map<String, Value>) -> Change {
    Change::post(Target::of(&["apps", id, "users", user]), Confirmation::Object(user.to_owned()))
        .body(json!({ "profile": profile }))
}

/// Removes the assignment of a user.
pub fn unassign_user(id: &str, user: &str) -> Change {
    Change::delete(Target::of(&["apps", id, "users", user]))
}

/// Assigns the app to a group.
pub fn assign_group(id: &str, group: &str) -> Change {
    Change::put(Target::of(&["apps", id, "groups", group]), Confirmation::Object(group.to_owned()))
        .body(json!({}))
}

/// Removes the assignment of a group.
pub fn unassign_group(id: &str, group: &str) -> Change {
    Change::delete(Target::of(&["apps", id, "groups", group]))
}
