//! When it happened, and where the event comes from.

use super::{
    super::{Detail, log_event::LogEvent, writer::ObjectWriter},
    Input, labels,
    notes::Notes,
};

/// Writes `time` in milliseconds and `time_dt`. An event without a time happened at 0: OCSF demands a time, and there is
/// no other that stays the same whenever the event is rendered.
pub(super) fn write_time(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, notes: &mut Notes<'_>) {
    let published = event.published();
    out.integer("time", published.map_or(0, jiff::Timestamp::as_millisecond));
    if let Some(published) = published {
        notes.use_datetime();
        out.text("time_dt", &format!("{published:.3}"));
    }
}

/// Writes `metadata`.
pub(super) fn write(input: &Input<'_>, event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, notes: &Notes<'_>) {
    out.object("metadata", |out| {
        out.text("version", input.options.version.name());
        out.object("product", |out| {
            out.text("name", "Okta System Log");
            out.text("vendor_name", "Okta");
        });
        out.texts("profiles", notes.profiles());
        // The same as the CloudEvents id of the message.
        out.text("uid", &[input.identity, ":ocsf"].concat());
        out.text_if("original_event_uid", event.root.take("uuid").as_deref());
        out.text_if("event_code", event.root.take("eventType").as_deref());
        if event.published().is_some() {
            out.text_if("original_time", event.root.take("published").as_deref());
        }
        out.text_if("correlation_uid", event.transaction.take("id").as_deref());
        out.text("log_provider", "Okta");
        out.text("log_name", "System Log");
        out.text("log_format", "JSON");
        out.text_if("log_level", event.root.take("severity").as_deref());
        out.text_if("log_version", event.root.take("version").as_deref());
        out.text_if("log_source", input.tenant);
        out.text_if("tenant_uid", input.tenant);
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
