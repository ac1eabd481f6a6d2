//! Detection Finding: what Okta found, and the evidence for it. What Okta tells of one finding in several events has one
//! uid, so that an update and a close refer to something.

use super::{
    super::{
        facts::{Assessment, Moment, moment_text},
        findings,
        log_event::LogEvent,
        writer::ObjectWriter,
    },
    Input, evidence,
    notes::Notes,
};

/// Writes what is the class Detection Finding's own.
pub(super) fn write<'a>(
    input: &Input<'_>,
    event: &LogEvent<'a>,
    activity: u8,
    event_type: &str,
    assessment: &Assessment<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    out.object("finding_info", |out| {
        out.text("uid", &findings::Identity::of(event, event_type).text(input.identity, input.tenant));
        out.text("title", event.root.peek("displayMessage").as_deref().unwrap_or(event_type));
        out.texts("types", [event_type]);
        write_times(event, activity, out);
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
    evidence::write(event, event_type, input.detail.elements_max(), out, notes);
}

/// Activities of a finding.
const CREATE: u8 = 1;

/// Writes when the finding was made or changed: Okta tells of each by an event of that time.
fn write_times(event: &LogEvent<'_>, activity: u8, out: &mut ObjectWriter<'_>) {
    let moment = Moment::of(event);
    let (Some(timestamp), Some(text)) = (moment.timestamp(), moment_text(event, moment)) else { return };
    let (time, time_dt) = match activity {
        CREATE => ("created_time", "created_time_dt"),
        _ => ("modified_time", "modified_time_dt"),
    };
    out.integer(time, timestamp.as_millisecond());
    out.text(time_dt, &text);
}
