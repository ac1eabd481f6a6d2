//! Problems of a configuration, with their place and how to mend them.

use std::{fmt, path::PathBuf};

use crate::permissions::PermissionError;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the configuration, for example `sinks.siem.topic`.
    pub path: String,
    /// The mistake, and how to correct it.
    pub reason: String,
    /// The file with its line, or the environment variable, that says so, if that is known.
    pub origin: Option<String>,
    /// Whether it follows from another problem that is reported.
    pub(super) is_consequence: bool,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), origin: None, is_consequence: false }
    }

    /// A problem that follows from another one that is reported.
    pub(super) fn consequence() -> Self {
        Self { is_consequence: true, ..Self::new("", "needs something of which a problem was told") }
    }

    /// Adds an outer key to the path.
    pub(super) fn under(mut self, parent: &str) -> Self {
        self.path = if self.path.is_empty() { parent.to_owned() } else { format!("{parent}.{}", self.path) };
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(formatter, "{origin}: ")?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.reason)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing or may not be read.
    #[error("cannot read the configuration {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PermissionError,
    },
    /// It has invalid settings.
    #[error("the configuration is not usable:\n{}", list(.0))]
    Problems(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

/// The one of `known` that is most like `typed`, if any is like it at all.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(typed, known);
    let best = known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.7).then_some(best)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

/// The unknown name and the known ones, out of serde's message.
pub(crate) fn unknown_key(reason: &str) -> Option<(&str, Vec<&str>)> {
    let rest = reason.strip_prefix("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    Some((unknown, rest.split('`').skip(1).step_by(2).collect()))
}
