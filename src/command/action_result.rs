//! What carrying out a request at Okta came to, before it becomes an outcome.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::{OutcomeError, OutcomeValue};

/// It ended well.
#[derive(Debug)]
pub struct ActionSuccess {
    /// In which way.
    pub kind: SuccessKind,
    /// What it brought, without secrets.
    pub result: OutcomeValue,
    /// Secrets that it brought: shown only where the command asks, policy allows and the reply is private.
    pub revealed: Vec<RevealedSecret>,
    /// What concerns the command, before it: `{"status": "ACTIVE"}`, for example.
    pub before: Option<Value>,
    /// The same, after it.
    pub after: Option<Value>,
    /// Okta's id of the last request that changed something.
    pub okta_request_id: Option<String>,
}

/// In which way a request ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessKind {
    /// It was done.
    Done,
    /// Okta was like that already.
    Already,
    /// It would have been done: `result` says which requests would be sent.
    DryRun,
}

/// A secret that an action brought.
#[derive(Debug)]
pub struct RevealedSecret {
    /// Its name in the result: `temporary_password`, `activation_url`, `reset_password_url`.
    pub name: &'static str,
    /// The secret.
    pub secret: SecretString,
}

/// It did not end well.
#[derive(Debug)]
pub struct ActionFailure {
    /// Why, for the outcome.
    pub error: OutcomeError,
    /// What came of each part, where a command has several; `null` otherwise.
    pub result: Value,
    /// When it may be tried again, if trying again can help: Okta is away, throttles, or is still at work on the user.
    pub retry_after: Option<Duration>,
    /// Whether something was sent that Okta may have taken.
    pub has_sent: bool,
    /// What concerns the command, before it.
    pub before: Option<Value>,
    /// Okta's id of the request that failed.
    pub okta_request_id: Option<String>,
}
