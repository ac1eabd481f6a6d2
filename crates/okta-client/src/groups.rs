//! Groups and their members (Okta, "Groups"). Groups of apps and Okta's built-in groups are read only.

use serde_json::{Map, Value, json};

use super::{Change, Target, request::Confirmation};

/// Okta advises 200 a page, and answers 500 if a page takes too long.
const PAGE_SIZE: usize = 200;

/// The group with this id.
pub fn get(id: &str) -> Target {
    Target::of(&["groups", id])
}

/// Any one group: shows whether the credential may read groups.
pub fn any() -> Target {
    Target::of(&["groups"]).with("limit", &1)
}

/// The groups with exactly this name. Okta's lists lag by some seconds.
pub fn named(name: &str) -> Target {
    let search = format!("profile.name eq {}", Value::from(name));
    Target::of(&["groups"]).with("search", &search).with("limit", &PAGE_SIZE)
}

/// The groups whose name begins with this text.
pub fn beginning(name: &str) -> Target {
    let search = format!("profile.name sw {}", Value::from(name));
    Target::of(&["groups"]).with("search", &search).with("limit", &PAGE_SIZE)
}

/// The users in a group.
pub fn members(id: &str) -> Target {
    Target::of(&["groups", id, "users"]).with("limit", &PAGE_SIZE)
}

/// Creates a group.
pub fn create(profile: &Map<String, Value>) -> Change {
    let name = profile.get("name").and_then(Value::as_str).map(str::to_owned);
    Change::post(Target::of(&["groups"]), Confirmation::New("/profile/name", name))
        .body(json!({ "profile": profile }))
}

/// Replaces the profile of a group: attributes that are not in it are removed.
pub fn replace(id: &str, profile: &Map<String, Value>) -> Change {
    Change::put(Target::of(&["groups", id]), Confirmation::Object(id.to_owned()))
        .body(json!({ "profile": profile }))
}

/// Deletes a group.
pub fn delete(id: &str) -> Change {
    Change::delete(Target::of(&["groups", id]))
}

/// Adds a user.
pub fn add_user(id: &str, user: &str) -> Change {
    Change::put(Target::of(&["groups", id, "users", user]), Confirmation::NoContent)
}

/// Removes a user.
pub fn remove_user(id: &str, user: &str) -> Change {
    Change::delete(Target::of(&["groups", id, "users", user]))
}
