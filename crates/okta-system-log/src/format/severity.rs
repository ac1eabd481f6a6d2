//! How severe an event is, for all formats: by Okta's log level, the risk, the threat and whether it is a finding.

use super::{
    facts::{Assessment, Level, Threat},
    log_event::LogEvent,
};

/// From what nobody knows to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Unknown,
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// Okta's WARN and ERROR tell of failures, of which most are harmless; a high risk and a threat are not, and what is a
    /// finding is none of the harmless events, whatever Okta's log level. A risk that could not be read may be a high one: an
    /// event with it is never called harmless.
    pub(super) fn of(
        event: &LogEvent<'_>,
        is_finding: bool,
        assessment: &Assessment<'_>,
        threat: &Threat<'_>,
    ) -> Self {
        let own = event.root.peek("severity").map_or(Self::Unknown, |word| Self::of_log_level(&word));
        let level = assessment.risk.level.max(threat.level);
        let of_level = match level {
            Some(Level::Critical) => Self::Critical,
            Some(Level::High) => Self::High,
            Some(Level::Medium) => Self::Medium,
            Some(Level::Low) | None => Self::Unknown,
        };
        // A threat without a level is one.
        let is_threat =
            threat.is_suspected == Some(true) || threat.level.is_none() && !threat.detections.is_empty();
        let of_suspicion = if is_threat { Self::Medium } else { Self::Unknown };
        let of_finding = match level {
            _ if !is_finding => Self::Unknown,
            Some(Level::Low) => Self::Low,
            _ => Self::Medium,
        };
        let known = own.max(of_level).max(of_suspicion).max(of_finding);
        if is_unread(assessment, threat) && known < Self::Medium { Self::Unknown } else { known }
    }

    /// By Okta's `severity`, in any case of its letters.
    fn of_log_level(word: &str) -> Self {
        let is = |words: [&str; 2]| words.iter().any(|known| known.eq_ignore_ascii_case(word.trim_ascii()));
        match () {
            () if is(["DEBUG", "INFO"]) => Self::Informational,
            () if is(["WARN", "ERROR"]) => Self::Medium,
            () => Self::Unknown,
        }
    }
}

/// What every format says of such an event, since it may be a dangerous one.
pub(super) const UNREAD: &str =
    "risk: Okta wrote a risk, behaviours or a threat in a form that cannot be read";

/// Whether Okta wrote a risk, behaviours or a threat that could not be read.
pub(super) fn is_unread(assessment: &Assessment<'_>, threat: &Threat<'_>) -> bool {
    assessment.risk.unread.is_some() || assessment.behaviors.unread.is_some() || threat.is_unread
}
