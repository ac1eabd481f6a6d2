//! State, admin pages, logging and shutdown: what the process itself needs.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{
    AdminConfig, Problem,
    admin::{self, RawAdmin},
    quantity::Span,
    secret::Secrets,
};
use crate::telemetry::logging::LogStyle;

/// What the process itself needs.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// The durable state.
    pub state: StateConfig,
    /// The admin pages.
    pub admin: AdminConfig,
    /// Logging.
    pub log: LogConfig,
    /// How long a shutdown may take.
    pub shutdown_grace: Duration,
}

/// The durable state.
#[derive(Debug, Clone)]
pub struct StateConfig {
    /// The directory.
    pub path: PathBuf,
    /// The file by which a loss of the directory is noticed; in the directory unless set.
    pub witness: Option<PathBuf>,
}

/// Logging.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A level, or directives as in `info,oktabus=debug`.
    pub level: String,
    /// For programs or for people.
    pub style: LogStyle,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    path: Option<PathBuf>,
    witness: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    level: Option<String>,
    style: Option<LogStyle>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShutdown {
    grace: Option<Span>,
}

/// The NATS client logs what the sink already tells.
const DEFAULT_LEVEL: &str = "info,async_nats=warn";
const DEFAULT_GRACE: Duration = Duration::from_secs(25);

pub(super) fn understand(
    state: RawState,
    admin: RawAdmin,
    log: RawLog,
    shutdown: &RawShutdown,
    secrets: Secrets,
) -> Result<RuntimeConfig, Problem> {
    let state = state_config(state)?;
    let admin = admin::understand(admin, secrets).map_err(|problem| problem.under("admin"))?;
    let level = log.level.unwrap_or_else(|| DEFAULT_LEVEL.to_owned());
    if level.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
        return Err(Problem::new(
            "log.level",
            format!("`{level}` is not a level such as info, or directives"),
        ));
    }
    Ok(RuntimeConfig {
        state,
        admin,
        log: LogConfig { level, style: log.style.unwrap_or_default() },
        shutdown_grace: shutdown.grace.map_or(DEFAULT_GRACE, |Span(span)| span),
    })
}

fn state_config(raw: RawState) -> Result<StateConfig, Problem> {
    let path = raw.path.ok_or_else(|| {
        Problem::new(
            "state.path",
            "say where the cursors are to be kept, on a disk that survives the process",
        )
    })?;
    if let Some(witness) = raw.witness.as_ref().filter(|witness| witness.is_dir()) {
        let reason =
            format!("`{}` is a directory: name a file, on another disk than the state", witness.display());
        return Err(Problem::new("witness", reason).under("state"));
    }
    Ok(StateConfig { path, witness: raw.witness })
}
