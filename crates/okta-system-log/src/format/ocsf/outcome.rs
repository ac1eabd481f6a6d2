//! How it ended, how severe it is, what was decided, and how risky it was.

use super::{
    super::{
        facts::{Assessment, Level, Outcome, Threat, Verdict},
        findings::Finding,
        log_event::LogEvent,
        severity::{self, Severity},
        writer::ObjectWriter,
    },
    class::{CLOSE, Class, DETECTION_FINDING},
    notes::Notes,
    routing::Routing,
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

/// Writes `severity*`. What could not be read is told.
pub(super) fn write_severity(
    event: &LogEvent<'_>,
    event_type: &str,
    assessment: &Assessment<'_>,
    threat: &Threat<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'_>,
) {
    if severity::is_unread(assessment, threat) {
        notes.tell(severity::UNREAD);
    }
    let (id, caption) = match Severity::of(event, Finding::of(event_type), assessment, threat) {
        Severity::Unknown => (0, "Unknown"),
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    out.integer("severity_id", id);
    out.text("severity", caption);
}

/// Writes the attributes of the profile `security_control`: what was decided by which policy, and how risky it was.
pub(super) fn write_control(
    event: &LogEvent<'_>,
    routing: &Routing,
    assessment: &Assessment<'_>,
    threat: &Threat<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'_>,
) {
    if routing.class.uid == DETECTION_FINDING {
        notes.uses_security_control = true;
        // What is over asks nobody to look at it.
        out.flag("is_alert", routing.activity != CLOSE);
    }
    if let Some(((action, action_caption), (disposition, caption))) =
        decision(event, &event.event_type().unwrap_or_default())
    {
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
fn decision(event: &LogEvent<'_>, event_type: &str) -> Option<(Numbered, Numbered)> {
    match Verdict::of(event)? {
        // The type tells that it was refused.
        Verdict::Allow if Outcome::of(event, event_type) == Outcome::Failure => None,
        Verdict::Allow => Some(((1, "Allowed"), (1, "Allowed"))),
        Verdict::Deny => Some(((2, "Denied"), (2, "Blocked"))),
        Verdict::RateLimit => Some(((2, "Denied"), (25, "Rejected"))),
        Verdict::Challenge => Some(((3, "Observed"), (23, "Challenge"))),
        Verdict::Success | Verdict::Failure => None,
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
