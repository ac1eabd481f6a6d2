//! What answers in Okta's place is not believed: a proxy, for example, which gives success to a request that Okta never got.

use serde_json::{Value, json};

use super::{
    ada, ada_with,
    org::{Command, Exchange},
    staff,
};
use crate::command::{ActionFailure, SuccessKind};

const ADA: &str = "GET /users/00u1";
const APP: &str = "GET /apps/0oa1";
const ASSIGNMENT: &str = "GET /apps/0oa1/users/00u1";
const UNASSIGN: &str = "DELETE /apps/0oa1/users/00u1";
const LOG: &str = "GET /logs?since=…";

fn active() -> Exchange {
    (ADA, 200, ada("ACTIVE"))
}

fn app() -> Exchange {
    (APP, 200, json!({ "id": "0oa1" }))
}

async fn way(command: Command, script: Vec<Exchange>) -> SuccessKind {
    command.run(script).await.unwrap().kind
}

async fn failure(command: Command, script: Vec<Exchange>) -> ActionFailure {
    command.run(script).await.unwrap_err()
}

fn assert_unshown(failed: &ActionFailure) {
    assert_eq!(failed.error.code, "unconfirmed", "{failed:?}");
    assert!(failed.error.message.contains("a proxy may have answered"), "{failed:?}");
}

#[tokio::test]
async fn an_assignment_that_is_still_there_is_taken_away_again_and_never_told_as_done() {
    let command = || Command::new("app.unassign_user", json!({ "app": "0oa1", "user": "00u1" }));
    let own = || (ASSIGNMENT, 200, json!({ "id": "00u1", "scope": "USER" }));
    let none = || (ASSIGNMENT, 404, super::absent());
    let log = |events: Value| (LOG, 200, events);
    for (status, answer) in [(204, Value::Null), (200, Value::Null), (200, json!({}))] {
        let foreign = || vec![(UNASSIGN, status, answer.clone()), own()];
        let begun = || vec![active(), app(), own()];
        let again = || [vec![own()], vec![log(json!([])); 5]].concat();
        // The second time Okta gets it.
        let second = [begun(), foreign(), again(), vec![(UNASSIGN, 204, Value::Null), none()]].concat();
        assert_eq!(way(command(), second).await, SuccessKind::Done, "{status} {answer}");
        // It was late.
        let late = [begun(), foreign(), vec![none()]].concat();
        assert_eq!(way(command(), late).await, SuccessKind::Done, "{status} {answer}");
    }
    // It was done, and somebody has given it back.
    let given_back = vec![
        active(),
        app(),
        own(),
        (UNASSIGN, 204, Value::Null),
        own(),
        own(),
        log(json!([{ "uuid": "1" }])),
    ];
    assert_eq!(failure(command(), given_back).await.error.code, "changed_meanwhile");
}

#[tokio::test]
async fn an_assignment_that_never_goes_is_unconfirmed_and_tried_at_another_attempt() {
    let command = Command::new("app.unassign_user", json!({ "app": "0oa1", "user": "00u1" }));
    let own = || (ASSIGNMENT, 200, json!({ "id": "00u1", "scope": "USER" }));
    // A credential that may not read the log sees none.
    let no_log = || (LOG, 403, json!({ "errorCode": "E0000006", "errorSummary": "no" }));
    let first = vec![active(), app(), own(), (UNASSIGN, 204, Value::Null), own()];
    let round = || vec![own(), no_log(), (UNASSIGN, 204, Value::Null), own()];
    let failed = failure(command, [first, round(), round(), round()].concat()).await;
    assert_unshown(&failed);
    assert!(failed.retry_after.is_some(), "{failed:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_the_object_is_a_lost_one() {
    for foreign in [json!({}), json!({ "id": "x" }), json!([])] {
        let create = r#"POST /groups {"profile":{"name":"Staff"}}"#;
        let named = "GET /groups?search=…";
        let found = || vec![(named, 200, json!([staff()])), ("GET /groups/00g1", 200, staff())];
        let command = || Command::new("group.update", json!({ "group": "00g1", "description": "New" }));
        let mut new = staff();
        new["profile"]["description"] = json!("New");
        let update = "PUT /groups/00g1 …";
        let group = |group: Value| ("GET /groups/00g1", 200, group);
        let script = vec![group(staff()), group(staff()), (update, 200, foreign.clone()), group(new)];
        assert_eq!(way(command(), script).await, SuccessKind::Done, "{foreign}");
        if foreign.get("id").is_none() {
            let command = Command::new("group.create", json!({ "name": "Staff" }));
            let none = || (named, 200, json!([]));
            let script = [vec![none(), none(), (create, 200, foreign.clone())], found()].concat();
            let came_of = command.run(script).await;
            // It may be somebody else's, but is not told without its id.
            assert!(
                came_of.as_ref().map_or(true, |done| done.result["group"]["id"] == "00g1"),
                "{came_of:?}"
            );
        }
        let assign = r#"POST /apps/0oa1/users {"id":"00u1","profile":{},"scope":"USER"}"#;
        let command = Command::new("app.assign_user", json!({ "app": "0oa1", "user": "00u1" }));
        let none = || (ASSIGNMENT, 404, super::absent());
        let own = || (ASSIGNMENT, 200, json!({ "id": "00u1", "scope": "USER" }));
        let script = vec![active(), app(), none(), (assign, 200, foreign.clone()), own()];
        assert_eq!(way(command, script).await, SuccessKind::Done, "{foreign}");
        let assign = "PUT /apps/0oa1/groups/00g1 {}";
        let command = Command::new("app.assign_group", json!({ "app": "0oa1", "group": "00g1" }));
        let held = "GET /apps/0oa1/groups/00g1";
        let script = vec![
            group(staff()),
            app(),
            (held, 404, super::absent()),
            (assign, 200, foreign.clone()),
            (held, 200, json!({ "id": "00g1" })),
        ];
        assert_eq!(way(command, script).await, SuccessKind::Done, "{foreign}");
        let set = r#"POST /users/00u1 {"credentials":{"password":{"value":"s3cret"}}}"#;
        let command = Command::new("user.set_password", json!({ "user": "00u1", "password": "s3cret" }));
        let script = vec![
            active(),
            active(),
            (set, 200, foreign.clone()),
            active(),
            (set, 200, ada("ACTIVE")),
            active(),
        ];
        assert_eq!(way(command, script).await, SuccessKind::Done, "{foreign}");
    }
}

#[tokio::test]
async fn a_link_or_a_password_that_is_not_in_the_answer_was_not_made() {
    for (action, status, more, sent, member) in [
        (
            "user.reactivate",
            "PROVISIONED",
            json!({}),
            "POST /users/00u1/lifecycle/reactivate?sendEmail=false",
            "activationUrl",
        ),
        (
            "user.forgot_password",
            "ACTIVE",
            json!({ "send_email": false }),
            "POST /users/00u1/credentials/forgot_password?sendEmail=false",
            "resetPasswordUrl",
        ),
        (
            "user.reset_password",
            "ACTIVE",
            json!({ "send_email": false }),
            "POST /users/00u1/lifecycle/reset_password?sendEmail=false&revokeSessions=false",
            "resetPasswordUrl",
        ),
        (
            "user.expire_password",
            "PASSWORD_EXPIRED",
            json!({ "temporary_password": true }),
            "POST /users/00u1/lifecycle/expire_password_with_temp_password?revokeSessions=false",
            "tempPassword",
        ),
    ] {
        let mut parameters = more;
        parameters["user"] = json!("00u1");
        let now = || (ADA, 200, ada(status));
        let told = json!({ member: "told once" });
        let script = vec![now(), now(), (sent, 200, json!({})), now(), (sent, 200, told), now()];
        let done = Command::new(action, parameters).run(script).await.unwrap();
        assert_eq!((done.kind, done.revealed.len()), (SuccessKind::Done, 1), "{action}");
    }
}

#[tokio::test]
async fn a_temporary_password_that_has_not_expired_is_not_told_as_such() {
    let set = r#"POST /users/00u1 {"credentials":{"password":{"value":"s3cret"}}}"#;
    let parameters = json!({ "user": "00u1", "password": "s3cret", "temporary": true });
    let expire = ("POST /users/00u1/lifecycle/expire_password", 200, json!({}));
    let script = vec![active(), active(), (set, 200, ada("ACTIVE")), active(), expire, active()];
    assert_unshown(&failure(Command::new("user.set_password", parameters), script).await);
}

#[tokio::test]
async fn whom_somebody_has_activated_since_the_first_step_is_not_deleted() {
    let delete = Command::new("user.delete", json!({ "user": "00u1", "deactivate_first": true }));
    let anew = (ADA, 200, ada_with("ACTIVE", "statusChanged", "2999-01-01T00:00:00Z"));
    let deactivate = ("POST /users/00u1/lifecycle/deactivate?sendEmail=false", 200, json!({}));
    let script = vec![active(), active(), deactivate, anew];
    assert_eq!(failure(delete, script).await.error.code, "expectation_failed");
}

#[tokio::test]
async fn roles_and_factors_that_are_as_before_were_not_changed_by_somebody_else() {
    let role = || ("GET /users/00u1/roles", 200, json!([{ "id": "r1", "type": "HELP_DESK_ADMIN" }]));
    let unassign = || ("DELETE /users/00u1/roles/r1", 204, Value::Null);
    let command = Command::new("role.unassign_user", json!({ "user": "00u1", "role": "HELP_DESK_ADMIN" }));
    let rounds = vec![[role(), unassign()]; 4].concat();
    let failed = failure(command, [vec![active(), active()], rounds].concat()).await;
    assert_unshown(&failed);
    assert!(failed.retry_after.is_some(), "{failed:?}");
    let list = || ("GET /users/00u1/factors", 200, json!([{ "id": "f1" }]));
    let reset = || ("POST /users/00u1/lifecycle/reset_factors", 200, json!({}));
    let command = Command::new("user.reset_factors", json!({ "user": "00u1" }));
    let rounds = vec![[list(), reset(), list()]; 4].concat();
    assert_unshown(&failure(command, [vec![active(), active()], rounds].concat()).await);
}
