//! A command that is executed right after its user was found does not read the user again if one read is enough.

use serde_json::{Value, json};

use super::{
    ada, ada_with, internal,
    org::{Command, Exchange},
};
use crate::command::SuccessKind;

const FOUND: &str = "GET /users/ada@acme.com";
const ADA: &str = "GET /users/00u1";
const SUSPEND: &str = "POST /users/00u1/lifecycle/suspend";
const EARLIER: &str = "2025-12-31T23:59:00Z";

fn prompt(action: &'static str) -> Command {
    Command::new(action, json!({ "user": "ada@acme.com" })).prompt()
}

fn suspend() -> Command {
    prompt("user.suspend")
}

async fn way(command: Command, script: Vec<Exchange>) -> SuccessKind {
    command.run(script).await.unwrap().kind
}

#[tokio::test]
async fn one_look_before_is_enough() {
    let suspended = || ada("SUSPENDED");
    let script = vec![(FOUND, 200, ada("ACTIVE")), (SUSPEND, 200, json!({})), (ADA, 200, suspended())];
    assert_eq!(way(suspend(), script).await, SuccessKind::Done);
    assert_eq!(way(suspend(), vec![(FOUND, 200, suspended())]).await, SuccessKind::Already);
    assert_eq!(way(prompt("user.get"), vec![(FOUND, 200, suspended())]).await, SuccessKind::Done);
}

#[tokio::test]
async fn what_is_in_doubt_is_looked_at_anew() {
    let script = vec![(FOUND, 200, ada("ACTIVE")), (SUSPEND, 500, internal()), (ADA, 200, ada("SUSPENDED"))];
    assert_eq!(way(suspend(), script).await, SuccessKind::Done);
    let second = vec![(FOUND, 200, ada("SUSPENDED")), (ADA, 200, ada("SUSPENDED"))];
    assert_eq!(way(suspend().again(EARLIER), second).await, SuccessKind::Done);
}

#[tokio::test]
async fn whom_okta_is_at_work_on_is_looked_at_anew() {
    let changing = ada_with("STAGED", "transitioningToStatus", "ACTIVE");
    let script = vec![
        (FOUND, 200, changing),
        (ADA, 200, ada("ACTIVE")),
        (SUSPEND, 200, json!({})),
        (ADA, 200, ada("SUSPENDED")),
    ];
    assert_eq!(way(suspend(), script).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_deletion_looks_right_before_it() {
    let gone = || ada("DEPROVISIONED");
    let script = vec![
        (FOUND, 200, gone()),
        (ADA, 200, gone()),
        ("DELETE /users/00u1?sendEmail=false", 204, Value::Null),
        (ADA, 404, super::absent()),
    ];
    assert_eq!(way(prompt("user.delete"), script).await, SuccessKind::Done);
}
