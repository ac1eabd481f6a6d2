//! `security_result`: how it ended, how severe and how risky it was, what was detected, and which policies decided.

use super::{
    super::{
        facts::{Verdict, is_consequence, is_refusal},
        findings::{Identity, Stage},
        party::Party,
        severity::Severity,
        writer::{ArrayWriter, ObjectWriter},
    },
    Outcome, Scene, labels, ocsf,
};

/// Writes one result for the event, and one for each policy and rule among the targets that is not what the event is about.
pub(super) fn write(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let policies = scene.event.targets.iter();
    let policies = policies.filter(|party| party.kind.is_policy() && !scene.target.has(party));
    out.array("security_result", |out| {
        out.object(|out| write_event(scene, out));
        let action = action(scene);
        policies
            .take(scene.input.detail.elements_max())
            .for_each(|policy| write_policy(policy, action, scene.has_rest(), out));
    });
}

fn write_event(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let Scene { event, assessment, threat, finding, .. } = scene;
    out.text_if("summary", event.root.take("displayMessage").as_deref());
    out.texts("action", action(scene));
    out.text_if("action_details", event.outcome.take("result").as_deref());
    if scene.is_of(ocsf::AUTHENTICATION) && scene.outcome == Outcome::Failure {
        out.texts("category", ["AUTH_VIOLATION"]);
    }
    out.texts("category_details", event.outcome.take("reason"));
    let severity = Severity::of(event, *finding, assessment, threat);
    out.text("severity", severity_name(severity));
    out.text_if("severity_details", event.root.take("severity").as_deref());
    // In the notation that rules for Google's own parser look for.
    let fired: Vec<_> =
        assessment.behaviors.fired().iter().map(|name| [name, "=POSITIVE"].concat()).collect();
    if !fired.is_empty() {
        out.text("description", &fired.join(", "));
    }
    if !threat.detections.is_empty() {
        out.text("threat_name", &threat.detections.join(", "));
    }
    write_finding(scene, out);
    out.array("detection_fields", |out| write_detection_fields(scene, out));
}

/// Writes what makes the event an alert, and one with others of the same finding.
fn write_finding(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let (status, alert) = match scene.finding.map(|finding| finding.stage_after(&scene.assessment)) {
        Some(Stage::Opened | Stage::Changed) => ("ACTIVE", "ALERTING"),
        Some(Stage::Closed) => ("CLEARED", "NOT_ALERTING"),
        None if scene.threat.is_suspected == Some(true) => return out.text("threat_status", "ACTIVE"),
        None => return,
    };
    out.text("threat_status", status);
    out.text("alert_state", alert);
    let identity = Identity::of(scene.event, scene.event_type);
    out.text("threat_id", &identity.text(scene.input.identity, scene.input.tenant));
}

/// Writes the risk under the keys of Google's own parser, and the debug data by Okta's names.
fn write_detection_fields(scene: &Scene<'_, '_, '_>, out: &mut ArrayWriter<'_>) {
    let risk = &scene.assessment.risk;
    if let Some(level) = risk.word() {
        labels::write_one("Risk Level", level, out);
    }
    if !risk.reasons.is_empty() {
        labels::write_one("Risk Reasons", &risk.reasons.join(", "), out);
    }
    if let Some(unread) = scene.assessment.behaviors.unread.as_deref() {
        labels::write_one("Behaviors", unread, out);
    }
    if scene.has_debug_data() {
        write_debug_data(scene, out);
    }
}

fn write_debug_data(scene: &Scene<'_, '_, '_>, out: &mut ArrayWriter<'_>) {
    for (name, json) in scene.event.debug_data.rest() {
        if let Some(text) = labels::text(json) {
            labels::write_one(name, &text, out);
        }
    }
}

/// A policy is a set of rules.
fn write_policy(
    policy: &Party<'_>,
    action: Option<&'static str>,
    with_labels: bool,
    out: &mut ArrayWriter<'_>,
) {
    let (id, name, kind) = (policy.take_id(), policy.take_name(), policy.take_type());
    out.object(|out| {
        out.text_if("rule_id", id.as_deref());
        out.text_if("rule_name", name.as_deref());
        out.text_if("rule_type", kind.as_deref());
        out.texts("action", action);
        if with_labels {
            labels::write("rule_labels", &policy.object, out);
        }
    });
}

/// What Okta did, in agreement with how it ended: a sign-on that fails is refused, and so is what a policy or a limit denies;
/// what else fails has failed, whatever word stands in the outcome.
fn action(scene: &Scene<'_, '_, '_>) -> Option<&'static str> {
    let (verdict, event_type) = (Verdict::of(scene.event), scene.event_type);
    let is_denied = matches!(verdict, Some(Verdict::Deny | Verdict::RateLimit)) || is_refusal(event_type);
    Some(match &scene.outcome {
        Outcome::Failure if is_denied || scene.is_of(ocsf::AUTHENTICATION) => "BLOCK",
        Outcome::Failure => "FAIL",
        // An account is locked because sign-ins failed, a request is denied by a decision.
        Outcome::Success if is_consequence(event_type) => "BLOCK",
        Outcome::Success => "ALLOW",
        Outcome::Other(_) if verdict == Some(Verdict::Challenge) => "CHALLENGE",
        Outcome::Other(_) => "UNKNOWN_ACTION",
        Outcome::Unknown => return None,
    })
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "UNKNOWN_SEVERITY",
        Severity::Informational => "INFORMATIONAL",
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    }
}
