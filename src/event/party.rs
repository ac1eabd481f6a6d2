//! What an actor or a target is called, for people.

use serde_json::Value;

use super::missing::is_missing;

/// The login or e-mail of a party, else its name, else its id; empty if it has none of them.
pub(crate) fn name_of(party: Option<&Value>) -> &str {
    let member = |name: &str| {
        let text = party.and_then(|party| party.get(name)).and_then(Value::as_str);
        text.filter(|text| !is_missing(text))
    };
    member("alternateId").or(member("displayName")).or(member("id")).unwrap_or_default()
}
