//! How severe an event is, for all formats: by Okta's log level, the risk, the threat and whether it is a finding.

use super::{
    facts::{Assessment, Level, Threat},
    findings::Finding,
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
        finding: Option<&Finding>,
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
        let of_finding = match (finding, level) {
            (None, _) => Self::Unknown,
            (Some(finding), Some(Level::Low)) if finding.is_told_by_risk() => Self::Low,
            (Some(_), _) => Self::Medium,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(event_type: &str, level: &str) -> Severity {
        let json = format!(
            r#"{{"severity":"INFO","debugContext":{{"debugData":{{"logOnlySecurityData":"{{\"risk\":{{\"level\":\"{level}\"}}}}"}}}}}}"#
        );
        let event = LogEvent::read(json.as_str()).unwrap();
        Severity::of(&event, Finding::of(event_type), &Assessment::of(&event), &Threat::of(&event))
    }

    #[test]
    fn a_low_risk_of_the_request_lowers_no_finding_of_something_else() {
        for event_type in [
            "app.oauth2.token.detect_reuse",
            "security.threat.detected",
            "security.attack.start",
            "security.breached_credential.detected",
            "user.account.report_suspicious_activity_by_enduser",
            "user.mfa.attempt_bypass",
            "pam.server_account.password_change.out_of_band",
        ] {
            assert_eq!(severity(event_type, "LOW"), Severity::Medium, "{event_type}");
            assert_eq!(severity(event_type, "HIGH"), Severity::High, "{event_type}");
        }
        for event_type in [
            "user.risk.change",
            "user.risk.detect",
            "user.internal.risk.change",
            "security.events.provider.receive_event",
            "security.internal.dco_user_risk_report",
            "security.attack.end",
        ] {
            assert_eq!(severity(event_type, "LOW"), Severity::Low, "{event_type}");
            assert_eq!(severity(event_type, "MEDIUM"), Severity::Medium, "{event_type}");
        }
        assert_eq!(severity("user.session.start", "LOW"), Severity::Informational);
    }
}
