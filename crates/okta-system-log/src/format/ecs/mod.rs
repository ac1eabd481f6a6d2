//! ECS, the Elastic Common Schema: an event as Elasticsearch takes it, with everything that Okta sent under `okta`.
//!
//! One file a part of the event: `event`, `user`, `origin` (client and source), `request` (user agent, device, URL),
//! `target` (what was acted on), `related`, and `okta` (Okta's own fields, as Elastic's Okta integration has them).
//! `categories.csv` decides category and type of each event type. The index template in `deploy/elastic` has a mapping for
//! every field that is written here; a new field needs one there.

mod category;
mod event;
mod okta;
mod origin;
mod related;
mod request;
mod target;
mod user;

use super::{
    Detail, Input,
    facts::Assessment,
    log_event::LogEvent,
    writer::{ObjectWriter, Writer, room_for},
};
pub use category::Category;

/// `ecs.version`
pub const VERSION: &str = "9.4.0";
/// The data stream of Elastic's Okta integration, whose rules ask for it. Its name is `logs-okta.system-default`.
const DATA_STREAM: [(&str, &str); 3] =
    [("type", "logs"), ("dataset", event::DATASET), ("namespace", "default")];
/// The tag of an event that was cut to fit the bus.
const TRUNCATED: &str = "oktabus_truncated";

/// The event in ECS.
pub(super) fn render(input: &Input<'_>, parsed: Option<LogEvent<'_>>) -> Vec<u8> {
    // What is no object is kept whole: there is nothing else to keep.
    let detail = if parsed.is_some() { input.detail } else { Detail::Full };
    let original = parsed.is_none().then_some(input.raw);
    let event = parsed.unwrap_or_default();
    let assessment = Assessment::of(&event);
    Writer::with_room(room_for(input.raw), detail.text_bytes_max()).object_bytes(|out| {
        event::write_time(&event, &assessment, out);
        out.object("ecs", |out| out.text("version", VERSION));
        out.object("data_stream", |out| DATA_STREAM.iter().for_each(|(name, value)| out.text(name, value)));
        event::write(&event, &assessment, input.identity, original, out);
        write_observer(input.tenant, out);
        user::write(&event, &assessment, out);
        origin::write(&event, out);
        request::write(&event, out);
        target::write(&event, out, detail);
        related::write(&event, out, detail);
        if detail.full_bytes().is_some() {
            out.texts("tags", [TRUNCATED]);
        }
        if !detail.is_essential() {
            okta::write(&event, &assessment, detail.has_debug_data(), out);
        }
    })
}

/// Who observed it, and for whom: Okta, and the org.
fn write_observer(tenant: Option<&str>, out: &mut ObjectWriter<'_>) {
    out.object("observer", |out| {
        out.text("vendor", "Okta");
        out.text("product", "System Log");
    });
    out.object("organization", |out| out.text_if("name", tenant));
    // One of Elastic's rules asks for what is new in each account.
    out.object("cloud", |out| {
        out.object("account", |out| out.text_if("id", tenant));
    });
}
