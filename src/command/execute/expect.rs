//! Checks the expectations of a command about its user.

use okta_client::users::{self, User};
use serde_json::Value;

use super::{failure::Code, lookup, work::Work};
use crate::command::{ActionFailure, Expect};

/// Fails unless all expectations hold. Reads the groups only if the command expects some.
pub(super) async fn look(work: &Work<'_>, user: &User) -> Result<(), ActionFailure> {
    let expect = work.expect;
    if !expect.status.is_empty() && !expect.status.contains(&user.status) {
        let expected = expect.status.join(" or ");
        return Err(failed(user, &format!("the status is {}, not {expected}", user.status)));
    }
    look_at_profile(expect, user)?;
    if expect.in_groups.is_empty() {
        return Ok(());
    }
    let groups = lookup::whole(work.okta, work.action, &users::groups(&user.id)).await?;
    match missing_group(expect, &groups.unwrap_or_default()) {
        Some(group) => Err(failed(user, &format!("not in group {group}"))),
        None => Ok(()),
    }
}

/// Fails unless the profile is as expected.
pub(super) fn look_at_profile(expect: &Expect, user: &User) -> Result<(), ActionFailure> {
    match expect.profile.iter().find(|(name, value)| user.attribute(name) != *value) {
        // The values are personal data; the name is enough.
        Some((name, _)) => Err(failed(user, &format!("profile.{name} is not as expected"))),
        None => Ok(()),
    }
}

fn failed(user: &User, reason: &str) -> ActionFailure {
    let name = user.login().unwrap_or(&user.id);
    Code::ExpectationFailed.because(format!("user {name}: {reason}"))
}

fn missing_group<'a>(expect: &'a Expect, groups: &[Value]) -> Option<&'a String> {
    let is_in = |wanted: &&String| {
        groups.iter().any(|group| {
            let names = [group.get("id"), group.pointer("/profile/name")];
            names.into_iter().flatten().any(|name| name.as_str() == Some(wanted.as_str()))
        })
    };
    expect.in_groups.iter().find(|wanted| !is_in(wanted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_and_groups_are_looked_for() {
        let user = User::read(json!({ "id": "1", "status": "ACTIVE", "profile": { "title": "x" } })).unwrap();
        let groups = [json!({ "id": "00g1", "profile": { "name": "Staff" } })];
        let expect = |json: Value| serde_json::from_value::<Expect>(json).unwrap();
        for (json, is_held) in [
            (json!({}), true),
            (json!({ "profile": { "title": "x", "city": null } }), true),
            (json!({ "profile": { "title": null } }), false),
            (json!({ "profile": { "city": "Oslo" } }), false),
        ] {
            assert_eq!(look_at_profile(&expect(json.clone()), &user).is_ok(), is_held, "{json}");
        }
        for (group, is_held) in [("00g1", true), ("Staff", true), ("staff", false)] {
            let expect = expect(json!({ "in_groups": [group] }));
            assert_eq!(missing_group(&expect, &groups).is_none(), is_held, "{group}");
        }
    }
}
