//! The set-up of logging: to standard error, for people or for programs. Text from outside is made printable here, and
//! what libraries say of single bytes, keys and values is never let through.

use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Registry,
    field::MakeExt as _,
    filter::filter_fn,
    fmt::{self, FormatFields, format},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::printable::{PrintableJson, printable};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStyle {
    /// Lines of text, for people.
    #[default]
    Human,
    /// One JSON object a line, for programs.
    Json,
}

/// What our own lines are about.
const OWN_TARGET: &str = "oktabus";

/// The filter of the level, once logging has started.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging for the whole process at `level`, a level or directives that the configuration let through. A second
/// call changes nothing.
pub fn start(level: &str, style: LogStyle) {
    let (filter, handle) = reload::Layer::new(EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_fit));
    let started = match style {
        LogStyle::Json => {
            let lines = fmt::layer().json().flatten_event(true);
            registry.with(lines.with_writer(|| PrintableJson(std::io::stderr()))).try_init()
        }
        LogStyle::Human => {
            // A terminal, unless NO_COLOR and the like say otherwise.
            let is_coloured = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
            let lines = fmt::layer().with_ansi(is_coloured).with_target(false).fmt_fields(fields());
            registry.with(lines.with_writer(std::io::stderr)).try_init()
        }
    };
    match started {
        Ok(()) => drop(FILTER.set(handle)),
        Err(error) => tracing::debug!(%error, "logging was started before"),
    }
}

/// Logs at another `level` from now on: a level or directives that the configuration let through.
pub fn change_level(level: &str) {
    let changed = FILTER.get().map(|filter| filter.reload(EnvFilter::new(level)));
    if let Some(Err(error)) = changed {
        tracing::error!(%error, level, "the log level cannot be changed");
    }
}

/// Whether something may be logged at all. At the level `trace`, libraries print what passes through them: sled its batches,
/// others requests and frames, with passwords in them.
fn is_fit(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || metadata.target().split("::").next() == Some(OWN_TARGET)
}

/// The message, then `name=value` of each field, on one line.
fn fields() -> impl for<'writer> FormatFields<'writer> {
    format::debug_fn(|writer, field, value| {
        let shown = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", printable(&shown)),
            name => write!(writer, "{name}={}", printable(&shown)),
        }
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct CapturedLog(Arc<Mutex<Vec<u8>>>);

    impl io::Write for CapturedLog {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of something that somebody else wrote.
    fn logged(subscriber: impl tracing::Subscriber + Send + Sync) {
        let forged = "E1\n2026-01-01T00:00:00Z ERROR all is lost \u{1b}[2J\u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(text = forged, shown = %forged, seen = ?forged, "okta said {forged}");
        });
    }

    #[test]
    fn nothing_from_outside_forges_a_line_or_commands_a_terminal() {
        let kept = CapturedLog::default();
        let writer = kept.clone();
        let lines = fmt::layer().with_ansi(false).fmt_fields(fields()).with_writer(move || writer.clone());
        logged(tracing_subscriber::registry().with(lines));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("okta said E1\\n2026"), "{text}");

        let kept = CapturedLog::default();
        let writer = kept.clone();
        let lines = fmt::layer().json().flatten_event(true);
        let lines = lines.with_writer(move || PrintableJson(writer.clone()));
        logged(tracing_subscriber::registry().with(lines));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(line["text"].as_str().unwrap().ends_with("\u{1b}[2J\u{202e}"), "nothing is lost: {text}");
    }

    #[test]
    fn no_filter_lets_libraries_print_what_passes_through_them() {
        let kept = CapturedLog::default();
        let writer = kept.clone();
        let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let all = tracing_subscriber::registry().with(EnvFilter::new("trace,sled=trace,oktabusx=trace"));
        tracing::subscriber::with_default(all.with(filter_fn(is_fit)).with(lines), || {
            tracing::trace!(target: "sled::tree", "applying batch Winter2026");
            tracing::trace!(target: "log", "applying batch Winter2026");
            tracing::trace!(target: "oktabusx", "Winter2026");
            tracing::debug!(target: "hyper", "a connection");
            tracing::trace!(target: "oktabus::route", "a step");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("Winter2026"), "{text}");
        assert!(text.contains("a connection") && text.contains("a step"), "{text}");
    }

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
