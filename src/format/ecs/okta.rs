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
            match name {
                "debugContext" if with_debug_data => write_debug_context(json, out),
                "debugContext" => {}
                "client" => write_member("client", json, 0, out),
                "securityContext" => write_security_context(json, out),
                _ => write_member(name, json, 0, out),
            }
        }
    });
}

/// Elastic has the debug data as one flattened field: its names may change from release to release.
fn write_debug_context(json: &str, out: &mut ObjectWriter<'_>) {
    let Some(context) = Object::read(json) else { return out.raw("debug_context", json) };
    out.object("debug_context", |out| {
        for (name, json) in context.members() {
            match name {
                "debugData" => {
                    out.object("debug_data", |out| out.raw("flattened", json));
                }
                _ => write_member(name, json, 1, out),
            }
        }
    });
}

fn write_security_context(json: &str, out: &mut ObjectWriter<'_>) {
    let Some(context) = Object::read(json) else { return out.raw("security_context", json) };
    out.object("security_context", |out| {
        out.object("as", |out| {
            if let Some(number) = context.raw("asNumber") {
                out.raw("number", number);
            }
            if let Some(organization) = context.raw("asOrg") {
                out.object("organization", |out| out.raw("name", organization));
            }
        });
        let others = context.members().filter(|(name, _)| !matches!(*name, "asNumber" | "asOrg"));
        others.for_each(|(name, json)| write_member(name, json, 1, out));
    });
}

fn write_member(name: &str, json: &str, depth: usize, out: &mut ObjectWriter<'_>) {
    let snake = if name == "ipAddress" { Cow::Borrowed("ip") } else { snake_case(name) };
    if depth < DEPTH_MAX && !FREE.contains(&name) {
        if let Some(object) = Object::read(json) {
            out.object(&snake, |out| write_members(&object, depth, out));
            return;
        }
        if let Some(elements) = Object::read_elements(json) {
            out.array(&snake, |out| elements.iter().for_each(|json| write_element(json, depth, out)));
            return;
        }
    }
    out.raw(&snake, json);
}

fn write_members(object: &Object<'_>, depth: usize, out: &mut ObjectWriter<'_>) {
    object.members().for_each(|(name, json)| write_member(name, json, depth + 1, out));
}

fn write_element(json: &str, depth: usize, out: &mut ArrayWriter<'_>) {
    match Object::read(json) {
        Some(object) => out.object(|out| write_members(&object, depth, out)),
        None => out.raw(json),
    }
}

/// `alternateId` becomes `alternate_id`.
fn snake_case(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, c) in name.char_indices() {
        if c.is_ascii_uppercase() && index > 0 {
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
