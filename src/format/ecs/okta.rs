//! `okta`: the whole event under Okta's names in snake case, as Elastic's Okta integration has them.

use std::borrow::Cow;

use super::super::{
    log_event::LogEvent,
    object::Object,
    writer::{ArrayWriter, ObjectWriter},
};

/// Members whose own members are not Okta's to name, and stay as they are.
const FREE: [&str; 3] = ["detailEntry", "changeDetails", "detail"];
/// Deeper than any event of Okta's goes.
const DEPTH_MAX: usize = 8;

/// Writes `okta`.
pub(super) fn write(event: &LogEvent<'_>, with_debug_data: bool, out: &mut ObjectWriter<'_>) {
    out.object("okta", |out| {
        for (name, json) in event.root.members() {
            match (name, Object::read(json)) {
                ("debugContext", _) if !with_debug_data => {}
                ("debugContext", Some(context)) => write_debug_context(&context, out),
                ("securityContext", Some(context)) => write_security_context(&context, out),
                _ => write_member(&event.root, name, json, 0, out),
            }
        }
    });
}

/// Elastic has the debug data as one flattened field: its names may change from release to release.
fn write_debug_context(context: &Object<'_>, out: &mut ObjectWriter<'_>) {
    out.object("debug_context", |out| {
        for (name, json) in context.members() {
            if name == "debugData" {
                out.object("debug_data", |out| out.raw("flattened", json));
            } else {
                write_member(context, name, json, 1, out);
            }
        }
    });
}

fn write_security_context(context: &Object<'_>, out: &mut ObjectWriter<'_>) {
    const SYSTEM: [&str; 2] = ["asNumber", "asOrg"];
    out.object("security_context", |out| {
        let is_nested = |name: &str| SYSTEM.contains(&name) && context.raw("as").is_none();
        out.object("as", |out| {
            let [number, organization] = SYSTEM.map(|name| context.raw(name).filter(|_| is_nested(name)));
            number.inspect(|number| out.raw("number", number));
            organization.inspect(|organization| {
                out.object("organization", |out| out.raw("name", organization));
            });
        });
        let others = context.members().filter(|(name, _)| !is_nested(name));
        others.for_each(|(name, json)| write_member(context, name, json, 1, out));
    });
}

/// Writes the member `name` of `parent`.
fn write_member(parent: &Object<'_>, name: &str, json: &str, depth: usize, out: &mut ObjectWriter<'_>) {
    let renamed = match name {
        "ipAddress" => Cow::Borrowed("ip"),
        _ => snake_case(name),
    };
    // Two members of one name would be one too many for Elasticsearch.
    let is_free = renamed == name || parent.raw(&renamed).is_none();
    let name_out = if is_free { &*renamed } else { name };
    if depth < DEPTH_MAX && !FREE.contains(&name) {
        if let Some(object) = Object::read(json) {
            out.object(name_out, |out| write_members(&object, depth, out));
            return;
        }
        if let Some(elements) = Object::read_elements(json) {
            out.array(name_out, |out| elements.iter().for_each(|json| write_element(json, depth, out)));
            return;
        }
    }
    out.raw(name_out, json);
}

fn write_members(object: &Object<'_>, depth: usize, out: &mut ObjectWriter<'_>) {
    object.members().for_each(|(name, json)| write_member(object, name, json, depth + 1, out));
}

fn write_element(json: &str, depth: usize, out: &mut ArrayWriter<'_>) {
    match Object::read(json) {
        Some(object) => out.object(|out| write_members(&object, depth, out)),
        None => out.raw(json),
    }
}

/// `alternateId` becomes `alternate_id`. No two names that begin with a small letter become the same but by one that is
/// so already.
fn snake_case(name: &str) -> Cow<'_, str> {
    let is_camel_case = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !is_camel_case || !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    fn okta(json: &str) -> String {
        let event = LogEvent::read(json).unwrap();
        Writer::new(usize::MAX).object(|out| write(&event, true, out))
    }

    #[test]
    fn names_are_elastics_and_values_are_oktas() {
        let event = r#"{"displayMessage":"é","client":{"ipAddress":"1.2.3.4","x":null},"target":[{"alternateId":"a","detailEntry":{"fooBar":1.10}}],"debugContext":{"debugData":{"requestId":"r"}},"securityContext":{"asNumber":1,"isProxy":false}}"#;
        assert_eq!(
            okta(event),
            r#"{"okta":{"display_message":"é","client":{"ip":"1.2.3.4"},"target":[{"alternate_id":"a","detail_entry":{"fooBar":1.10}}],"debug_context":{"debug_data":{"flattened":{"requestId":"r"}}},"security_context":{"as":{"number":1},"is_proxy":false}}}"#
        );
    }

    #[test]
    fn depth_ends_somewhere() {
        let deep = format!("{{\"a\":{}1{}}}", "{\"bC\":".repeat(10_000), "}".repeat(10_000));
        assert!(okta(&deep).contains("b_c") && okta(&deep).contains("bC"));
    }
}
