//! How it ended, how severe it is, what was decided, and how risky it was.

use std::borrow::Cow;

use super::{
    super::{log_event::LogEvent, writer::ObjectWriter},
    class::{Class, DETECTION_FINDING},
    notes::Notes,
};
use crate::event::is_missing;

/// `status_id` of a finding by its activity: what Okta calls the outcome is not the status of an investigation.
const FINDING_STATUS: [(u8, u8, &str); 3] = [(1, 1, "New"), (2, 2, "In Progress"), (3, 4, "Resolved")];

/// Writes `status*`.
pub(super) fn write_status(event: &LogEvent<'_>, class: &Class, activity: u8, out: &mut ObjectWriter<'_>) {
    let result = event.outcome.take("result");
    if class.uid == DETECTION_FINDING {
        let status = FINDING_STATUS.iter().find(|(known, ..)| *known == activity);
        if let Some((_, id, caption)) = status {
            out.integer("status_id", *id);
            out.text("status", caption);
        }
    } else {
        let (id, caption) = match result.as_deref() {
            Some("SUCCESS" | "ALLOW") => (1, "Success"),
            Some("FAILURE" | "DENY") => (2, "Failure"),
            Some(other) => (99, other),
            None => (0, "Unknown"),
        };
        out.integer("status_id", id);
        out.text("status", caption);
    }
    out.text_if("status_code", result.as_deref());
    out.text_if("status_detail", event.outcome.take("reason").as_deref());
}

/// Writes `severity*`. Okta's WARN and ERROR tell of failures, of which most are harmless; a high risk is not.
pub(super) fn write_severity(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let own = match event.root.peek("severity").as_deref() {
        Some("DEBUG" | "INFO") => 1,
        Some("WARN" | "ERROR") => 3,
        _ => 0,
    };
    let of_risk = match event.risk_level().as_deref().map(risk_level) {
        Some((2, _)) => 3,
        Some((3, _)) => 4,
        Some((4, _)) => 5,
        _ => 0,
    };
    let (id, caption) = match own.max(of_risk) {
        0 => (0, "Unknown"),
        1 => (1, "Informational"),
        3 => (3, "Medium"),
        4 => (4, "High"),
        _ => (5, "Critical"),
    };
    out.integer("severity_id", id);
    out.text("severity", caption);
}

/// Writes the attributes of the profile `security_control`: what was decided by which policy, and how risky it was.
pub(super) fn write_control(
    event: &LogEvent<'_>,
    class: &Class,
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
    if let Some(level) = event.risk_level() {
        notes.uses_security_control = true;
        let (id, caption) = risk_level(&level);
        out.integer("risk_level_id", id);
        out.text("risk_level", &caption);
        out.text_if("risk_details", risk_details(event).as_deref());
        event.risk.take("level");
    }
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
fn risk_level(level: &str) -> (u8, Cow<'_, str>) {
    match level.to_ascii_uppercase().as_str() {
        "LOW" => (1, Cow::Borrowed("Low")),
        "MEDIUM" => (2, Cow::Borrowed("Medium")),
        "HIGH" => (3, Cow::Borrowed("High")),
        "CRITICAL" => (4, Cow::Borrowed("Critical")),
        _ => (99, Cow::Borrowed(level)),
    }
}

/// Why it is risky, as one text: the reasons, then what was unusual in the user's behaviour.
fn risk_details(event: &LogEvent<'_>) -> Option<String> {
    let mut parts: Vec<Cow<'_, str>> = event.risk.take_texts("reasons");
    if parts.is_empty() {
        parts.extend(event.debug_risk("reasons"));
    }
    let behaviors = event.debug_data.peek("behaviors");
    parts.extend(behaviors.map(|behaviors| behaviors.trim_matches(['{', '}']).to_owned().into()));
    for behavior in event.security.peek_array("userBehaviors").unwrap_or_default() {
        if let (Some(name), Some(result)) = (behavior.peek("name"), behavior.peek("result")) {
            parts.push(format!("{name}={result}").into());
        }
    }
    parts.retain(|part| !is_missing(part));
    (!parts.is_empty()).then(|| parts.join(", "))
}
