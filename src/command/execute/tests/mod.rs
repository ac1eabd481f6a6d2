//! The requests of each action to Okta, as conversations with a scripted org.

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

/// Ada with this status.
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

/// Ada with this status and one more member changed.
fn ada_with(status: &str, name: &str, value: &str) -> Value {
    let mut ada = ada(status);
    ada[name] = json!(value);
    ada
}

/// The group of all staff.
fn staff() -> Value {
    json!({ "id": "00g1", "type": "OKTA_GROUP", "profile": { "name": "Staff", "description": "All" } })
}

/// Okta's answer for an unknown object.
fn absent() -> Value {
    json!({ "errorCode": "E0000007", "errorSummary": "Not found: Resource not found" })
}

/// Okta's internal error, whatever it did.
fn internal() -> Value {
    json!({ "errorCode": "E0000009", "errorSummary": "Internal Server Error" })
}
