//! `@timestamp`, `message`, `event` and `log`: what happened, when, and how it ended.

use super::{
    super::{
        facts::{Moment, Outcome, moment_text},
        log_event::LogEvent,
    },
    Category, ObjectWriter,
};

/// `event.dataset` and `data_stream.dataset`, as Elastic's Okta integration has them.
pub(super) const DATASET: &str = "okta.system";

/// When it happened. ECS demands a time: of an event that has none that can be read it is the time in the event's id,
/// else 1970, and `error.message` says so.
pub(super) fn write_time(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let moment = Moment::of(event);
    out.text("@timestamp", moment_text(event, moment).as_deref().unwrap_or("1970-01-01T00:00:00.000Z"));
    out.object("error", |out| match moment {
        Moment::Published(_) => {}
        Moment::OfId(_) => {
            out.text("message", "`published` has no time that can be read; this is the time in `uuid`");
        }
        Moment::Unknown => {
            out.text("message", "`published` has no time that can be read; 1970 stands for an unknown time");
        }
    });
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
