//! What a command touches, by the names that it gives and by the ids that were found for them. Pure.

use std::collections::BTreeMap;

use super::lanes::Claim;
use crate::command::{Effect, Request, Subjects, parameters::Profile};

/// The claim that copies of one command have in common.
pub(super) fn of_command(id: &str) -> Claim {
    Claim { key: format!("command {id}"), alone: true }
}

/// What the command `id` touches. Users are touched alone by whatever is about them; a group is touched alone by what
/// changes or deletes it, and shared by what changes or lists who is in it.
pub(super) fn of(id: &str, request: &Request, subjects: Option<&Subjects>) -> Vec<Claim> {
    let mut claims = BTreeMap::new();
    let mut claim = |kind: &str, name: &str, alone: bool| {
        *claims.entry(format!("{kind} {}", name.to_lowercase())).or_insert(alone) |= alone;
    };
    let Named { users, groups } = named(request);
    let is_of_group = matches!(
        request,
        Request::GroupCreate(_) | Request::GroupUpdate(_) | Request::GroupDelete(_)
    );
    for user in users {
        claim("user", user, true);
    }
    for group in groups {
        claim("group", group, is_of_group);
    }
    if let Some(subjects) = subjects {
        for user in &subjects.users {
            for name in [Some(&user.name), user.id.as_ref(), user.login.as_ref()].into_iter().flatten() {
                claim("user", name, true);
            }
        }
        for group in &subjects.groups {
            for name in [Some(&group.name), group.id.as_ref(), group.okta_name.as_ref()].into_iter().flatten() {
                claim("group", name, is_of_group);
            }
        }
    }
    let claims = claims.into_iter().map(|(key, alone)| Claim { key, alone });
    claims.chain([of_command(id)]).collect()
}

/// Whether it changes anything at Okta.
pub(super) fn changes(request: &Request) -> bool {
    request.action().effect() != Effect::Read
}

/// The names in a request.
struct Named<'a> {
    users: Vec<&'a str>,
    groups: Vec<&'a str>,
}

fn named(request: &Request) -> Named<'_> {
    let (users, groups): (Vec<&String>, Vec<&String>) = match request {
        Request::UserCreate(new) => return created(&new.profile, &new.groups),
        Request::UserUpdate(of) => return updated(&of.user, &of.profile),
        Request::UserActivate(of) => (vec![&of.user], vec![]),
        Request::UserReactivate(of) => (vec![&of.user], vec![]),
        Request::UserDeactivate(of) => (vec![&of.user], vec![]),
        Request::UserDelete(of) => (vec![&of.user], vec![]),
        Request::UserExpirePassword(of) => (vec![&of.user], vec![]),
        Request::UserResetPassword(of) => (vec![&of.user], vec![]),
        Request::UserForgotPassword(of) => (vec![&of.user], vec![]),
        Request::UserSetPassword(of) => (vec![&of.user], vec![]),
        Request::UserClearSessions(of) => (vec![&of.user], vec![]),
        Request::UserResetFactor(of) => (vec![&of.user], vec![]),
        Request::UserSuspend(of)
        | Request::UserUnsuspend(of)
        | Request::UserUnlock(of)
        | Request::UserFactors(of)
        | Request::UserResetFactors(of)
        | Request::UserGet(of) => (vec![&of.user], vec![]),
        Request::UserGroups(of) | Request::UserApps(of) => (vec![&of.user], vec![]),
        // What was written to the log does not change.
        Request::LogByUser(_) | Request::LogByIp(_) | Request::LogSearch(_) => (vec![], vec![]),
        Request::UserSearch(_) | Request::GroupFind(_) => (vec![], vec![]),
        Request::GroupGet(of) | Request::GroupDelete(of) => (vec![], vec![&of.group]),
        Request::GroupMembers(of) => (vec![], vec![&of.group]),
        Request::GroupUpdate(of) => (vec![], [&of.group].into_iter().chain(&of.name).collect()),
        Request::GroupCreate(of) => (vec![], vec![&of.name]),
        Request::GroupAddUser(of) | Request::GroupRemoveUser(of) => {
            (of.users.iter().collect(), of.groups.iter().collect())
        }
        Request::AppAssignUser(of) => (of.users.iter().collect(), vec![]),
        Request::AppUnassignUser(of) => (of.users.iter().collect(), vec![]),
        Request::AppAssignGroup(of) | Request::AppUnassignGroup(of) => (vec![], of.groups.iter().collect()),
    };
    Named {
        users: users.into_iter().map(String::as_str).collect(),
        groups: groups.into_iter().map(String::as_str).collect(),
    }
}

fn created<'a>(profile: &'a Profile, groups: &'a [String]) -> Named<'a> {
    Named { users: login(profile).collect(), groups: groups.iter().map(String::as_str).collect() }
}

/// Who gets another login is touched by both.
fn updated<'a>(user: &'a str, profile: &'a Profile) -> Named<'a> {
    Named { users: [user].into_iter().chain(login(profile)).collect(), groups: Vec::new() }
}

fn login(profile: &Profile) -> impl Iterator<Item = &str> {
    profile.get("login").and_then(serde_json::Value::as_str).into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::{Action, UserSubject};

    fn keys(action: Action, parameters: Value, subjects: Option<&Subjects>) -> Vec<(String, bool)> {
        let request = Request::read(action, parameters).unwrap();
        let claims = of("c-1", &request, subjects).into_iter();
        claims.filter(|claim| *claim != of_command("c-1")).map(|claim| (claim.key, claim.alone)).collect()
    }

    #[test]
    fn a_user_is_the_same_by_login_in_any_case_and_by_id_and_before_they_exist() {
        let ada = UserSubject {
            name: "Ada@acme.com".to_owned(),
            id: Some("00uA".to_owned()),
            login: Some("ada@acme.com".to_owned()),
        };
        let found = Subjects { users: vec![ada], ..Subjects::default() };
        let suspended = keys(Action::UserSuspend, json!({ "user": "Ada@acme.com" }), Some(&found));
        assert_eq!(suspended, [("user 00ua".to_owned(), true), ("user ada@acme.com".to_owned(), true)]);
        let created = keys(Action::UserCreate, json!({ "profile": { "login": "ADA@acme.com" } }), None);
        assert_eq!(created, [("user ada@acme.com".to_owned(), true)]);
        let renamed = json!({ "user": "ada@acme.com", "profile": { "login": "al@acme.com" } });
        let renamed = keys(Action::UserUpdate, renamed, None);
        assert_eq!(renamed, [("user ada@acme.com".to_owned(), true), ("user al@acme.com".to_owned(), true)]);
    }

    #[test]
    fn membership_shares_the_group_and_changing_the_group_does_not() {
        let added = keys(Action::GroupAddUser, json!({ "user": "ada", "group": "Ops" }), None);
        assert_eq!(added, [("group ops".to_owned(), false), ("user ada".to_owned(), true)]);
        let renamed = keys(Action::GroupUpdate, json!({ "group": "Ops", "name": "Operations" }), None);
        assert_eq!(renamed, [("group operations".to_owned(), true), ("group ops".to_owned(), true)]);
    }

    #[test]
    fn the_log_is_touched_by_nobody() {
        assert_eq!(keys(Action::LogByUser, json!({ "user": "ada" }), None), []);
    }
}
