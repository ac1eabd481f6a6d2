//! Groups and zones that a command names by name, and that were renamed between their look-up and the change.

use serde_json::{Value, json};

use super::{
    absent, ada,
    org::{Command, Exchange},
    staff,
};
use crate::command::SuccessKind;

const ADA: &str = "GET /users/00u1";
const NAMED: &str = "GET /groups?search=profile.name+eq+%22Staff%22&limit=200";
const GROUP: &str = "GET /groups/00g1";

/// The group, found by its name.
fn found() -> Vec<Exchange> {
    vec![(NAMED, 200, json!([staff()])), (GROUP, 200, staff())]
}

/// The group, read again before the change.
fn renamed() -> Exchange {
    let mut group = staff();
    group["profile"]["name"] = json!("Administrators");
    (GROUP, 200, group)
}

/// The requests before the change, for each action that changes or uses a group.
fn cases() -> Vec<(&'static str, Value, Vec<Exchange>, Vec<Exchange>)> {
    let membership = || json!({ "user": "00u1", "group": "Staff" });
    let assignment = || json!({ "app": "0oa1", "group": "Staff" });
    let user = || vec![(ADA, 200, ada("ACTIVE"))];
    let app = || vec![("GET /apps/0oa1", 200, json!({ "id": "0oa1" }))];
    let no_user = || vec![("GET /users/new@acme.com", 404, absent())];
    let groups = |groups: Value| vec![("GET /users/00u1/groups", 200, groups)];
    let assigned = "GET /apps/0oa1/groups/00g1";
    let new = || json!({ "profile": { "login": "new@acme.com" }, "groups": ["Staff"] });
    vec![
        ("group.add_user", membership(), [user(), found()].concat(), groups(json!([]))),
        ("group.remove_user", membership(), [user(), found()].concat(), groups(json!([staff()]))),
        ("app.assign_group", assignment(), [found(), app()].concat(), vec![(assigned, 404, absent())]),
        ("app.unassign_group", assignment(), [found(), app()].concat(), vec![(assigned, 200, json!({}))]),
        ("user.create", new(), [no_user(), found()].concat(), no_user()),
        ("user.upsert", new(), [no_user(), found()].concat(), no_user()),
        ("group.update", json!({ "group": "Staff", "description": "x" }), found(), vec![]),
        ("group.delete", json!({ "group": "Staff" }), found(), vec![]),
    ]
}

#[tokio::test]
async fn a_group_that_has_another_name_by_the_time_of_the_act_is_not_the_one_that_was_named() {
    for (action, parameters, found, looked) in cases() {
        let script = [found.clone(), looked.clone(), vec![renamed()]].concat();
        let failed = Command::new(action, parameters.clone()).run(script).await.unwrap_err();
        assert_eq!(failed.error.code, "changed_meanwhile", "{action}");
        assert!(failed.error.message.contains("`Administrators`"), "{}", failed.error.message);
        let script = [found, looked, vec![(GROUP, 404, absent())]].concat();
        let gone = Command::new(action, parameters).run(script).await;
        match action {
            "group.delete" => assert_eq!(gone.unwrap().kind, SuccessKind::Already),
            _ => assert_eq!(gone.unwrap_err().error.code, "group_not_found", "{action}"),
        }
    }
}

#[tokio::test]
async fn a_group_that_was_found_a_moment_ago_is_not_looked_at_again() {
    let command = Command::new("group.add_user", json!({ "user": "00u1", "group": "Staff" })).prompt();
    let act = [("GET /users/00u1/groups", 200, json!([])), ("PUT /groups/00g1/users/00u1", 204, Value::Null)];
    let script = [vec![(ADA, 200, ada("ACTIVE"))], found(), act.to_vec()].concat();
    assert_eq!(command.run(script).await.unwrap().kind, SuccessKind::Done);
}

#[tokio::test]
async fn a_zone_that_has_another_name_by_the_time_of_the_act_is_not_the_one_that_was_named() {
    let zone = |name: &str| json!({ "id": "nzo1", "name": name, "type": "IP", "usage": "BLOCKLIST", "status": "ACTIVE" });
    let (listed, get) = ("GET /zones", "GET /zones/nzo1");
    for action in ["zone.block_ip", "zone.unblock_ip"] {
        let script =
            vec![(listed, 200, json!([zone("Bad")])), (get, 200, zone("Bad")), (get, 200, zone("Partners"))];
        let command = Command::new(action, json!({ "zone": "Bad", "ip": "198.51.100.1" }));
        assert_eq!(command.run(script).await.unwrap_err().error.code, "changed_meanwhile", "{action}");
    }
}
