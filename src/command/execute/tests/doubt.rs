//! What is in doubt is looked for before it is done again, and what cannot be taken back is never done in doubt.

use serde_json::{Value, json};

use super::{
    absent, ada, ada_with, internal,
    org::{Command, Exchange},
    staff,
};
use crate::command::Way;

const ADA: &str = "GET /users/00u1";
const BY_LOGIN: &str = "GET /users/ada@acme.com";
const DELETE: &str = "DELETE /users/00u1?sendEmail=false";
const DEACTIVATE: &str = "POST /users/00u1/lifecycle/deactivate?sendEmail=false";
const SUSPEND: &str = "POST /users/00u1/lifecycle/suspend";
const CREATE: &str = r#"POST /users?activate=true {"profile":{"login":"ada@acme.com"}}"#;
/// Some time before Ada was made.
const EARLIER: &str = "2025-12-31T23:59:00Z";
/// Some time after.
const LATER: &str = "2026-02-01T00:00:00Z";

fn suspend() -> Command {
    Command::new("user.suspend", json!({ "user": "00u1" }))
}

fn delete() -> Command {
    Command::new("user.delete", json!({ "user": "00u1" }))
}

fn delete_both() -> Command {
    Command::new("user.delete", json!({ "user": "00u1", "deactivate_first": true }))
}

fn create() -> Command {
    Command::new("user.create", json!({ "profile": { "login": "ada@acme.com" } }))
}

async fn way(command: Command, script: Vec<Exchange>) -> Way {
    command.run(script).await.unwrap().way
}

async fn code(command: Command, script: Vec<Exchange>) -> String {
    command.run(script).await.unwrap_err().error.code
}

#[tokio::test]
async fn a_lost_answer_is_no_reason_to_do_it_twice() {
    let (active, suspended) = (|| (ADA, 200, ada("ACTIVE")), || (ADA, 200, ada("SUSPENDED")));
    let lost = vec![active(), active(), (SUSPEND, 500, internal()), suspended()];
    assert_eq!(way(suspend(), lost).await, Way::Done);
    let not_done = vec![
        active(),
        active(),
        (SUSPEND, 503, Value::Null),
        active(),
        (SUSPEND, 200, json!({})),
        suspended(),
    ];
    assert_eq!(way(suspend(), not_done).await, Way::Done);
    // It is ours even though the status is not any more what the command expects.
    let expecting = suspend().expecting(json!({ "status": ["ACTIVE"] }));
    let lost = vec![active(), active(), (SUSPEND, 500, internal()), suspended()];
    assert_eq!(way(expecting, lost).await, Way::Done);
    let unreadable = vec![active(), active(), (SUSPEND, 200, Value::from("{")), suspended()];
    assert_eq!(way(suspend(), unreadable).await, Way::Done);
}

#[tokio::test]
async fn a_later_attempt_knows_what_a_former_one_did() {
    let twice = || vec![(ADA, 200, ada("SUSPENDED")), (ADA, 200, ada("SUSPENDED"))];
    assert_eq!(way(suspend().again(EARLIER), twice()).await, Way::Done);
    assert_eq!(way(suspend().again(LATER), twice()).await, Way::Already);
    let expect = json!({ "status": ["ACTIVE"] });
    assert_eq!(way(suspend().again(EARLIER).expecting(expect.clone()), twice()).await, Way::Done);
    assert_eq!(code(suspend().expecting(expect), twice()).await, "expectation_failed");
}

#[tokio::test]
async fn only_the_deprovisioned_are_deleted() {
    for status in ["ACTIVE", "STAGED", "SUSPENDED", "SOMETHING_NEW"] {
        let script = vec![(ADA, 200, ada(status)), (ADA, 200, ada(status))];
        assert_eq!(code(delete(), script).await, "wrong_status", "{status}");
    }
    assert_eq!(code(delete(), vec![(ADA, 404, absent())]).await, "user_not_found");
    assert_eq!(code(delete().again(EARLIER), vec![(ADA, 404, absent())]).await, "user_not_found");
}

#[tokio::test]
async fn a_deletion_in_doubt_is_looked_at_before_it_goes_on() {
    let (active, deprovisioned) = (|| (ADA, 200, ada("ACTIVE")), || (ADA, 200, ada("DEPROVISIONED")));
    let gone = || (ADA, 404, absent());
    let lost = vec![deprovisioned(), deprovisioned(), (DELETE, 500, internal()), gone()];
    assert_eq!(way(delete(), lost).await, Way::Done);
    // Deactivated, not deleted: the second call must not come from a blind repetition of the first.
    let lost_first = vec![
        active(),
        active(),
        (DEACTIVATE, 500, internal()),
        deprovisioned(),
        (DELETE, 500, internal()),
        gone(),
    ];
    let expecting = delete_both().expecting(json!({ "status": ["ACTIVE"] }));
    assert_eq!(way(expecting, lost_first).await, Way::Done);
    // Somebody takes the user back between the steps.
    let taken_back = vec![deprovisioned(), deprovisioned(), (DELETE, 500, internal()), active()];
    assert_eq!(code(delete(), taken_back).await, "wrong_status");
    // The user whom a former attempt saw is gone.
    let seen = vec![deprovisioned(), gone()];
    assert_eq!(way(delete().again(EARLIER), seen).await, Way::Done);
}

#[tokio::test]
async fn expectations_are_looked_at_before_each_step_of_a_deletion() {
    let expect = json!({ "status": ["ACTIVE"], "profile": { "title": "Countess" } });
    let mut other = ada("DEPROVISIONED");
    other["profile"]["title"] = json!("Dr");
    let first = vec![(ADA, 200, ada("SUSPENDED")), (ADA, 200, ada("SUSPENDED"))];
    assert_eq!(code(delete_both().expecting(expect.clone()), first).await, "expectation_failed");
    let second = vec![
        (ADA, 200, ada("ACTIVE")),
        (ADA, 200, ada("ACTIVE")),
        (DEACTIVATE, 200, json!({})),
        (ADA, 200, other),
    ];
    assert_eq!(code(delete_both().expecting(expect), second).await, "expectation_failed");
}

#[tokio::test]
async fn a_user_in_doubt_is_found_by_the_login() {
    let none = || (BY_LOGIN, 404, absent());
    let found = || (BY_LOGIN, 200, ada("PROVISIONED"));
    let ada = || (ADA, 200, ada("PROVISIONED"));
    let young = || (ADA, 200, ada_with("PROVISIONED", "created", "2999-01-01T00:00:00Z"));
    let lost = vec![none(), none(), (CREATE, 500, internal()), found(), young()];
    assert_eq!(way(create(), lost).await, Way::Done);
    assert_eq!(way(create().again(EARLIER), vec![found(), found(), ada()]).await, Way::Done);
    assert_eq!(code(create().again(LATER), vec![found(), found(), ada()]).await, "already_exists");
    assert_eq!(code(create(), vec![found(), found(), ada()]).await, "already_exists");
    // Somebody with the same login was there before the answer was lost.
    let other = vec![none(), none(), (CREATE, 500, internal()), found(), ada()];
    assert_eq!(code(create(), other).await, "already_exists");
    let refused = json!({ "errorCode": "E0000001", "errorSummary": "Api validation failed: login" });
    let raced = vec![none(), none(), (CREATE, 400, refused.clone()), found(), ada()];
    assert_eq!(code(create(), raced).await, "already_exists");
    assert_eq!(code(create(), vec![none(), none(), (CREATE, 400, refused), none()]).await, "okta_refused");
}

#[tokio::test]
async fn of_several_memberships_each_is_told() {
    let command = Command::new("group.add_user", json!({ "users": ["00u1"], "groups": ["00g1", "00g2"] }));
    let second = json!({ "id": "00g2", "type": "APP_GROUP", "profile": { "name": "App" } });
    let forbidden = json!({ "errorCode": "E0000006", "errorSummary": "no" });
    let script = vec![
        (ADA, 200, ada("ACTIVE")),
        ("GET /groups/00g1", 200, staff()),
        ("GET /groups/00g2", 200, second),
        ("GET /users/00u1/groups", 200, json!([])),
        ("PUT /groups/00g1/users/00u1", 500, internal()),
        ("GET /users/00u1/groups", 200, json!([staff()])),
        ("PUT /groups/00g2/users/00u1", 403, forbidden),
    ];
    let failed = command.run(script).await.unwrap_err();
    assert_eq!(failed.error.code, "not_permitted");
    assert!(failed.error.message.starts_with("1 of 2 failed"), "{}", failed.error.message);
    let parts = failed.result["memberships"].as_array().unwrap();
    let statuses: Vec<_> = parts.iter().map(|part| part["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["done", "failed"]);
}

#[tokio::test]
async fn a_password_is_not_set_again_if_a_former_attempt_did() {
    let command =
        || Command::new("user.set_password", json!({ "user": "00u1", "password": "p", "temporary": true }));
    let expire = "POST /users/00u1/lifecycle/expire_password";
    let script = vec![
        (ADA, 200, ada("ACTIVE")),
        (ADA, 200, ada("ACTIVE")),
        (expire, 500, internal()),
        (ADA, 200, ada("PASSWORD_EXPIRED")),
        (ADA, 200, ada("PASSWORD_EXPIRED")),
    ];
    assert_eq!(way(command().again(EARLIER), script).await, Way::Done);
}
