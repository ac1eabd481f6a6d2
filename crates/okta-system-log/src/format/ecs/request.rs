//! `user_agent`, `device`, `host.os`, `network`, `http` and `url`: by what and to where the request was sent.

use super::{
    super::{
        facts::{OS_VERSION, PLATFORM, peek_first},
        log_event::LogEvent,
    },
    ObjectWriter,
};

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("user_agent", |out| {
        out.text_if("original", event.user_agent.peek("rawUserAgent").as_deref());
        out.text_if("name", event.user_agent.peek("browser").as_deref());
        out.object("os", |out| out.text_if("name", event.user_agent.peek("os").as_deref()));
        out.object("device", |out| out.text_if("name", event.client.peek("device").as_deref()));
    });
    write_device(event, out);
    out.object("network", |out| out.text_if("name", event.client.peek("zone").as_deref()));
    out.object("http", |out| {
        out.object("request", |out| out.text_if("id", event.debug_data.peek("requestId").as_deref()));
    });
    out.object("url", |out| {
        out.text_if("original", event.debug_data.peek("url").as_deref());
        out.text_if("path", event.debug_data.peek("requestUri").as_deref());
    });
}

/// The device that Okta knows the user by. Of `host` it gives only the system: its name and id are those of a device.
fn write_device(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("device", |out| {
        out.text_if("id", event.device.peek("id").as_deref());
        out.object("product", |out| out.text_if("name", event.device.peek("name").as_deref()));
    });
    out.object("host", |out| {
        out.object("os", |out| {
            let platform = peek_first(&event.device, &PLATFORM).map(|platform| platform.to_ascii_lowercase());
            out.text_if("platform", platform.as_deref());
            out.text_if("version", peek_first(&event.device, &OS_VERSION).as_deref());
        });
    });
}
