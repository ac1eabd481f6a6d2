//! Whether what a command expects of its user holds.

use serde_json::Value;

use super::{failure::Code, lookup, work::Work};
use crate::{
    command::{Expect, Failed},
    okta::{users, users::User},
};

/// Looks whether it holds; groups are asked for only if the command expects some.
pub(super) async fn look(work: &Work<'_>, user: &User) -> Result<(), Failed> {
    let expect = work.expect;
    let mut broken = broken_by(expect, user);
    if broken.is_none() && !expect.in_groups.is_empty() {
        let groups = lookup::whole(work.client, work.action, &users::groups(&user.id)).await?;
        broken = missing_group(expect, &groups.unwrap_or_default());
    }
    let Some(reason) = broken else { return Ok(()) };
    let name = user.login().unwrap_or(&user.id);
    Err(Code::ExpectationFailed.because(format!("user {name}: {reason}")))
}

fn broken_by(expect: &Expect, user: &User) -> Option<String> {
    if !expect.status.is_empty() && !expect.status.contains(&user.status) {
        return Some(format!("the status is {}, not {}", user.status, expect.status.join(" or ")));
    }
    // The values are somebody's personal data; the name is enough.
    let other = expect.profile.iter().find(|(name, value)| user.attribute(name) != *value);
    other.map(|(name, _)| format!("profile.{name} is not as expected"))
}

fn missing_group(expect: &Expect, groups: &[Value]) -> Option<String> {
    let is_in = |wanted: &&String| {
        groups.iter().any(|group| {
            let names = [group.get("id"), group.pointer("/profile/name")];
            names.into_iter().flatten().any(|name| name.as_str() == Some(wanted.as_str()))
        })
    };
    let missing = expect.in_groups.iter().find(|wanted| !is_in(wanted));
    missing.map(|group| format!("not in group {group}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_condition_is_looked_at() {
        let user = User::read(json!({ "id": "1", "status": "ACTIVE", "profile": { "title": "x" } })).unwrap();
        let groups = [json!({ "id": "00g1", "profile": { "name": "Staff" } })];
        let expect = |json: Value| serde_json::from_value::<Expect>(json).unwrap();
        for (json, is_held) in [
            (json!({}), true),
            (json!({ "status": ["STAGED", "ACTIVE"] }), true),
            (json!({ "status": ["STAGED"] }), false),
            (json!({ "profile": { "title": "x", "city": null } }), true),
            (json!({ "profile": { "title": null } }), false),
            (json!({ "profile": { "city": "Oslo" } }), false),
        ] {
            assert_eq!(broken_by(&expect(json.clone()), &user).is_none(), is_held, "{json}");
        }
        for (group, is_held) in [("00g1", true), ("Staff", true), ("staff", false)] {
            let expect = expect(json!({ "in_groups": [group] }));
            assert_eq!(missing_group(&expect, &groups).is_none(), is_held, "{group}");
        }
    }
}
