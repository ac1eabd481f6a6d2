//! When it happened, and where the event comes from.

use super::{
    super::{
        Detail,
        facts::{Moment, moment_text},
        log_event::LogEvent,
        writer::ObjectWriter,
    },
    Input, Version, labels,
    notes::Notes,
};

/// Writes `time` in milliseconds and `time_dt`. OCSF demands a time: of an event that has none that can be read it is the
/// time in the event's id, else 0, and `metadata.debug` says so.
pub(super) fn write_time(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, notes: &mut Notes<'_>) {
    let moment = Moment::of(event);
    match moment {
        Moment::Published(_) => {}
        Moment::OfId(_) => {
            notes.tell("time: `published` has no time that can be read; this is the time in `uuid`");
        }
        Moment::Unknown => {
            notes.tell("time: `published` has no time that can be read; 0 stands for an unknown time");
        }
    }
    out.integer("time", moment.timestamp().map_or(0, jiff::Timestamp::as_millisecond));
    if let Some(text) = moment_text(event, moment) {
        notes.use_datetime();
        out.text("time_dt", &text);
    }
}

/// What made the events.
const PRODUCT: &str = r#""product":{"name":"Okta System Log","vendor_name":"Okta"}"#;
/// Where they were found.
const LOG: &str = r#""log_provider":"Okta","log_name":"System Log","log_format":"JSON""#;

/// Writes `metadata`.
pub(super) fn write(
    input: &Input<'_>,
    version: Version,
    event: &LogEvent<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &Notes<'_>,
) {
    out.object("metadata", |out| {
        out.text("version", version.name());
        out.members(PRODUCT);
        out.texts("profiles", notes.profiles());
        // The same as the CloudEvents id of the message.
        out.text_of("uid", &[input.identity, ":ocsf"]);
        out.text_if("original_event_uid", event.root.take("uuid").as_deref());
        out.text_if("event_code", event.root.take("eventType").as_deref());
        out.text_if("original_time", event.root.take("published").as_deref());
        out.text_if("correlation_uid", event.transaction.take("id").as_deref());
        out.members(LOG);
        out.text_if("log_level", event.root.take("severity").as_deref());
        out.text_if("log_version", event.root.take("version").as_deref());
        out.text_if("log_source", input.tenant);
        out.text_if("tenant_uid", input.tenant);
        out.texts("debug", notes.told());
        labels::write(event, out);
        if let Some(kib) = untruncated_kib(input.detail) {
            out.flag("is_truncated", true);
            out.integer("untruncated_size", kib);
        }
    });
}

/// OCSF counts in kilobytes.
fn untruncated_kib(detail: Detail) -> Option<i64> {
    let bytes = detail.full_bytes()?;
    i64::try_from(bytes.div_ceil(1_024)).ok()
}
