//! `okta`: the whole event under Okta's names in snake case, as Elastic's Okta integration has them.

use std::{borrow::Cow, collections::HashSet};

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
        for Member { name, name_out, json } in named(&event.root) {
            match (name, Object::read(json)) {
                ("debugContext", _) if !with_debug_data => {}
                ("debugContext", Some(context)) => write_debug_context(&name_out, &context, out),
                ("securityContext", Some(context)) => write_security_context(&name_out, &context, out),
                _ => write_member(name, &name_out, json, 0, out),
            }
        }
    });
}

/// Elastic has the debug data as one flattened field: its names may change from release to release.
fn write_debug_context(name_out: &str, context: &Object<'_>, out: &mut ObjectWriter<'_>) {
    out.object(name_out, |out| {
        for Member { name, name_out, json } in named(context) {
            if name == "debugData" {
                out.object(&name_out, |out| out.raw("flattened", json));
            } else {
                write_member(name, &name_out, json, 1, out);
            }
        }
    });
}

fn write_security_context(name_out: &str, context: &Object<'_>, out: &mut ObjectWriter<'_>) {
    const SYSTEM: [&str; 2] = ["asNumber", "asOrg"];
    out.object(name_out, |out| {
        let is_nested = |name: &str| SYSTEM.contains(&name) && context.raw("as").is_none();
        out.object("as", |out| {
            let [number, organization] = SYSTEM.map(|name| context.raw(name).filter(|_| is_nested(name)));
            number.inspect(|number| out.raw("number", number));
            organization.inspect(|organization| {
                out.object("organization", |out| out.raw("name", organization));
            });
        });
        let others = named(context).into_iter().filter(|member| !is_nested(member.name));
        others.for_each(|Member { name, name_out, json }| write_member(name, &name_out, json, 1, out));
    });
}

/// A member with the name that it has in the output.
struct Member<'a> {
    name: &'a str,
    name_out: Cow<'a, str>,
    json: &'a str,
}

/// All members of `object`, each with a name that no other has: Elasticsearch refuses an object that has one twice. What
/// is in snake case already keeps its name; where two become one, the first gets it and the other stays as it is.
fn named<'a>(object: &'a Object<'_>) -> Vec<Member<'a>> {
    let mut members: Vec<_> = object
        .members()
        .map(|(name, json)| {
            let name_out = if name == "ipAddress" { Cow::Borrowed("ip") } else { snake_case(name) };
            Member { name, name_out, json }
        })
        .collect();
    let unchanged = members.iter().filter(|member| member.name_out == member.name);
    let mut taken: HashSet<Cow<'a, str>> = unchanged.map(|member| member.name_out.clone()).collect();
    for member in members.iter_mut().filter(|member| member.name_out != member.name) {
        if !taken.insert(member.name_out.clone()) {
            member.name_out = Cow::Borrowed(member.name);
        }
    }
    members
}

/// Writes the member `name` as `name_out`.
fn write_member(name: &str, name_out: &str, json: &str, depth: usize, out: &mut ObjectWriter<'_>) {
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
    let members = named(object).into_iter();
    members.for_each(|Member { name, name_out, json }| write_member(name, &name_out, json, depth + 1, out));
}

fn write_element(json: &str, depth: usize, out: &mut ArrayWriter<'_>) {
    match Object::read(json) {
        Some(object) => out.object(|out| write_members(&object, depth, out)),
        None => out.raw(json),
    }
}

/// `alternateId` becomes `alternate_id`.
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
    fn names_that_become_one_stay_two() {
        for (event, expected) in [
            (r#"{"aBC":1,"aB_c":2}"#, r#"{"a_b_c":1,"aB_c":2}"#),
            (r#"{"aB_c":2,"aBC":1,"a_b_c":3}"#, r#"{"aB_c":2,"aBC":1,"a_b_c":3}"#),
            (r#"{"client":{"ipAddress":"1","ip":"2"}}"#, r#"{"client":{"ipAddress":"1","ip":"2"}}"#),
            (
                r#"{"debugContext":{"debugData":1,"debug_data":2},"debug_context":3}"#,
                r#"{"debugContext":{"debugData":{"flattened":1},"debug_data":2},"debug_context":3}"#,
            ),
            (
                r#"{"securityContext":{"asOrg":"x"},"security_context":{"a":1}}"#,
                r#"{"securityContext":{"as":{"organization":{"name":"x"}}},"security_context":{"a":1}}"#,
            ),
        ] {
            assert_eq!(okta(event), format!("{{\"okta\":{expected}}}"));
        }
    }

    #[test]
    fn depth_ends_somewhere() {
        let deep = format!("{{\"a\":{}1{}}}", "{\"bC\":".repeat(10_000), "}".repeat(10_000));
        assert!(okta(&deep).contains("b_c") && okta(&deep).contains("bC"));
    }
}
