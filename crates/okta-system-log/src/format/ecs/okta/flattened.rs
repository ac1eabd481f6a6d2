//! Values that may have any shape, for fields of Elasticsearch's type `flattened`: all leaves become keywords of one field,
//! whatever their names and types, so that neither a conflict of types nor too many fields can come of them.

use std::borrow::Cow;

use super::super::super::{
    object::{Member, Object},
    writer::ObjectWriter,
};

/// Elasticsearch takes 20 levels in a flattened field; some are used up above.
const DEPTH_MAX: usize = 14;

/// Writes a member of a flattened field under its own name.
pub(super) fn write_member(member: Member<'_, '_>, out: &mut ObjectWriter<'_>) {
    match member.compact() {
        // Without escapes its name has no null character.
        Some(compact) if is_taken(member.json()) => out.okta_member(compact),
        _ => write(member.name(), member.json(), out),
    }
}

/// Writes a member of a flattened field; as its text if Elasticsearch would not take it as it is.
pub(super) fn write(name: &str, json: &str, out: &mut ObjectWriter<'_>) {
    let name = &name_without_null(name);
    if is_taken(json) {
        out.okta_raw(name, json);
    } else {
        out.okta_text(name, json);
    }
}

/// How JSON writes a null character.
const NULL: &str = "\\u0000";

/// The name of a member of a flattened field: with a null character in it, Elasticsearch would refuse the whole event. As
/// JSON writes one it is an ordinary text. A name that says such a text itself is written as JSON would too, so that no two
/// names become one.
pub(super) fn name_without_null(name: &str) -> Cow<'_, str> {
    let may_have_null = name.bytes().any(|byte| matches!(byte, b'\0' | b'\\'));
    if may_have_null && (name.contains('\0') || name.contains(NULL)) {
        return Cow::Owned(name.replace('\\', "\\\\").replace('\0', NULL));
    }
    Cow::Borrowed(name)
}

/// Writes a flattened field, which is an object or several; false if `json` is neither.
pub(super) fn write_objects(name: &'static str, json: &str, out: &mut ObjectWriter<'_>) -> bool {
    let fits = is_objects(json) && is_taken(json);
    if fits {
        out.raw(name, json);
    }
    fits
}

fn is_objects(json: &str) -> bool {
    json.starts_with('{')
        || Object::read_elements(json)
            .is_some_and(|elements| elements.iter().all(|json| json.starts_with('{')))
}

/// Whether Elasticsearch takes it: not too deep, and without a null character, with which it parts names from values.
fn is_taken(json: &str) -> bool {
    let is_nested = matches!(json.as_bytes().first(), Some(b'{' | b'['));
    !is_nested || (depth(json) <= DEPTH_MAX && !(json.contains('\\') && json.contains(NULL)))
}

/// How many objects and arrays are in each other.
fn depth(json: &str) -> usize {
    let openings = json.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if openings <= DEPTH_MAX {
        return openings;
    }
    let (mut depth, mut deepest): (usize, usize) = (0, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::super::super::super::writer::Writer;
    use super::*;

    #[test]
    fn names_stay_apart_without_their_null_characters() {
        let names = ["a\0", "a\\u0000", "a\\\\u0000", "\\a\0", "\\\\a\0", "a\\\0", "a\\", "a"];
        let written: std::collections::BTreeSet<_> = names.map(name_without_null).into_iter().collect();
        assert_eq!(written.len(), names.len(), "{written:?}");
        assert!(written.iter().all(|name| !name.contains('\0')));
        assert!(written.contains("a\\") && written.contains("a"), "an ordinary name stays as it is");
    }

    #[test]
    fn what_is_too_deep_becomes_a_text() {
        let write = |json: &str| Writer::new(usize::MAX).object(|out| write("a", json, out));
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(write(&deep(DEPTH_MAX)), format!("{{\"a\":{}}}", deep(DEPTH_MAX)));
        assert_eq!(write(&deep(DEPTH_MAX + 1)), format!("{{\"a\":\"{}\"}}", deep(DEPTH_MAX + 1)));
        let wide = format!("[{}]", vec![r#"{"a":"[[[[[[[[[[\"[[[[[["}"#; 20].join(","));
        assert_eq!(write(&wide), format!("{{\"a\":{wide}}}"));
        assert_eq!(write(r#"{"a\u0000":1}"#), r#"{"a":"{\"a\\u0000\":1}"}"#);
    }
}
