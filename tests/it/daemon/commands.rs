//! What a user is told of commands before any is sent: schemas, signatures and what a configuration allows.

use std::{fs, process::Command};

use bytes::Bytes;
use jiff::Timestamp;
use oktabus::{
    command::{message::decode, policy::Signatures},
    config::Config,
};
use serde_json::{Value, json};

use super::TO_FILES;
use crate::support::{daemon::Workplace, judges::messages::messages_judge, okta::Okta};

const GOOD: &str = include_str!("../../fixtures/commands/good.jsonl");
const BAD: &str = include_str!("../../fixtures/commands/bad.jsonl");
const DOCUMENTATION: &str = include_str!("../../../docs/commands.md");

/// What an approval does not have.
const NO_APPROVALS: [(&str, &str); 5] = [
    ("parameters", r#"{"command": "c-1"}"#),
    ("parameters", r#"{"command": "c-1", "fingerprint": "v1:0", "user": "ada"}"#),
    ("not_before", r#""2026-11-25T09:00:00Z""#),
    ("dry_run", "true"),
    ("expect", r#"{"status": ["ACTIVE"]}"#),
];

const COMMANDS: &str = r#"
[commands.provisioning]
org = "acme"
outcomes = { sink = "files" }
allow = ["user.*"]
protect = { groups = ["Administrators"] }
limits = { "user.deactivate" = "50/10m" }
"#;
const KEYS: &str = r#"
[commands.provisioning.signature]
keys.hr = { algorithm = "ed25519", public_key_file = "{dir}/hr.pub" }
keys.portal = { algorithm = "hmac-sha256", secret_file = "{dir}/portal.secret" }
"#;

async fn schema(workplace: &Workplace, what: &str) -> String {
    let said = workplace.oktabus(&["schema", "--what", what]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let path = workplace.path(&format!("{what}.json"));
    fs::write(&path, &said.stdout).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_schema_takes_every_action_and_refuses_what_oktabus_refuses() {
    let workplace = Workplace::with_orgs("nothing = \"that can be loaded\"\n");
    let path = schema(&workplace, "commands").await;
    let approval = json!({
        "id": "a-1", "action": "command.approve", "parameters": { "command": "c-1", "fingerprint": "v1:0" }, "dry_run": false,
    });
    let good = GOOD.lines().count() + 1;
    let all = format!("{}\n{approval}\n", GOOD.trim_end());
    assert_eq!(messages_judge(&["schema", &path], &all).await, [json!({ "valid": good })]);
    let bad: Vec<_> = BAD
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["command"].take())
        .chain(NO_APPROVALS.map(|(member, value)| {
            let mut wrong = approval.clone();
            wrong[member] = serde_json::from_str(value).unwrap();
            wrong
        }))
        .map(|command| command.to_string() + "\n")
        .collect();
    let refused = messages_judge(&["refuses", &path], &bad.concat()).await;
    assert_eq!(refused, [json!({ "refused": bad.len() })]);
}

#[tokio::test]
async fn the_schema_of_outcomes_takes_what_is_published() {
    let workplace = Workplace::with_orgs("");
    let path = schema(&workplace, "outcomes").await;
    let error = json!({ "code": "user_not_found", "message": "there is no such user", "remedy": null });
    let mut outcomes = String::new();
    for status in ["done", "already", "refused", "failed", "expired", "dry_run"] {
        for error in [json!(null), error.clone()] {
            let at = "2026-11-25T09:00:00Z";
            let outcome = json!({
                "command_id": "c-1", "action": "user.get", "status": status, "repeated": false, "result": {},
                "error": error, "okta_request_id": null, "before": { "status": "ACTIVE" }, "after": null,
                "attempts": 1, "received_at": at, "finished_at": at,
            });
            let read: oktabus::command::Outcome = serde_json::from_value(outcome).unwrap();
            outcomes += &format!("{}\n", serde_json::to_string(&read).unwrap());
        }
    }
    assert_eq!(messages_judge(&["schema", &path], &outcomes).await, [json!({ "valid": 12 })]);
    let wrong = outcomes.lines().next().unwrap().replace("done", "finished");
    assert_eq!(messages_judge(&["refuses", &path], &wrong).await, [json!({ "refused": 1 })]);
}

/// The examples of the documentation, run by a shell: what OpenSSL signs is verified.
#[tokio::test]
async fn what_openssl_signs_as_documented_is_good() {
    let workplace = Workplace::with_orgs("");
    let command =
        "{\"id\": \"c-1\",\n \"action\": \"user.get\", \"parameters\": {\"user\": \"ada@acme.com\"}}\n";
    fs::write(workplace.path("command.json"), command).unwrap();
    let examples = DOCUMENTATION.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let headers: Vec<_> = examples
        .filter(|example| example.contains("oktabus-signature"))
        .map(|example| {
            let directory = workplace.path("");
            let run = Command::new("sh").args(["-ec", example]).current_dir(directory).output().unwrap();
            assert!(run.status.success(), "{example}\n{}", String::from_utf8_lossy(&run.stderr));
            let header = String::from_utf8(run.stdout).unwrap();
            let (name, value) = header.trim_end().split_once(": ").unwrap();
            vec![(name.to_owned(), Bytes::from(value.to_owned()))]
        })
        .collect();
    workplace.configure(&format!(
        "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n{TO_FILES}{COMMANDS}{KEYS}"
    ));
    let config = Config::load(&workplace.path("oktabus.toml")).unwrap();
    let commands = &config.commands["provisioning"];
    let signatures = Signatures::read(commands).unwrap();
    let signed_by: Vec<_> = headers
        .iter()
        .map(|headers| {
            let tampered = signatures.verify(command.trim_end().as_bytes(), headers);
            assert_eq!(tampered.unwrap_err().error.code, "bad_signature");
            let verified = signatures.verify(command.as_bytes(), headers).unwrap();
            verified.require_fresh(Timestamp::now()).unwrap();
            verified.require_covers(&decode(&Bytes::from(command), headers, None).unwrap()).unwrap();
            verified.key().unwrap().to_string()
        })
        .collect();
    assert_eq!(signed_by, ["hr", "portal"]);
}

#[tokio::test]
async fn a_check_tells_what_commands_may_do() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, &format!("{TO_FILES}{COMMANDS}"));
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    for told in [
        "1 set(s) of commands",
        "reads no queue: it is for the command line",
        "allows user.*: 24 action(s)",
        "protects the group Administrators with its members",
        "stops at 50 user.deactivate in 10m",
    ] {
        assert!(said.stdout.contains(told), "{told}\n{}", said.stdout);
    }
}
