//! What Okta tells of an event for which OCSF has no attribute of its own: labels for what is the case, tags for words.

use super::super::{
    facts::{SUSPECTED, anonymizers},
    log_event::LogEvent,
    object::flag,
    writer::ObjectWriter,
};

/// Writes `labels` and `tags` of the metadata. A flag that says no is no label, and stays with what is not mapped.
pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let flags =
        [(&event.security, "isProxy", &["isProxy"][..]), (&event.debug_data, "threatSuspected", &SUSPECTED)];
    let raised = flags.into_iter().filter(|(object, _, names)| {
        let mut raised = names.iter().filter(|name| object.raw(name).and_then(flag) == Some(true));
        raised.next().is_some_and(|name| {
            object.mark(name);
            true
        })
    });
    out.texts("labels", raised.map(|(_, label, _)| label).chain(anonymizers(event)));
    let Some(legacy) = event.root.take("legacyEventType") else { return };
    out.array("tags", |out| {
        out.object(|out| {
            out.text("name", "legacyEventType");
            out.text("value", &legacy);
        });
    });
}
