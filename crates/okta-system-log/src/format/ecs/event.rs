//! `@timestamp`, `message`, `event` and `log`: what happened, when, and how it ended.

use super::{super::log_event::LogEvent, Category, ObjectWriter};

/// `event.dataset` and `data_stream.dataset`, as Elastic's Okta integration has them.
pub(super) const DATASET: &str = "okta.system";

/// When it happened; 1970 where Okta wrote no time that can be read.
pub(super) fn write_time(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let published = event.published().unwrap_or_default();
    out.text("@timestamp", &format!("{published:.3}"));
}

/// What happened. `original` is the whole text of what is no event.
pub(super) fn write(
    event: &LogEvent<'_>,
    identity: &str,
    original: Option<&str>,
    out: &mut ObjectWriter<'_>,
) {
    out.text_if("message", event.root.peek("displayMessage").as_deref());
    let event_type = event.event_type();
    let category = Category::of(event_type.as_deref());
    out.object("event", |out| {
        out.text("id", identity);
        out.text("kind", category.kind());
        out.texts("category", category.categories());
        out.texts("type", category.types());
        out.text("outcome", outcome(event));
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

fn outcome(event: &LogEvent<'_>) -> &'static str {
    match event.outcome.peek("result").as_deref() {
        Some("SUCCESS" | "ALLOW") => "success",
        Some("FAILURE" | "DENY" | "RATE_LIMIT") => "failure",
        _ => "unknown",
    }
}
