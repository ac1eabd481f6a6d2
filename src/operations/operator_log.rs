//! The file in which is kept what operators did to routes: one JSON object a line, only ever appended to, readable by its owner alone.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{Operator, RouteReset};
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
    /// Where the route is to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
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
        self.append(decision, route, None, by).await
    }

    /// The same of a decision about where the route is to begin.
    pub(crate) async fn keep_reset(
        &self,
        decision: &'static str,
        RouteReset { route, to, by }: &RouteReset,
    ) -> Result<(), AuditError> {
        self.append(decision, route, Some(*to), by).await
    }

    async fn append(
        &self,
        decision: &'static str,
        route: &str,
        to: Option<Timestamp>,
        by: &Operator,
    ) -> Result<(), AuditError> {
        let (at, requested_by, reason) = (Timestamp::now(), by.name.as_str(), by.reason.as_deref());
        let decision = Decision { at, decision, route, to, requested_by, reason };
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
