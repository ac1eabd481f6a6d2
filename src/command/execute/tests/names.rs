//! Look-ups of names, and names that Okta would not accept.

use serde_json::{Value, json};

use super::{
    absent, ada,
    org::{Command, Exchange, ask},
    staff,
};
use crate::command::{GroupSubject, SuccessKind};

async fn code(action: &'static str, parameters: Value, script: Vec<Exchange>) -> String {
    Command::new(action, parameters).run(script).await.unwrap_err().error.code
}

#[tokio::test]
async fn what_names_nobody_or_several_is_told() {
    let user = |name: &str| json!({ "user": name });
    let group = |name: &str| json!({ "group": name });
    let starting = "GET /users?limit=200&search=profile.login+sw+%22ada%40%22";
    let staffs = "GET /groups?search=profile.name+eq+%22Staff%22&limit=200";
    let several = json!([ada("ACTIVE"), ada("ACTIVE")]);
    for (action, parameters, script, expected) in [
        ("user.get", user("no@acme.com"), vec![("GET /users/no@acme.com", 404, absent())], "user_not_found"),
        // Okta would return the owner of the token.
        (
            "user.get",
            user("me"),
            vec![
                ("GET /users/me", 200, ada("ACTIVE")),
                ("GET /users?limit=200&search=profile.login+sw+%22me%40%22", 200, json!([])),
            ],
            "user_not_found",
        ),
        (
            "user.get",
            user("ada"),
            vec![("GET /users/ada", 404, absent()), (starting, 200, several)],
            "ambiguous_name",
        ),
        (
            "user.get",
            user(".."),
            vec![("GET /users?limit=200&search=profile.login+eq+%22..%22", 200, json!([]))],
            "user_not_found",
        ),
        ("group.get", group("Staff"), vec![(staffs, 200, json!([]))], "group_not_found"),
        (
            "group.get",
            group("Staff"),
            vec![
                (staffs, 200, json!([staff(), staff()])),
                ("GET /groups/00g1", 200, staff()),
                ("GET /groups/00g1", 200, staff()),
            ],
            "ambiguous_name",
        ),
        (
            "app.assign_user",
            json!({ "app": "../x", "user": "00u1" }),
            vec![("GET /users/00u1", 200, ada("ACTIVE"))],
            "app_not_found",
        ),
        (
            "app.unassign_user",
            json!({ "app": "0oa1", "user": "00u1" }),
            vec![
                ("GET /users/00u1", 200, ada("ACTIVE")),
                ("GET /apps/0oa1", 200, json!({})),
                ("GET /apps/0oa1/users/00u1", 200, json!({ "scope": "GROUP" })),
            ],
            "assigned_by_group",
        ),
        // They cannot exist, and Okta's answer would be undefined.
        ("user.get", user("😀@acme.com"), vec![], "user_not_found"),
        ("group.get", group("😀"), vec![], "group_not_found"),
        ("user.search", json!({ "q": " " }), vec![], "invalid_parameters"),
        ("user.search", json!({ "q": "a", "filter": "b" }), vec![], "invalid_parameters"),
        ("group.find", json!({ "name": "" }), vec![], "invalid_parameters"),
        ("log.search", json!({ "filter": "eventType eq" }), vec![], "invalid_parameters"),
        ("log.search", json!({ "since": "-1h", "until": "-2h" }), vec![], "invalid_parameters"),
    ] {
        assert_eq!(code(action, parameters.clone(), script).await, expected, "{action} {parameters}");
    }
}

#[tokio::test]
async fn what_is_longer_than_okta_lets_it_be_is_told_and_asked_of_nobody() {
    let long = |chars: usize| "ü".repeat(chars);
    for (action, parameters, told) in [
        ("user.get", json!({ "user": long(70_000) }), "a user's login has 100 characters at most"),
        ("user.create", json!({ "profile": { "login": long(101) } }), "a user's login has 100"),
        (
            "user.get",
            json!({ "user": { "attribute": "a", "value": long(4_097) } }),
            "an attribute's value has 4096",
        ),
        (
            "user.update",
            json!({ "user": "00u1", "profile": { "login": long(101) } }),
            "a user's login has 100",
        ),
        ("user.upsert", json!({ "profile": { "login": "a", "Login": long(101) } }), "a user's login has 100"),
        ("group.update", json!({ "group": "00g1", "name": long(256) }), "a group's name has 255"),
        ("group.get", json!({ "group": long(256) }), "a group's name has 255"),
        ("group.create", json!({ "name": long(256) }), "a group's name has 255"),
        ("group.find", json!({ "name": long(70_000) }), "a group's name has 255"),
        ("zone.block_ip", json!({ "zone": long(129), "ip": "192.0.2.1" }), "a network zone's name has 128"),
        ("user.search", json!({ "q": long(70_000) }), "its URL would have"),
        ("log.search", json!({ "q": long(70_000) }), "its URL would have"),
    ] {
        let failed = Command::new(action, parameters).run(Vec::new()).await.unwrap_err();
        let (code, message) = (failed.error.code, failed.error.message);
        assert_eq!(code, "invalid_parameters", "{action}: {message}");
        assert!(message.contains(told) && message.chars().count() < 300, "{action}: {message}");
        assert_eq!((failed.retry_after, failed.before), (None, None), "{action}");
    }
    // The longest value that there may be, whatever its attribute is called.
    let longest = json!({ "user": { "attribute": "costCenter", "value": long(4_096) } });
    let script = vec![("GET /users?…", 200, json!([]))];
    let failed = Command::new("user.get", longest).run(script).await.unwrap_err();
    assert_eq!(failed.error.code, "user_not_found");
    let app = json!({ "app": "0".repeat(70_000) + "/", "user": "00u1" });
    let found = vec![("GET /users/00u1", 200, ada("ACTIVE"))];
    let failed = Command::new("app.assign_user", app).run(found).await.unwrap_err();
    assert!(failed.error.message.len() < 300, "{}", failed.error.message);
}

#[tokio::test]
async fn a_name_that_only_begins_like_another_is_free() {
    let parameters = json!({ "profile": { "login": "ada" } });
    let mut new = ada("PROVISIONED");
    new["profile"]["login"] = json!("ada");
    let script = vec![
        ("GET /users/ada", 200, ada("ACTIVE")),
        ("GET /users/ada", 200, ada("ACTIVE")),
        (r#"POST /users?activate=true {"profile":{"login":"ada"}}"#, 200, new),
        ("GET /users/00u1", 200, ada("PROVISIONED")),
    ];
    assert_eq!(Command::new("user.create", parameters).run(script).await.unwrap().kind, SuccessKind::Done);

    // Directories and Okta may have groups with the same name.
    let named = "GET /groups?search=profile.name+eq+%22Staff%22&limit=200";
    let of_app = json!({ "id": "00g2", "type": "APP_GROUP", "profile": { "name": "Staff" } });
    let two = || json!([of_app, of_app]);
    let create = r#"POST /groups {"profile":{"name":"Staff"}}"#;
    let script = vec![(named, 200, two()), (named, 200, two()), (create, 200, staff())];
    let created = Command::new("group.create", json!({ "name": "Staff" })).run(script).await.unwrap();
    assert_eq!((created.kind, &created.result["group"]["id"]), (SuccessKind::Done, &json!("00g1")));
}

#[tokio::test]
async fn logins_are_the_same_whatever_their_case() {
    let mut umlaut = ada("ACTIVE");
    umlaut["profile"]["login"] = json!("ünal@acme.com");
    let script =
        vec![("GET /users/%C3%9Cnal@acme.com", 200, umlaut.clone()), ("GET /users/00u1", 200, umlaut)];
    let found = Command::new("user.get", json!({ "user": "Ünal@acme.com" })).run(script).await.unwrap();
    assert_eq!(found.result["user"]["id"], "00u1");
}

#[tokio::test]
async fn events_are_found_by_an_e_mail_that_is_no_login() {
    let parameters =
        json!({ "user": "a@home.org", "since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z" });
    let by_login = ("GET /users/a@home.org", 404, absent());
    let by_email = "GET /users?limit=200&search=profile.email+eq+%22a%40home.org%22";
    let script = vec![
        by_login.clone(),
        (by_email, 200, json!([ada("ACTIVE")])),
        (
            "GET /logs?since=2026-11-01T00%3A00%3A00.000Z&until=2026-11-02T00%3A00%3A00.000Z&limit=100\
             &sortOrder=DESCENDING&filter=actor.id+eq+%2200u1%22+or+actor.alternateId+eq+%22ada%40acme.com%22…",
            200,
            json!([]),
        ),
    ];
    let found = Command::new("log.by_user", parameters.clone()).run(script).await.unwrap();
    assert_eq!(found.result["count"], 0);
    let several = vec![by_login, (by_email, 200, json!([ada("ACTIVE"), ada("STAGED")]))];
    assert_eq!(code("log.by_user", parameters, several).await, "ambiguous_name");
}

#[tokio::test]
async fn a_group_that_was_created_a_moment_ago_is_looked_for_again() {
    let named = "GET /groups?search=profile.name+eq+%22Staff%22&limit=200";
    let script = || {
        let found = || ("GET /groups/00g1", 200, staff());
        vec![(named, 200, json!([])), (named, 200, json!([staff()])), found(), found()]
    };
    let command = || Command::new("group.get", json!({ "group": "Staff" }));
    assert_eq!(command().patient().run(script()).await.unwrap().result["group"]["id"], "00g1");
}

#[tokio::test]
async fn a_group_that_a_list_still_shows_under_a_former_name_is_not_the_one_that_is_named() {
    let named = ("GET /groups?search=profile.name+eq+%22Staff%22&limit=200", 200, json!([staff()]));
    let mut renamed = staff();
    renamed["profile"]["name"] = json!("Administrators");
    for action in ["group.delete", "group.add_user"] {
        for (status, now) in [(200, renamed.clone()), (404, absent())] {
            let user = ("GET /users/00u1", 200, ada("ACTIVE"));
            let mut script = vec![named.clone(), ("GET /groups/00g1", status, now)];
            let parameters = match action {
                "group.delete" => json!({ "group": "Staff" }),
                _ => {
                    script.insert(0, user);
                    json!({ "group": "Staff", "user": "00u1" })
                }
            };
            assert_eq!(code(action, parameters, script).await, "group_not_found", "{action} {status}");
        }
    }
}

#[tokio::test]
async fn a_login_with_a_slash_is_searched_for() {
    let mut slashed = ada("ACTIVE");
    slashed["profile"]["login"] = json!("a/d?a@acme.com");
    let script = vec![
        ("GET /users?limit=200&search=profile.login+eq+%22a%2Fd%3Fa%40acme.com%22", 200, json!([slashed])),
        ("GET /users/00u1", 200, slashed.clone()),
    ];
    let command = Command::new("user.get", json!({ "user": "a/d?a@acme.com" }));
    assert_eq!(command.run(script).await.unwrap().result["user"]["id"], "00u1");
}

#[tokio::test]
async fn characters_that_okta_refuses_are_not_sent() {
    let parameters = json!({ "user": "00u1", "profile": { "title": "😀" } });
    let script = vec![("GET /users/00u1", 200, ada("ACTIVE")), ("GET /users/00u1", 200, ada("ACTIVE"))];
    let failed = Command::new("user.update", parameters).run(script).await.unwrap_err();
    assert_eq!(failed.error.code, "invalid_parameters");
    assert!(failed.error.message.contains("profile.title"), "{}", failed.error.message);
}

#[tokio::test]
async fn lists_say_whether_there_is_more() {
    let command = Command::new("user.groups", json!({ "user": "00u1", "limit": 1 }));
    let script = vec![
        ("GET /users/00u1", 200, ada("ACTIVE")),
        ("GET /users/00u1/groups", 200, json!([staff(), staff()])),
    ];
    let result = command.run(script).await.unwrap().result;
    assert_eq!((&result["complete"], &result["count"]), (&json!(false), &json!(1)));
}

#[tokio::test]
async fn a_user_is_found_by_an_attribute_that_one_alone_has_now() {
    let numbered = |id: &str, number: &str| {
        let mut user = ada("ACTIVE");
        (user["id"], user["profile"]["employeeNumber"]) = (json!(id), json!(number));
        user
    };
    let search = "GET /users?limit=200&search=profile.employeeNumber+eq+%227%22";
    let by =
        |action| Command::new(action, json!({ "user": { "attribute": "employeeNumber", "value": "7" } }));
    let (one, other) = ("GET /users/00u1", "GET /users/00u2");
    let listed = || (search, 200, json!([numbered("00u1", "7"), numbered("00u2", "7")]));
    // The list is old: the other user has another number by now.
    let moved = vec![
        listed(),
        (one, 200, numbered("00u1", "7")),
        (other, 200, numbered("00u2", "8")),
        (one, 200, numbered("00u1", "7")),
    ];
    assert_eq!(by("user.get").run(moved).await.unwrap().kind, SuccessKind::Done);
    for action in ["user.suspend", "user.delete"] {
        let both = vec![listed(), (one, 200, numbered("00u1", "7")), (other, 200, numbered("00u2", "7"))];
        assert_eq!(by(action).run(both).await.unwrap_err().error.code, "ambiguous_name");
        let gone = vec![(search, 200, json!([numbered("00u1", "7")])), (one, 404, absent())];
        assert_eq!(by(action).run(gone).await.unwrap_err().error.code, "user_not_found");
    }
}

#[tokio::test]
async fn members_of_groups_are_counted_to_the_end_or_until_there_are_too_many() {
    let group = |id: &str| GroupSubject { name: id.to_owned(), id: Some(id.to_owned()), okta_name: None };
    let users = |count: usize| json!(vec![ada("ACTIVE"); count]);
    let (first, second) = ("GET /groups/00g1/users?limit=200", "GET /groups/00g2/users?limit=200");
    let groups =
        [group("00g1"), GroupSubject { name: "Gone".to_owned(), id: None, okta_name: None }, group("00g2")];
    for (script, count_max, expected) in [
        (vec![(first, 200, users(3)), (second, 200, users(2))], 100, 5),
        (vec![(first, 404, absent()), (second, 200, users(2))], 100, 2),
        // Enough to know that it is too many.
        (vec![(first, 200, users(3))], 2, 3),
    ] {
        let counted = ask(script, async |executor| executor.count_members(&groups, count_max).await).await;
        assert_eq!(counted.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_zone_that_a_list_shows_under_a_former_name_is_not_the_one_that_is_named() {
    let zone = |name: &str| json!({ "id": "nzo1", "name": name, "type": "IP", "usage": "BLOCKLIST" });
    let script =
        vec![("GET /zones", 200, json!([zone("Blocked")])), ("GET /zones/nzo1", 200, zone("Trusted"))];
    let parameters = json!({ "zone": "Blocked", "ip": "198.51.100.1" });
    assert_eq!(code("zone.block_ip", parameters, script).await, "zone_not_found");
}

#[tokio::test]
async fn all_apps_of_a_label_are_found_and_none_that_only_begins_so() {
    let app = |id: &str, label: &str| json!({ "id": id, "label": label });
    let listed = "GET /apps?q=Payroll&limit=200";
    let several = json!([app("0oa1", "Payroll"), app("0oa2", "Payroll EU"), app("0oa3", "Payroll")]);
    for (name, script, expected) in [
        ("Payroll", vec![(listed, 200, several)], vec!["0oa1", "0oa3"]),
        ("Payroll", vec![(listed, 200, json!([]))], vec![]),
        ("0oa1", vec![("GET /apps/0oa1", 200, app("0oa1", "Payroll"))], vec!["0oa1"]),
        (
            "0oa9",
            vec![("GET /apps/0oa9", 404, absent()), ("GET /apps?q=0oa9&limit=200", 200, json!([]))],
            vec![],
        ),
    ] {
        let found = ask(script, async |executor| executor.find_apps(name).await).await.unwrap();
        assert!(found.iter().eq(expected.iter()), "{name}: {found:?}");
    }
}
