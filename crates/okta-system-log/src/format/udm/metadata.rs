//! `metadata`: what happened, when, and where the event comes from.

use std::borrow::Cow;

use super::{
    super::{
        facts::{Moment, moment_text},
        writer::ObjectWriter,
    },
    EventType, Scene,
};

/// Writes `metadata`. UDM demands a time: of an event that has none that can be read it is the time in the event's id, else
/// 1970, and `additional` says so.
pub(super) fn write(scene: &Scene<'_, '_, '_>, event_type: EventType, out: &mut ObjectWriter<'_>) {
    let event = scene.event;
    out.object("metadata", |out| {
        let time = moment_text(event, Moment::of(event)).unwrap_or(Cow::Borrowed("1970-01-01T00:00:00.000Z"));
        event.root.mark_same("published", &time);
        out.text("event_timestamp", &time);
        out.text("event_type", event_type.name());
        // Vendor, product and log type as Google's own parser has them, since rules ask for them.
        out.text("vendor_name", "Okta");
        out.text("product_name", "Okta");
        out.text("log_type", "OKTA");
        out.text_if("product_event_type", event.root.take("eventType").as_deref());
        event.root.mark_same("uuid", scene.input.identity);
        out.text("product_log_id", scene.input.identity);
        out.text_if("product_deployment_id", scene.input.tenant);
        out.text_if("description", event.root.peek("displayMessage").as_deref());
    });
}
