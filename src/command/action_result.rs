//! The result of executing a request at Okta, before it becomes an outcome.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::{OutcomeError, OutcomeValue, execute::PartsProgress};

/// The request succeeded.
#[derive(Debug)]
pub struct ActionSuccess {
    /// How it succeeded.
    pub kind: SuccessKind,
    /// The result, without secrets.
    pub result: OutcomeValue,
    /// Secrets in the result: shown only if the command asks for them, the policy allows it, and the reply address is
    /// private.
    pub revealed: Vec<RevealedSecret>,
    /// The state before the command, for example `{"status": "ACTIVE"}`.
    pub before: Option<Value>,
    /// The state after it.
    pub after: Option<Value>,
    /// Okta's id of the last request that changed something.
    pub okta_request_id: Option<String>,
}

/// How a request succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessKind {
    /// It was executed.
    Done,
    /// Okta was in the desired state already.
    Already,
    /// It was a dry run: `result` has the requests that would be sent.
    DryRun,
}

/// A secret in the result of an action.
#[derive(Debug)]
pub struct RevealedSecret {
    /// Its name in the result: `temporary_password`, `activation_url`, `reset_password_url`.
    pub name: &'static str,
    /// The secret.
    pub secret: SecretString,
}

/// The request failed.
#[derive(Debug)]
pub struct ActionFailure {
    /// The error, for the outcome.
    pub error: OutcomeError,
    /// The results of the parts, if a command has several; `null` otherwise.
    pub result: Value,
    /// When a retry makes sense, if it does: Okta is unreachable, throttles, or has not finished an earlier change.
    pub retry_after: Option<Duration>,
    /// Whether something was sent that Okta may have executed.
    pub has_sent: bool,
    /// How far the parts are, if the command has several.
    pub progress: Box<PartsProgress>,
    /// The state before the command.
    pub before: Option<Value>,
    /// Okta's id of the request that failed.
    pub okta_request_id: Option<String>,
}
