//! How much of something there is, in the three or four words that Okta has for it.

/// A level of a risk or of a threat. The order is that of the danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::format) enum Level {
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    /// The level that `word` is, in any case of its letters and with blanks around it.
    pub(super) fn read(word: &str) -> Option<Self> {
        let levels = [Self::Low, Self::Medium, Self::High, Self::Critical];
        levels.into_iter().find(|level| level.name().eq_ignore_ascii_case(word.trim_ascii()))
    }

    /// Okta's word.
    pub(in crate::format) fn name(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}
