//! The set-up of logging: to standard error, for people or for programs.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStyle {
    /// Lines of text, for people.
    #[default]
    Human,
    /// One JSON object a line, for programs.
    Json,
}

/// Starts logging for the whole process at `level`, a level or directives. `OKTABUS_LOG` overrides it, with the syntax of
/// tracing-subscriber's `EnvFilter`. A second call changes nothing.
pub fn start(level: &str, style: LogStyle) {
    let filter = EnvFilter::try_from_env("OKTABUS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let started = match style {
        LogStyle::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogStyle::Human => {
            let is_terminal = std::io::stderr().is_terminal();
            registry.with(lines.with_ansi(is_terminal).with_target(false)).try_init()
        }
    };
    if let Err(err) = started {
        tracing::debug!(%err, "logging was started before");
    }
}
