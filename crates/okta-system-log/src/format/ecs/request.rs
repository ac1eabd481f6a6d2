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

/// The device that Okta knows the user by, or that acts itself. Of `host` it gives only the system: its name and id are those
/// of a device.
fn write_device(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let [mut id, mut name] = ["id", "name"].map(|member| event.device.peek(member));
    if id.is_none() && name.is_none() && event.actor.kind.is_machine() {
        (id, name) = (event.actor.object.peek("id"), event.actor.name());
    }
    out.object("device", |out| {
        out.text_if("id", id.as_deref());
        out.object("product", |out| out.text_if("name", name.as_deref()));
    });
    out.object("host", |out| {
        out.object("os", |out| {
            let platform = peek_first(&event.device, &PLATFORM).map(|platform| platform.to_ascii_lowercase());
            out.text_if("platform", platform.as_deref());
            out.text_if("version", peek_first(&event.device, &OS_VERSION).as_deref());
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    #[test]
    fn a_device_that_acts_itself_is_the_device() {
        for (event, expected) in [
            (r#"{"actor":{"id":"guv1","type":"Device","displayName":"Mac"}}"#, Some(("guv1", "Mac"))),
            (r#"{"actor":{"id":"sv1","type":"Server","displayName":"web-01"}}"#, Some(("sv1", "web-01"))),
            (
                r#"{"actor":{"id":"00u","type":"User"},"device":{"id":"guo1","name":"iPhone"}}"#,
                Some(("guo1", "iPhone")),
            ),
            (r#"{"actor":{"id":"00u","type":"User"}}"#, None),
        ] {
            let event = LogEvent::read(event).unwrap();
            let written = Writer::new(usize::MAX).object(|out| write(&event, out));
            let expected = expected
                .map(|(id, name)| format!(r#"{{"device":{{"id":"{id}","product":{{"name":"{name}"}}}}}}"#));
            assert_eq!(written, expected.unwrap_or("{}".to_owned()));
        }
    }
}
