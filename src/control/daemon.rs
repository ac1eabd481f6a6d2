//! `GET /daemon`: the version and process id of the daemon.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};

use super::{ControlContext, lines};

/// The daemon that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
}

pub(super) async fn show(State(_): State<Arc<ControlContext>>) -> Response {
    lines::one(&Daemon { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() })
}
