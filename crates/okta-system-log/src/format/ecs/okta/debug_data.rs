//! `okta.debug_context.debug_data`: all of it under `flattened`, and what rules ask for in fields of its own.

use super::{
    super::super::{log_event::LogEvent, writer::ObjectWriter},
    fields, flattened,
};

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let data = &event.debug_data;
    out.object("debug_context", |out| {
        out.object("debug_data", |out| {
            fields::write(data, &fields::DEBUG_DATA, out);
            out.object("flattened", |out| {
                data.members().for_each(|(name, json)| flattened::write(name, json, out));
            });
        });
    });
}
