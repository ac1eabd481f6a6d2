//! The set-up of logging: to standard error, for people or for programs.

use anstream::{AutoStream, ColorChoice};
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

/// Starts logging for the whole process at `level`, a level or directives that the configuration let through. A second
/// call changes nothing.
pub fn start(level: &str, style: LogStyle) {
    let registry = tracing_subscriber::registry().with(EnvFilter::new(level));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let started = match style {
        LogStyle::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogStyle::Human => {
            // A terminal, unless NO_COLOR and the like say otherwise.
            let is_coloured = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
            registry.with(lines.with_ansi(is_coloured).with_target(false)).try_init()
        }
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_went_wrong_is_the_field_error_everywhere() {
        let mut found = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let events = text.split("tracing::").skip(1).map(|rest| rest.split(");").next().unwrap());
                let is_other = |event: &str| {
                    event
                        .split('"')
                        .next()
                        .unwrap()
                        .split([',', '(', '\n'])
                        .map(str::trim)
                        .any(|field| field == "err" || field == "%err" || field.starts_with("err ="))
                };
                found.extend(events.filter(|event| is_other(event)).map(|_| path.clone()));
            }
        }
        assert!(found.is_empty(), "fields that are not called `error`: {found:?}");
    }
}
