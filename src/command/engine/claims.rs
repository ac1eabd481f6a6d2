//! What a command touches, by the names that it gives and by the ids that were found for them. Pure.

use std::collections::BTreeMap;

use super::lanes::Claim;
use crate::command::{
    NewName, Request, Subjects,
    actions::{Hold, Names},
};

/// The claim that copies of one command have in common.
pub(super) fn of_command(id: &str) -> Claim {
    Claim { key: format!("command {id}"), alone: true }
}

/// What the command `id` touches, as its row says. Users are touched alone by whatever is about them.
pub(super) fn of(id: &str, request: &Request, subjects: Option<&Subjects>) -> Vec<Claim> {
    let mut claims = BTreeMap::new();
    let mut claim = |kind: &str, name: &str, alone: bool| {
        *claims.entry(format!("{kind} {}", name.to_lowercase())).or_insert(alone) |= alone;
    };
    // A request that names nothing in a way that can be understood fails before it touches anything.
    let names = request.names().unwrap_or_else(|_| Names::nothing());
    for user in &names.users {
        claim("user", user.text(), true);
    }
    for group in &names.groups {
        claim("group", group.name, group.hold == Hold::Alone);
    }
    // A zone is changed as a whole.
    let zone = subjects.and_then(|subjects| subjects.zone.as_ref()).map(|zone| zone.id.as_str());
    for name in names.zone.into_iter().chain(zone) {
        claim("zone", name, true);
    }
    // Whoever gets a name is touched by that name too.
    match request.renames() {
        Some(NewName::Login(login)) => claim("user", login, true),
        Some(NewName::Group(name)) => claim("group", name, true),
        None => {}
    }
    if let Some(subjects) = subjects {
        for user in &subjects.users {
            for name in [Some(&user.name), user.id.as_ref(), user.login.as_ref()].into_iter().flatten() {
                claim("user", name, true);
            }
        }
        // They were looked for by the names, in the same order.
        for (named, group) in names.groups.iter().zip(&subjects.groups) {
            for name in [Some(&group.name), group.id.as_ref(), group.okta_name.as_ref()].into_iter().flatten()
            {
                claim("group", name, named.hold == Hold::Alone);
            }
        }
    }
    let claims = claims.into_iter().map(|(key, alone)| Claim { key, alone });
    claims.chain([of_command(id)]).collect()
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
}
