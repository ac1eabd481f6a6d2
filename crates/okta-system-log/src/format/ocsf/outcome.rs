//! How it ended, how severe it is, what was decided, and how risky it was.

use super::{
    super::{
        facts::{Assessment, Level, Outcome, Threat},
        log_event::LogEvent,
        writer::ObjectWriter,
    },
    class::{Class, DETECTION_FINDING},
    notes::Notes,
};

/// `status_id` of a finding by its activity: what Okta calls the outcome is not the status of an investigation.
const FINDING_STATUS: [(u8, u8, &str); 3] = [(1, 1, "New"), (2, 2, "In Progress"), (3, 4, "Resolved")];

/// Writes `status*`.
pub(super) fn write_status(
    event: &LogEvent<'_>,
    event_type: &str,
    class: &Class,
    activity: u8,
    out: &mut ObjectWriter<'_>,
) {
    if class.uid == DETECTION_FINDING {
        let status = FINDING_STATUS.iter().find(|(known, ..)| *known == activity);
        if let Some((_, id, caption)) = status {
            out.integer("status_id", *id);
            out.text("status", caption);
        }
    } else {
        let outcome = Outcome::of(event, event_type);
        let (id, caption) = match &outcome {
            Outcome::Success => (1, "Success"),
            Outcome::Failure => (2, "Failure"),
            Outcome::Other(word) => (99, &**word),
            Outcome::Unknown => (0, "Unknown"),
        };
        out.integer("status_id", id);
        out.text("status", caption);
    }
    out.text_if("status_code", event.outcome.take("result").as_deref());
    out.text_if("status_detail", event.outcome.take("reason").as_deref());
}

/// Writes `severity*`. Okta's WARN and ERROR tell of failures, of which most are harmless; a high risk and a threat are
/// not, and what is a finding is none of the harmless events, whatever Okta's log level. A risk that could not be read may
/// be a high one: an event with it is never called harmless.
pub(super) fn write_severity(
    event: &LogEvent<'_>,
    class: &Class,
    assessment: &Assessment<'_>,
    threat: &Threat<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'_>,
) {
    let own = match event.root.peek("severity").as_deref() {
        Some("DEBUG" | "INFO") => INFORMATIONAL,
        Some("WARN" | "ERROR") => MEDIUM,
        _ => UNKNOWN_SEVERITY,
    };
    let level = assessment.risk.level.max(threat.level);
    let of_level = match level {
        Some(Level::Critical) => CRITICAL,
        Some(Level::High) => HIGH,
        Some(Level::Medium) => MEDIUM,
        Some(Level::Low) | None => UNKNOWN_SEVERITY,
    };
    let of_suspicion = if threat.is_suspected == Some(true) { MEDIUM } else { UNKNOWN_SEVERITY };
    let of_finding = match level {
        _ if class.uid != DETECTION_FINDING => UNKNOWN_SEVERITY,
        Some(Level::Low) => LOW,
        _ => MEDIUM,
    };
    let known = own.max(of_level).max(of_suspicion).max(of_finding);
    let is_unread = assessment.risk.unread.is_some() || assessment.behaviors.unread.is_some();
    if is_unread {
        notes.tell("risk: Okta wrote a risk or behaviours in a form that cannot be read");
    }
    let (id, caption) = if is_unread && known < MEDIUM { UNKNOWN_SEVERITY } else { known };
    out.integer("severity_id", id);
    out.text("severity", caption);
}

type Severity = (u8, &'static str);

const UNKNOWN_SEVERITY: Severity = (0, "Unknown");
const INFORMATIONAL: Severity = (1, "Informational");
const LOW: Severity = (2, "Low");
const MEDIUM: Severity = (3, "Medium");
const HIGH: Severity = (4, "High");
const CRITICAL: Severity = (5, "Critical");

/// Writes the attributes of the profile `security_control`: what was decided by which policy, and how risky it was.
pub(super) fn write_control(
    event: &LogEvent<'_>,
    class: &Class,
    assessment: &Assessment<'_>,
    threat: &Threat<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'_>,
) {
    let is_finding = class.uid == DETECTION_FINDING;
    if is_finding {
        notes.uses_security_control = true;
        out.flag("is_alert", true);
    }
    if let Some(((action, action_caption), (disposition, caption))) = decision(event) {
        notes.uses_security_control = true;
        out.integer("action_id", action);
        out.text("action", action_caption);
        out.integer("disposition_id", disposition);
        out.text("disposition", caption);
    }
    notes.uses_security_control |= write_risk(assessment, threat, out);
}

/// Writes `risk_*`; false if Okta says nothing of a risk. What could not be read is Okta's own word for the level.
fn write_risk(assessment: &Assessment<'_>, threat: &Threat<'_>, out: &mut ObjectWriter<'_>) -> bool {
    let Assessment { risk, behaviors } = assessment;
    let level = match (risk.level, risk.unread.as_deref()) {
        (Some(level), _) => Some(risk_level(level)),
        (None, unread) => unread.map(|unread| (99, unread)),
    };
    if let Some((id, caption)) = level {
        out.integer("risk_level_id", id);
        out.text("risk_level", caption);
    }
    // Why it is risky, as one text: the reasons, what was unusual in the user's behaviour, what ThreatInsight detected.
    let unread = behaviors.unread.as_deref();
    let details = risk.reasons.iter().chain(behaviors.fired()).chain(&threat.detections);
    let details: Vec<&str> = details.map(AsRef::as_ref).chain(unread).collect();
    if !details.is_empty() {
        out.text("risk_details", &details.join(", "));
    }
    level.is_some() || !details.is_empty()
}

type Numbered = (u8, &'static str);

/// `action` and `disposition`, where the outcome is a decision.
fn decision(event: &LogEvent<'_>) -> Option<(Numbered, Numbered)> {
    match event.outcome.peek("result")?.as_ref() {
        "ALLOW" => Some(((1, "Allowed"), (1, "Allowed"))),
        "DENY" => Some(((2, "Denied"), (2, "Blocked"))),
        "RATE_LIMIT" => Some(((2, "Denied"), (25, "Rejected"))),
        "CHALLENGE" => Some(((3, "Observed"), (23, "Challenge"))),
        _ => None,
    }
}

/// `risk_level_id` and its caption.
fn risk_level(level: Level) -> Numbered {
    match level {
        Level::Low => (1, "Low"),
        Level::Medium => (2, "Medium"),
        Level::High => (3, "High"),
        Level::Critical => (4, "Critical"),
    }
}
