//! State, admin pages, logging and shutdown: what the process itself needs.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{
    AdminConfig, Problem,
    admin::{self, RawAdmin},
    log_level::check_directives,
    quantity::{Bytes, Span},
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
    /// What dead letters may have.
    pub dead_letters: DeadLettersConfig,
}

/// What dead letters may have: they are on the disk of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLettersConfig {
    /// Those of one route.
    pub route_bytes_max: u64,
    /// Those of the commands of one name.
    pub commands_bytes_max: u64,
    /// Those that are older go; none unless set.
    pub age_max: Option<Duration>,
}

impl Default for DeadLettersConfig {
    fn default() -> Self {
        Self { route_bytes_max: 256 << 20, commands_bytes_max: 16 << 20, age_max: None }
    }
}

/// Logging.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A level, or directives as in `info,oktabus=debug`.
    pub level: String,
    /// For programs or for people.
    pub style: LogStyle,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    path: Option<PathBuf>,
    witness: Option<PathBuf>,
    #[serde(default)]
    dead_letters: RawDeadLetters,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDeadLetters {
    route_max: Option<Bytes>,
    commands_max: Option<Bytes>,
    age_max: Option<Span>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    level: Option<String>,
    style: Option<LogStyle>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShutdown {
    grace: Option<Span>,
}

/// Wins over `log.level`.
const LEVEL_VARIABLE: &str = "OKTABUS_LOG";
/// The NATS client logs what the sink reports already.
const DEFAULT_LEVEL: &str = "info,async_nats=warn";
/// Less would leave no time to look.
const DEAD_LETTERS_AGE_MIN: Duration = Duration::from_secs(86_400);
const DEAD_LETTERS_BYTES_MIN: u64 = 1 << 20;
const DEFAULT_GRACE: Duration = Duration::from_secs(25);

/// Where each part could be read, what it means; None, with the problems, if anything is wrong.
pub(super) fn resolve(
    state: Option<RawState>,
    admin: Option<RawAdmin>,
    log: Option<RawLog>,
    shutdown: Option<RawShutdown>,
    secrets: Secrets,
    problems: &mut Vec<Problem>,
) -> Option<RuntimeConfig> {
    let mut told = |problem| problems.push(problem);
    let state = state.and_then(|raw| state_config(raw).map_err(&mut told).ok());
    let admin = admin.and_then(|raw| {
        let resolved = admin::resolve(raw, secrets).map_err(|problem| problem.under("admin"));
        resolved.map_err(&mut told).ok()
    });
    let log = log.and_then(|raw| log_config(raw).map_err(&mut told).ok());
    let shutdown_grace = shutdown.map(|raw| raw.grace.map_or(DEFAULT_GRACE, |Span(span)| span));
    Some(RuntimeConfig { state: state?, admin: admin?, log: log?, shutdown_grace: shutdown_grace? })
}

/// The variable takes precedence, for an operator who investigates a problem and may not change the file.
fn log_config(raw: RawLog) -> Result<LogConfig, Problem> {
    let style = raw.style.unwrap_or_default();
    let variable = std::env::var(LEVEL_VARIABLE).ok().filter(|level| !level.trim().is_empty());
    if let Some(level) = variable {
        let reason = |reason| Problem::new("", format!("{LEVEL_VARIABLE}: {reason}"));
        check_directives(&level).map_err(reason)?;
        return Ok(LogConfig { level, style });
    }
    let level = raw.level.unwrap_or_else(|| DEFAULT_LEVEL.to_owned());
    check_directives(&level).map_err(|reason| Problem::new("log.level", reason))?;
    Ok(LogConfig { level, style })
}

fn state_config(raw: RawState) -> Result<StateConfig, Problem> {
    let path = raw.path.ok_or_else(|| {
        Problem::new(
            "state.path",
            "is missing: say where the cursors are to be kept, on a disk that survives the process",
        )
    })?;
    if let Some(witness) = raw.witness.as_ref().filter(|witness| witness.is_dir()) {
        let reason =
            format!("`{}` is a directory: name a file, on another disk than the state", witness.display());
        return Err(Problem::new("witness", reason).under("state"));
    }
    let dead_letters =
        dead_letters(&raw.dead_letters).map_err(|problem| problem.under("dead_letters").under("state"))?;
    Ok(StateConfig { path, witness: raw.witness, dead_letters })
}

fn dead_letters(raw: &RawDeadLetters) -> Result<DeadLettersConfig, Problem> {
    let default = DeadLettersConfig::default();
    let bytes = |key: &str, given: Option<Bytes>, default| match given {
        None => Ok(default),
        Some(Bytes(bytes)) if bytes >= DEAD_LETTERS_BYTES_MIN => Ok(bytes),
        Some(_) => Err(Problem::new(key, "must be 1 MiB or more: a dead letter holds the whole event")),
    };
    let age_max = raw.age_max.map(|Span(age)| age);
    if age_max.is_some_and(|age| age < DEAD_LETTERS_AGE_MIN) {
        return Err(Problem::new("age_max", "must be one day or more: somebody has to look at them"));
    }
    Ok(DeadLettersConfig {
        age_max,
        route_bytes_max: bytes("route_max", raw.route_max, default.route_bytes_max)?,
        commands_bytes_max: bytes("commands_max", raw.commands_max, default.commands_bytes_max)?,
    })
}
