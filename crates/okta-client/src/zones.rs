//! Network zones (Okta, "Network Zones"). A zone is replaced as a whole: there is no way to add one address.

use serde_json::Value;

use super::{Change, Target, request::Confirmation};

/// What Okta alone writes.
const READ_ONLY: [&str; 5] = ["id", "created", "lastUpdated", "system", "_links"];

/// By id.
pub fn get(id: &str) -> Target {
    Target::of(&["zones", id])
}

/// All of them: an org has a hundred at most.
pub fn all() -> Target {
    Target::of(&["zones"])
}

/// One of them, whichever that is: whether we may look.
pub fn any() -> Target {
    all().with("limit", &1)
}

/// Gives a zone, which is like `zone` now, these gateways. Whatever else is written meanwhile is overwritten.
pub fn replace_gateways(id: &str, zone: &Value, gateways: Vec<Value>) -> Change {
    let mut body = zone.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
        members.insert("gateways".to_owned(), gateways.into());
    }
    Change::put(get(id), Confirmation::Body).body(body)
}
