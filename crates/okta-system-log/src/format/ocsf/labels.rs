//! What Okta tells of an event for which OCSF has no attribute of its own: labels for what is the case, tags for words.

use super::super::{facts::anonymizers, log_event::LogEvent, object::flag, writer::ObjectWriter};

/// Writes `labels` and `tags` of the metadata. A flag that says no is no label, and stays with what is not mapped.
pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let flags = [(&event.security, "isProxy"), (&event.debug_data, "threatSuspected")];
    let raised = flags.into_iter().filter(|(object, name)| {
        let is_raised = object.raw(name).and_then(flag) == Some(true);
        if is_raised {
            object.mark(name);
        }
        is_raised
    });
    out.texts("labels", raised.map(|(_, name)| name).chain(anonymizers(event)));
    let Some(legacy) = event.root.take("legacyEventType") else { return };
    out.array("tags", |out| {
        out.object(|out| {
            out.text("name", "legacyEventType");
            out.text("value", &legacy);
        });
    });
}
