//! Network zones (Okta, "Network Zones"). A zone is replaced as a whole: there is no way to add one address.

use serde_json::Value;

use super::{Change, Target, request::Confirmation};

/// Members that only Okta writes.
const READ_ONLY: [&str; 5] = ["id", "created", "lastUpdated", "system", "_links"];

/// The zone with this id.
pub fn get(id: &str) -> Target {
    Target::of(&["zones", id])
}

/// All zones: an org has at most a hundred.
pub fn all() -> Target {
    Target::of(&["zones"])
}

/// Any one zone: shows whether the credential may read zones.
pub fn any() -> Target {
    all().with("limit", &1)
}

/// Replaces the gateways of a zone whose current content is `zone`. Overwrites what others have changed meanwhile.
pub fn replace_gateways(id: &str, zone: &Value, gateways: Vec<Value>) -> Change {
    let mut body = zone.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
        members.insert("gateways".to_owned(), gateways.into());
    }
    Change::put(get(id), Confirmation::Body).body(body)
}
