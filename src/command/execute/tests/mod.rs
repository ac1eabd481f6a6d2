//! What each action asks of Okta, by conversations with an org that answers as the test says.

mod custom_role;
mod doubt;
mod foreign;
mod names;
mod org;
mod prompt;
mod renamed;
mod sent;
mod slow;
mod stale;
mod table;
mod taken_back;

use serde_json::{Value, json};

/// Ada, of this status.
fn ada(status: &str) -> Value {
    json!({
        "id": "00u1",
        "status": status,
        "created": "2026-01-01T00:00:00.000Z",
        "statusChanged": "2026-01-01T00:00:00.000Z",
        "passwordChanged": "2026-01-01T00:00:00.000Z",
        "profile": { "login": "ada@acme.com", "title": "Countess" },
    })
}

/// Ada, of this status, with one more member changed.
fn ada_with(status: &str, name: &str, value: &str) -> Value {
    let mut ada = ada(status);
    ada[name] = json!(value);
    ada
}

/// The group of all staff.
fn staff() -> Value {
    json!({ "id": "00g1", "type": "OKTA_GROUP", "profile": { "name": "Staff", "description": "All" } })
}

/// There is no such thing.
fn absent() -> Value {
    json!({ "errorCode": "E0000007", "errorSummary": "Not found: Resource not found" })
}

/// Okta says that something went wrong, whatever it did.
fn internal() -> Value {
    json!({ "errorCode": "E0000009", "errorSummary": "Internal Server Error" })
}
