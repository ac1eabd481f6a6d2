//! Detection Finding: what Okta found, and the evidence for it.

use super::{
    super::{facts::Assessment, log_event::LogEvent, writer::ObjectWriter},
    evidence,
    notes::Notes,
};

/// Writes what is the class Detection Finding's own. `identity` is the finding's uid.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    event_type: &str,
    identity: &str,
    targets_max: usize,
    assessment: &Assessment<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    out.object("finding_info", |out| {
        out.text("uid", identity);
        out.text("title", event.root.peek("displayMessage").as_deref().unwrap_or(event_type));
        out.texts("types", [event_type]);
        out.texts("data_sources", ["Okta System Log"]);
        evidence::write_related_events(event, event_type, out);
        if let Some(detection) = &assessment.risk.detection {
            out.object("analytic", |out| {
                out.text("name", detection);
                out.integer("type_id", 2);
                out.text("type", "Behavioral");
            });
        }
    });
    evidence::write(event, event_type, targets_max, out, notes);
}
