//! Groups and who is in them (Okta, "Groups"). Groups of apps and Okta's own are read only.

use serde_json::{Map, Value, json};

use super::{Change, Target, request::Confirmation};

/// Okta advises 200 a page and answers 500 to pages that take it too long.
const PAGE_SIZE: usize = 200;

/// By id.
pub fn get(id: &str) -> Target {
    Target::of(&["groups", id])
}

/// One of them, whichever that is: whether we may look.
pub fn any() -> Target {
    Target::of(&["groups"]).with("limit", &1)
}

/// Those of exactly this name. Okta's lists are some seconds behind.
pub fn named(name: &str) -> Target {
    let search = format!("profile.name eq {}", Value::from(name));
    Target::of(&["groups"]).with("search", &search).with("limit", &PAGE_SIZE)
}

/// Those whose names begin so.
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
    Change::post(Target::of(&["groups"]), Confirmation::New).body(json!({ "profile": profile }))
}

/// Gives a group this profile: what is not in it is gone.
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
    Change::put(Target::of(&["groups", id, "users", user]), Confirmation::Status)
}

/// Removes a user.
pub fn remove_user(id: &str, user: &str) -> Change {
    Change::delete(Target::of(&["groups", id, "users", user]))
}
