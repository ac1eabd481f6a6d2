//! The set-up of logging: to standard error, for people or for programs. What came from outside is cleaned here.

use std::io::IsTerminal as _;

use tracing_subscriber::{
    EnvFilter,
    field::MakeExt as _,
    fmt::{self, FormatFields, format},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::printable::{PrintableJson, printable};

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
    let started = match style {
        LogStyle::Json => {
            let lines = fmt::layer().json().flatten_event(true);
            registry.with(lines.with_writer(|| PrintableJson(std::io::stderr()))).try_init()
        }
        LogStyle::Human => {
            let is_terminal = std::io::stderr().is_terminal();
            let lines = fmt::layer().with_ansi(is_terminal).with_target(false).fmt_fields(fields());
            registry.with(lines.with_writer(std::io::stderr)).try_init()
        }
    };
    if let Err(err) = started {
        tracing::debug!(%err, "logging was started before");
    }
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
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
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
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = fmt::layer().with_ansi(false).fmt_fields(fields()).with_writer(move || writer.clone());
        logged(tracing_subscriber::registry().with(lines));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("okta said E1\\n2026"), "{text}");

        let kept = Kept::default();
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
}
