//! `@timestamp`, `message`, `event` and `log`: what happened, when, and how it ended.

use super::{
    super::{
        facts::{Assessment, Moment, Outcome, Threat, moment_text},
        findings::Finding,
        forms,
        log_event::{LogEvent, ODD_TARGETS},
        severity,
    },
    Category, ObjectWriter,
};

/// `event.dataset` and `data_stream.dataset`, as Elastic's Okta integration has them.
pub(super) const DATASET: &str = "okta.system";

/// When it happened, and what could not be read. ECS demands a time: of an event that has none that can be read it is the
/// time in the event's id, else 1970, and `error.message` says so. It also tells of a risk that could not be read, whatever
/// level stands beside it.
pub(super) fn write_time(event: &LogEvent<'_>, assessment: &Assessment<'_>, out: &mut ObjectWriter<'_>) {
    let moment = Moment::of(event);
    out.text("@timestamp", moment_text(event, moment).as_deref().unwrap_or("1970-01-01T00:00:00.000Z"));
    let time = match moment {
        Moment::Published(_) => None,
        Moment::OfId(_) => Some("`published` has no time that can be read; this is the time in `uuid`"),
        Moment::Unknown => Some("`published` has no time that can be read; 1970 stands for an unknown time"),
    };
    let risk = severity::is_unread(assessment, &Threat::of(event)).then_some(severity::UNREAD);
    let targets = event.has_odd_targets.then_some(ODD_TARGETS);
    let form = event.has_other_forms.then_some(forms::UNREAD);
    let told: Vec<&str> = [time, risk, targets, form].into_iter().flatten().collect();
    out.object("error", |out| {
        if !told.is_empty() {
            out.text("message", &told.join("; "));
        }
    });
}

/// What happened. `original` is the whole text of what is no event.
pub(super) fn write(
    event: &LogEvent<'_>,
    assessment: &Assessment<'_>,
    identity: &str,
    original: Option<&str>,
    out: &mut ObjectWriter<'_>,
) {
    out.text_if("message", event.root.peek("displayMessage").as_deref());
    let event_type = event.event_type();
    let category = Category::of(event_type.as_deref());
    let finding = event_type.as_deref().and_then(Finding::of);
    let kind = Category::kind_at(finding.map(|finding| finding.stage_after(assessment)));
    out.object("event", |out| {
        out.text("id", identity);
        out.text("kind", kind);
        out.texts("category", category.categories());
        out.texts("type", category.types());
        out.text("outcome", outcome(event, event_type.as_deref().unwrap_or_default()));
        out.text_if("action", event_type.as_deref());
        out.text("module", "okta");
        out.text("dataset", DATASET);
        out.text("provider", "okta");
        out.text_if("reason", event.outcome.peek("reason").as_deref());
        out.text_if("original", original);
    });
    // In small letters, as Elastic has it; `okta.severity` is as Okta wrote it.
    let level = event.root.peek("severity").map(|severity| severity.to_ascii_lowercase());
    out.object("log", |out| out.text_if("level", level.as_deref()));
}

fn outcome(event: &LogEvent<'_>, event_type: &str) -> &'static str {
    match Outcome::of(event, event_type) {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Other(_) | Outcome::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    #[test]
    fn a_risk_that_nobody_can_read_is_told_whatever_stands_beside_it() {
        let error = |json: &str| {
            let event = LogEvent::read(json).unwrap();
            let assessment = Assessment::of(&event);
            let written = Writer::new(usize::MAX).object(|out| write_time(&event, &assessment, out));
            let written: serde_json::Value = serde_json::from_str(&written).unwrap();
            written["error"]["message"].as_str().map(str::to_owned)
        };
        for level in ["LOW", "MEDIUM", "HIGH"] {
            let event = |risk: &str, published: &str| {
                format!(
                    r#"{{"published":"{published}","securityContext":{{"risk":{{"level":"{level}"}}}},"debugContext":{{"debugData":{{"risk":"{risk}"}}}}}}"#
                )
            };
            let now = "2026-01-02T03:04:05.678Z";
            assert_eq!(error(&event("{level=VERY_HIGH}", now)).as_deref(), Some(severity::UNREAD), "{level}");
            assert_eq!(error(&event("{level=LOW}", now)), None, "{level}");
            let both = error(&event("{level=VERY_HIGH}", "some day")).unwrap();
            assert!(both.contains("1970") && both.contains("; risk:"), "{both}");
        }
    }
}
