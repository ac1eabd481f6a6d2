//! The file in which is kept what operators did to routes: one JSON object a line, only ever appended to, readable by its owner alone.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

use super::Operator;
use crate::{
    command::audit::{AuditError, AuditFile},
    telemetry::printable_json,
};

/// Its name in the directory of the state.
const NAME: &str = "operators.jsonl";

/// The file.
#[derive(Debug, Clone)]
pub struct OperatorLog(Arc<Mutex<AuditFile>>);

/// One decision.
#[derive(Debug, Serialize)]
struct Decision<'a> {
    at: Timestamp,
    decision: &'static str,
    route: &'a str,
    requested_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl OperatorLog {
    /// In the directory of the state.
    pub fn under(state: &std::path::Path) -> Self {
        let path: PathBuf = state.join(NAME);
        Self(Arc::new(Mutex::new(AuditFile::new(path))))
    }

    /// Keeps a decision, and returns when it is durable.
    pub(super) async fn keep(
        &self,
        decision: &'static str,
        route: &str,
        by: &Operator,
    ) -> Result<(), AuditError> {
        let Operator { name, reason } = by;
        let decision =
            Decision { at: Timestamp::now(), decision, route, requested_by: name, reason: reason.as_deref() };
        // Texts and a time can always be written.
        let line = serde_json::to_string(&decision).unwrap_or_default();
        let (file, line) = (Arc::clone(&self.0), printable_json(&line).into_owned());
        let writing = tokio::task::spawn_blocking(move || {
            file.lock().unwrap_or_else(PoisonError::into_inner).append(&[line])
        });
        // It is interrupted only if the runtime is going down.
        writing.await.unwrap_or(Ok(()))
    }
}
