//! What is wrong with a filter, and where.

use std::fmt;

/// A filter that Okta would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    filter: String,
    /// The byte at which the fault begins.
    at: usize,
    reason: String,
}

impl FilterError {
    pub(super) fn new(filter: &str, at: usize, reason: impl Into<String>) -> Self {
        Self { filter: filter.to_owned(), at, reason: reason.into() }
    }

    /// What is wrong, without the filter.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl std::error::Error for FilterError {}

impl fmt::Display for FilterError {
    /// Three lines: the reason, the filter, and a caret under the fault.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INDENT: &str = "    ";
        // A line break would put the caret under the wrong line, and a tab is wider than it looks.
        let shown: String = self.filter.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before = self.filter.get(..self.at).map_or(0, |before| before.chars().count());
        write!(formatter, "{}\n{INDENT}{shown}\n{INDENT}{}^", self.reason, " ".repeat(before))
    }
}
