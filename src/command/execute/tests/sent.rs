//! Executes the rows of the table of all actions: the requests, the results, and that nothing is sent if the desired
//! state exists.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    ada,
    org::{Command, Exchange},
    table::all,
};
use crate::command::{Action, Effect, SuccessKind};

const ADA: &str = "GET /users/00u1";

/// An action, the conversation, and its result: the kind of success, before and after.
pub(super) struct Row {
    pub(super) command: Command,
    pub(super) script: Vec<Exchange>,
    pub(super) kind: SuccessKind,
    pub(super) states: (Value, Value),
}

/// A row.
pub(super) fn row(
    action: &'static str,
    parameters: Value,
    script: Vec<Exchange>,
    kind: SuccessKind,
    states: (Value, Value),
) -> Row {
    Row { command: Command::new(action, parameters), script, kind, states }
}

/// A change of Ada's status: looked up, read, changed, read.
pub(super) fn life(action: &'static str, request: &'static str, from: &str, to: &str) -> [Row; 2] {
    let states = |from, to| (json!({ "status": from }), json!({ "status": to }));
    let parameters = || json!({ "user": "00u1" });
    let changed =
        vec![(ADA, 200, ada(from)), (ADA, 200, ada(from)), (request, 200, json!({})), (ADA, 200, ada(to))];
    let already = vec![(ADA, 200, ada(to)), (ADA, 200, ada(to))];
    [
        row(action, parameters(), changed, SuccessKind::Done, states(from, to)),
        row(action, parameters(), already, SuccessKind::Already, states(to, to)),
    ]
}

/// A change that is sent each time, as nothing shows whether it is done.
pub(super) fn each_time(
    action: &'static str,
    parameters: Value,
    status: &str,
    request: &'static str,
    answer: Value,
) -> Row {
    let states = (json!({ "status": status }), json!({ "status": status }));
    let ada = || ada(status);
    let script = vec![(ADA, 200, ada()), (ADA, 200, ada()), (request, 200, answer), (ADA, 200, ada())];
    row(action, parameters, script, SuccessKind::Done, states)
}

/// A read.
pub(super) fn look(action: &'static str, parameters: Value, script: Vec<Exchange>) -> Row {
    row(action, parameters, script, SuccessKind::Done, (Value::Null, Value::Null))
}

#[tokio::test]
async fn each_action_sends_what_okta_documents_and_only_if_it_is_needed() {
    let mut seen = BTreeSet::new();
    for Row { command, script, kind, states } in all() {
        let action = Action::named(command.action).unwrap();
        seen.insert(action);
        let sent: Vec<_> =
            script.iter().map(|(request, ..)| *request).filter(|r| !r.starts_with("GET")).collect();
        println!("{:22} {kind:?} {} -> {} | {}", action.name(), states.0, states.1, sent.join(", "));
        assert_eq!(
            sent.is_empty(),
            kind == SuccessKind::Already || action.effect() == Effect::Read,
            "{}",
            action.name()
        );
        let request_id = (!sent.is_empty()).then_some("req-1");
        let performed = command.run(script).await.unwrap();
        assert_eq!(performed.kind, kind, "{}", action.name());
        let found = (performed.before.unwrap_or_default(), performed.after.unwrap_or_default());
        assert_eq!(found, states, "{}", action.name());
        assert_eq!(performed.okta_request_id.as_deref(), request_id, "{}", action.name());
        assert!(!performed.result.to_string().contains("s3cret"), "{}", performed.result);
    }
    assert!(seen.into_iter().eq(Action::ALL.iter().copied().collect::<BTreeSet<_>>()));
}

#[tokio::test]
async fn in_a_dry_run_no_action_sends_anything_that_changes() {
    for Row { mut command, script, kind, .. } in all() {
        let action = Action::named(command.action).unwrap();
        let writes: Vec<_> =
            script.iter().map(|(request, ..)| *request).filter(|r| !r.starts_with("GET")).collect();
        // Reads after the first change are omitted, except in a deletion in two steps.
        let until =
            script.iter().position(|(request, ..)| !request.starts_with("GET")).unwrap_or(script.len());
        let mut looks = script[..until].to_vec();
        if writes.len() > 1 {
            looks.push((ADA, 200, ada("ACTIVE")));
        }
        command = command.dry();
        let performed = command.run(looks).await.unwrap();
        if kind == SuccessKind::Already || action.effect() == Effect::Read {
            assert_eq!(performed.kind, kind, "{}", action.name());
            continue;
        }
        assert_eq!(performed.kind, SuccessKind::DryRun, "{}", action.name());
        let requests = performed.result["requests"].as_array().unwrap();
        let shown = requests.iter().map(|request| {
            let path = request["path"].as_str().unwrap().trim_start_matches("/api/v1");
            format!("{} {path}", request["method"].as_str().unwrap())
        });
        let expected = writes.iter().map(|write| write.split(" {").next().unwrap().to_owned());
        assert!(shown.eq(expected), "{}: {requests:?}", action.name());
        assert!(!performed.result.to_string().contains("s3cret"));
    }
}

#[tokio::test]
async fn secrets_are_beside_the_result() {
    for (action, parameters, request, answer, name) in [
        (
            "user.activate",
            json!({ "user": "00u1", "send_email": false }),
            "POST /users/00u1/lifecycle/activate?sendEmail=false",
            json!({ "activationUrl": "s3cret", "activationToken": "s3cret" }),
            "activation_url",
        ),
        (
            "user.expire_password",
            json!({ "user": "00u1", "temporary_password": true }),
            "POST /users/00u1/lifecycle/expire_password_with_temp_password?revokeSessions=false",
            json!({ "tempPassword": "s3cret" }),
            "temporary_password",
        ),
        (
            "user.reset_password",
            json!({ "user": "00u1", "send_email": false }),
            "POST /users/00u1/lifecycle/reset_password?sendEmail=false&revokeSessions=false",
            json!({ "resetPasswordUrl": "s3cret" }),
            "reset_password_url",
        ),
        (
            "user.forgot_password",
            json!({ "user": "00u1", "send_email": false }),
            "POST /users/00u1/credentials/forgot_password?sendEmail=false",
            json!({ "resetPasswordUrl": "s3cret" }),
            "reset_password_url",
        ),
    ] {
        let status = if action == "user.activate" { "STAGED" } else { "ACTIVE" };
        let script = vec![
            (ADA, 200, ada(status)),
            (ADA, 200, ada(status)),
            (request, 200, answer),
            (ADA, 200, ada("ACTIVE")),
        ];
        let performed = Command::new(action, parameters).run(script).await.unwrap();
        let revealed: Vec<_> =
            performed.revealed.iter().map(|one| (one.name, one.secret.expose_secret())).collect();
        assert_eq!(revealed, [(name, "s3cret")], "{action}");
        assert!(!format!("{performed:?}").contains("s3cret"), "{action}");
    }
}
