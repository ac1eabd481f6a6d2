//! What the rows say of requests.

use std::collections::BTreeSet;

use okta_client::Scope;
use serde_json::{Value, json};

use super::super::{Action, Changes, Hold, NewName, Presence, Request, UserName};

fn request(action: Action, parameters: Value) -> Request {
    Request::read(action, parameters).unwrap()
}

/// What the parameters of `action` are called.
fn parameters_of(action: Action) -> BTreeSet<String> {
    let mut generator = schemars::SchemaGenerator::default();
    let schema = action.parameters_schema(&mut generator).to_value();
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap();
    generator.definitions()[name]["properties"].as_object().unwrap().keys().cloned().collect()
}

/// A request of each action, with one of whatever it can name.
fn requests() -> Vec<Request> {
    let words = json!({
        "user": "ada", "group": "Ops", "app": "0oa1", "name": "Ops", "factor": "ost1", "password": "s3cret",
        "ip": "203.0.113.7", "role": "HELP_DESK_ADMIN", "client": "0oa1", "profile": { "login": "ada@acme.com" },
    });
    let of = |action: &Action| {
        let mut parameters = serde_json::Map::new();
        for name in parameters_of(*action) {
            parameters.extend(words.get(&name).map(|word| (name, word.clone())));
        }
        if *action == Action::UserCreate {
            parameters.insert("groups".to_owned(), json!(["Ops"]));
        }
        request(*action, parameters.into())
    };
    Action::ALL.iter().map(of).collect()
}

#[test]
fn every_action_is_found_by_its_name() {
    assert_eq!(Action::ALL.len(), 43);
    for action in Action::ALL {
        assert_eq!(Action::named(action.name()), Some(*action));
    }
    assert_eq!(Action::named("user.befriend"), None);
}

#[test]
fn parameters_are_read_and_unknown_ones_refused() {
    let deactivate = request(Action::UserDeactivate, json!({ "user": "ada@acme.com" }));
    assert_eq!(deactivate.action(), Action::UserDeactivate);
    for (parameters, reason) in [
        (json!({}), "missing field `user`"),
        (json!({ "user": 5 }), "user: invalid type"),
        (json!({ "user": "a", "sendEmail": true }), "unknown field `sendEmail`"),
    ] {
        let err = Request::read(Action::UserDeactivate, parameters).unwrap_err();
        assert!(err.contains(reason), "{err}");
    }
}

#[test]
fn whoever_an_action_names_can_be_found_with_its_scopes() {
    for request in requests() {
        let action = request.action();
        let scopes: BTreeSet<_> = [&[action.scope()], action.scopes_to_find()].concat().into_iter().collect();
        let has_one = |any: &[Scope]| any.iter().any(|scope| scopes.contains(scope));
        let names = request.names().unwrap();
        for (is_named, any) in [
            (!names.users.is_empty(), &[Scope::UsersRead, Scope::UsersManage][..]),
            (!names.groups.is_empty(), &[Scope::GroupsRead, Scope::GroupsManage]),
            (names.app.is_some(), &[Scope::AppsManage]),
        ] {
            assert!(!is_named || has_one(any), "{}: {scopes:?}", action.name());
        }
    }
}

#[test]
fn no_action_takes_a_secret_that_its_row_does_not_name() {
    for action in Action::ALL {
        let parameters = parameters_of(*action);
        let is_secret = |name: &&String| {
            ["password", "recovery_question", "secret", "answer", "token", "passcode"]
                .contains(&name.as_str())
        };
        let secrets: Vec<_> = parameters.iter().filter(is_secret).collect();
        assert!(secrets.iter().eq(action.secrets()), "{}: {secrets:?}", action.name());
    }
}

#[test]
fn changes_are_counted_by_what_is_named_and_with_the_members_of_groups() {
    let (two, three) = (json!(["a", "b"]), json!(["x", "y", "z"]));
    for (action, parameters, expected) in [
        (Action::GroupAddUser, json!({ "users": two, "groups": three }), Changes::Fixed(6)),
        (Action::GroupRemoveUser, json!({ "users": two, "group": "x" }), Changes::Fixed(2)),
        (Action::AppAssignUser, json!({ "app": "0oa1", "users": two }), Changes::Fixed(2)),
        (Action::AppUnassignUser, json!({ "app": "0oa1", "users": three }), Changes::Fixed(3)),
        (Action::UserCreate, json!({ "profile": {}, "groups": two }), Changes::Fixed(3)),
        (Action::ZoneBlockIp, json!({ "ips": ["203.0.113.7", "203.0.113.8"] }), Changes::Fixed(2)),
        (Action::AppAssignGroup, json!({ "app": "0oa1", "groups": two }), Changes::MembersOf(2)),
        (Action::AppUnassignGroup, json!({ "app": "0oa1", "group": "x" }), Changes::MembersOf(1)),
        (Action::GroupDelete, json!({ "group": "x" }), Changes::MembersOf(1)),
        (Action::GroupUpdate, json!({ "group": "x", "name": "y" }), Changes::Fixed(1)),
    ] {
        assert_eq!(request(action, parameters).changes(), expected, "{}", action.name());
    }
    assert_eq!((Changes::MembersOf(2).named(), Changes::MembersOf(2).with_members(300)), (2, 302));
    assert_eq!((Changes::Fixed(6).named(), Changes::Fixed(6).with_members(300)), (6, 6));
}

#[test]
fn new_names_are_told_of_whom_they_are_given_to() {
    let renamed = |action, parameters| {
        let request = request(action, parameters);
        let name = request.renames()?;
        let of_user = name.logins().chain(name.emails()).map(str::to_owned).collect::<Vec<_>>();
        Some(if let NewName::Group(name) = name { vec![name.to_owned()] } else { of_user })
    };
    let profile = json!({ "login": "al@acme.com", "email": "al@home.org", "title": "Dr" });
    let names = Some(vec!["al@acme.com".to_owned(), "al@home.org".to_owned()]);
    assert_eq!(renamed(Action::UserUpdate, json!({ "user": "ada", "profile": profile })), names);
    for action in [Action::UserCreate, Action::UserUpsert] {
        assert_eq!(renamed(action, json!({ "profile": profile })), names);
    }
    for parameters in
        [json!({ "group": "Ops", "name": "Op" }), json!({ "group": "Ops", "profile": { "name": "Op" } })]
    {
        assert_eq!(renamed(Action::GroupUpdate, parameters), Some(vec!["Op".to_owned()]));
    }
    let title = json!({ "user": "ada", "profile": { "title": "Dr" } });
    assert_eq!(renamed(Action::UserUpdate, title), Some(Vec::new()));
    assert_eq!(renamed(Action::UserSuspend, json!({ "user": "ada" })), None);
}

#[test]
fn who_need_not_exist_is_who_is_created_or_may_be_gone() {
    for request in requests() {
        let names = request.names().unwrap();
        let action = request.action().name();
        let expected = match action {
            "user.create" | "user.upsert" => UserName::New("ada@acme.com"),
            "user.delete" => UserName::MaybeGone("ada"),
            "log.by_user" => UserName::MaybeGoneByEmail("ada"),
            _ => UserName::Known("ada"),
        };
        assert!(names.users.iter().all(|user| *user == expected), "{action}: {:?}", names.users);
        let (presence, hold) = match action {
            "group.create" => (Presence::New, Hold::Alone),
            "group.delete" => (Presence::MaybeGone, Hold::Alone),
            "group.update" => (Presence::Known, Hold::Alone),
            _ => (Presence::Known, Hold::Shared),
        };
        let is_so = names.groups.iter().all(|group| (group.presence, group.hold) == (presence, hold));
        assert!(is_so, "{action}: {:?}", names.groups);
    }
}

#[test]
fn an_action_takes_lists_if_its_parameters_have_a_list_of_whom_is_changed() {
    for action in Action::ALL {
        let parameters = parameters_of(*action);
        let has = |name: &str| parameters.contains(name);
        let takes_lists = (has("user") && has("users")) || (has("group") && has("groups"));
        assert_eq!(action.takes_lists(), takes_lists, "{}", action.name());
    }
}
