//! Parts of an event in other forms than Okta's. What stands between Okta and us may have made a text of an object, as JSON or
//! as Java prints it, or a list of it. Such an event is given with these parts as objects, so that whoever reads a part knows
//! one form of it.
//!
//! An event in Okta's own form pays nothing for it. What cannot be read stays as it is, and the event knows that it has it
//! ([`LogEvent::has_other_forms`]): every format tells so.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use super::{facts::notation, log_event::LogEvent, object::Object};
use crate::event::{
    json::{Document, Value},
    named_values::{NAMES, VALUES, is_any},
    repaired,
};

/// What every format says of an event with a part that could not be read.
pub(super) const UNREAD: &str =
    "form: a part of the event is not in Okta's form and cannot be read; it is told as it was written";

/// The parts that are objects, by their paths.
const OBJECTS: [&[&str]; 15] = [
    &["actor"],
    &["client"],
    &["client", "userAgent"],
    &["client", "geographicalContext"],
    &["client", "geographicalContext", "geolocation"],
    &["device"],
    &["authenticationContext"],
    &["authenticationContext", "issuer"],
    &["outcome"],
    &["securityContext"],
    &["transaction"],
    &["transaction", "detail"],
    &["request"],
    &["debugContext"],
    &["debugContext", "debugData"],
];
/// The parts that are lists of objects.
const LISTS: [&[&str]; 2] = [&["target"], &["request", "ipChain"]];
/// A member of such an object that is one.
const DETAIL: &str = "detailEntry";
/// The parts that are texts and decide what an event means.
const TEXTS: [&[&str]; 2] = [&["client", "ipAddress"], &["outcome", "result"]];

/// What a list of names and values has beside them.
const TYPES: [&str; 3] = ["type", "dataType", "@type"];

/// What is in a part may be in another form too.
const PASSES: usize = 3;
/// How many lists may stand around an object.
const DEPTH_MAX: usize = 4;

/// Calls `with` with the event that `json` is, in Okta's form as far as it can be read; None if it is no object.
pub(super) fn with_event<T>(json: &Document<'_>, with: impl FnOnce(Option<LogEvent<'_>>) -> T) -> T {
    with_event_after(json, PASSES, with)
}

fn with_event_after<T>(
    json: &Document<'_>,
    passes: usize,
    with: impl FnOnce(Option<LogEvent<'_>>) -> T,
) -> T {
    let event = LogEvent::read(json);
    let is_other = event.as_ref().is_some_and(|event| event.has_other_forms || event.has_odd_targets);
    let restored = if is_other && passes > 0 { restored(json.value()) } else { None };
    match restored {
        Some(restored) => with_event_after(&Document::read(&restored), passes - 1, with),
        None => with(event),
    }
}

/// What stands in place of a part.
#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    json: String,
}

/// The event with its parts in Okta's form; None if nothing of it is in another that can be read.
#[cold]
fn restored(event: Value<'_, '_>) -> Option<String> {
    let find = |path: &[&str]| path.iter().try_fold(event, |value, name| value.last(name));
    let mut edits = Vec::new();
    let mut replace = |part: Value<'_, '_>, json: Option<String>| {
        edits.extend(json.map(|json| Edit { range: part.place(), json }));
    };
    for part in OBJECTS.into_iter().filter_map(find).filter(|part| !is_object(*part)) {
        replace(part, object(part.raw(), DEPTH_MAX));
    }
    for list in LISTS.into_iter().filter_map(find) {
        match list.first_byte() {
            b'[' => {
                for element in list.elements() {
                    match element.last(DETAIL) {
                        Some(detail) if !is_object(detail) => {
                            replace(detail, object(detail.raw(), DEPTH_MAX));
                        }
                        None if element.first_byte() == b'"' => {
                            replace(element, object(element.raw(), DEPTH_MAX));
                        }
                        _ => {}
                    }
                }
            }
            b'{' => replace(list, Some(["[", list.raw(), "]"].concat())),
            _ => replace(list, objects(list.raw())),
        }
    }
    for text in TEXTS.into_iter().filter_map(find) {
        replace(text, only_text(text));
    }
    if edits.is_empty() {
        return None;
    }
    edits.sort_unstable_by_key(|edit| edit.range.start);
    let Range { start: mut copied, end } = event.place();
    let whole = event.raw();
    let offset = copied;
    let mut text = String::with_capacity(whole.len());
    for Edit { range, json } in edits {
        text.push_str(whole.get(copied - offset..range.start - offset).unwrap_or_default());
        text.push_str(&json);
        copied = range.end;
    }
    text.push_str(whole.get(copied - offset..end - offset).unwrap_or_default());
    Some(text)
}

fn is_object(value: Value<'_, '_>) -> bool {
    value.first_byte() == b'{'
}

/// Whether the JSON of what should be an object says something in another form.
#[cold]
pub(super) fn is_other(json: &str) -> bool {
    !json.starts_with('{') && notation::content(json).is_some_and(|content| !is_empty_list(&content))
}

fn is_empty_list(json: &str) -> bool {
    Object::read_elements(json).is_some_and(|elements| elements.is_empty())
}

/// The object that `json` says in another form: a text with JSON or with what Java prints, or a list of objects that are
/// parts of one.
fn object(json: &str, depth: usize) -> Option<String> {
    let content = notation::content(json)?;
    if Object::read(&*content).is_some() {
        return Some(repaired(&content).into_owned());
    }
    if let Some(elements) = Object::read_elements(&*content) {
        return merged(&elements, depth.checked_sub(1)?);
    }
    let entries = notation::printed_map(&content)?;
    written(entries.into_iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Owned(quoted(value)))))
}

/// The one object that the elements of a list are: its parts, or its members, each with its name and its value.
fn merged(elements: &[&str], depth: usize) -> Option<String> {
    let parts: Option<Vec<String>> = elements.iter().map(|element| object(element, depth)).collect();
    let parts = parts?;
    let parts: Option<Vec<_>> = parts.iter().map(|part| Object::read(part.as_str())).collect();
    let parts = parts.filter(|parts| !parts.is_empty())?;
    let members: Vec<_> = parts.iter().filter_map(named_value).collect();
    match members.len() {
        named if named == parts.len() => {
            written(members.into_iter().map(|(name, json)| (name, Cow::Borrowed(json))))
        }
        1.. => None,
        0 => {
            let members = parts.iter().flat_map(Object::members);
            written(members.map(|(name, json)| (Cow::Borrowed(name), Cow::Borrowed(json))))
        }
    }
}

/// The member that `{"name":"risk","value":"HIGH"}` tells of, in any case of its letters.
fn named_value<'a>(member: &Object<'a>) -> Option<(Cow<'a, str>, &'a str)> {
    let (mut name, mut value) = (None, None);
    for (known, json) in member.members() {
        if is_any(&NAMES, known) {
            name = notation::content(json);
        } else if is_any(&VALUES, known) {
            value = Some(json);
        } else if !is_any(&TYPES, known) {
            return None;
        }
    }
    Some((name?, value?))
}

/// An object with these members; None if a name is there twice, since nobody knows which is meant.
fn written<'m>(members: impl Iterator<Item = (Cow<'m, str>, Cow<'m, str>)>) -> Option<String> {
    let mut names = HashSet::new();
    let mut object = String::from("{");
    for (name, json) in members {
        if object.len() > 1 {
            object.push(',');
        }
        object.push_str(&quoted(&name));
        object.push(':');
        object.push_str(&json);
        if !names.insert(name) {
            return None;
        }
    }
    object.push('}');
    Some(object)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The list of objects that a text says; one object is a list of one.
fn objects(json: &str) -> Option<String> {
    let content = notation::content(json)?;
    if content.starts_with('[') && Object::read_elements(&*content).is_some() {
        return Some(repaired(&content).into_owned());
    }
    Some(["[", &object(json, DEPTH_MAX)?, "]"].concat())
}

/// Whether the JSON of what should be a text says it in another form.
pub(super) fn is_other_text(json: &str) -> bool {
    json.starts_with(['[', '{']) || json.starts_with("\"\\\"")
}

/// The text that `value` says in another form: the JSON of a text in a text, or the only one in an object or a list.
fn only_text(value: Value<'_, '_>) -> Option<String> {
    if value.first_byte() == b'"' {
        let text = value.string()?;
        let inside = text.trim_ascii().strip_prefix('"')?.strip_suffix('"')?;
        return Some(quoted(inside));
    }
    let mut inside = value.items();
    let text = inside.next().filter(|text| text.first_byte() == b'"')?;
    inside.next().is_none().then(|| text.raw().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(json: &str, read: impl FnOnce(&LogEvent<'_>) -> T) -> T {
        with_event(&Document::read(json), |event| read(&event.unwrap()))
    }

    #[test]
    fn a_part_is_read_in_every_form() {
        let inside = r#""threatSuspected":"true","x":"a, b=c (d)""#;
        let text = |text: &str| serde_json::to_string(text).unwrap();
        let map = "{threatSuspected=true, x=a, b=c (d)}";
        for context in [
            format!(r#"{{"debugData":{{{inside}}}}}"#),
            format!(r#"{{"debugData":{}}}"#, text(&format!("{{{inside}}}"))),
            format!(r#"{{"debugData":[{{{inside}}}]}}"#),
            format!(r#"{{"debugData":[{}]}}"#, text(&format!("{{{inside}}}"))),
            format!(r#"[{{"debugData":{{{inside}}}}}]"#),
            text(&format!(r#"{{"debugData":{{{inside}}}}}"#)),
            text(&format!(r#"{{"debugData":{}}}"#, text(&format!("{{{inside}}}")))),
            r#"{"debugData":[{"threatSuspected":"true"},{"x":"a, b=c (d)"}]}"#.to_owned(),
            r#"{"debugData":[{"name":"threatSuspected","value":"true"},{"key":"x","value":"a, b=c (d)"}]}"#
                .to_owned(),
        ] {
            read(&format!(r#"{{"eventType":"a.b","debugContext":{context},"z":1}}"#), |event| {
                let told =
                    ["threatSuspected", "x"].map(|name| event.debug_data.peek(name).unwrap().into_owned());
                assert_eq!(told, ["true", "a, b=c (d)"], "{context}");
                assert!(!event.has_other_forms, "{context}");
                assert_eq!(event.root.peek("z").as_deref(), Some("1"));
            });
        }
        for context in [format!(r#"{{"debugData":{}}}"#, text(map)), text(&format!("{{debugData={map}}}"))] {
            read(&format!(r#"{{"debugContext":{context}}}"#), |event| {
                assert_eq!(event.debug_data.peek("threatSuspected").as_deref(), Some("true"), "{context}");
                assert!(!event.has_other_forms, "{context}");
            });
        }
    }

    #[test]
    fn every_part_of_an_event_has_its_forms() {
        let ada = r#"{"id":"00uAda","type":"User"}"#;
        let text = serde_json::to_string(ada).unwrap();
        for form in [text.as_str(), &format!("[{ada}]"), &format!("[{text}]"), r#""{id=00uAda, type=User}""#]
        {
            for part in
                ["actor", "client", "device", "transaction", "authenticationContext", "outcome", "request"]
            {
                read(&format!(r#"{{"{part}":{form}}}"#), |event| {
                    let objects = [
                        &event.actor.object,
                        &event.client,
                        &event.device,
                        &event.transaction,
                        &event.authentication,
                        &event.outcome,
                        &event.request,
                    ];
                    let found = objects.into_iter().filter_map(|object| object.peek("id"));
                    assert_eq!(found.collect::<Vec<_>>(), ["00uAda"], "{part}: {form}");
                });
            }
            read(&format!(r#"{{"target":[{{"id":"1","detailEntry":{form}}}]}}"#), |event| {
                assert_eq!(event.targets[0].detail.peek("id").as_deref(), Some("00uAda"), "{form}");
            });
        }
        let list = serde_json::to_string(&format!("[{ada}]")).unwrap();
        for form in [text.as_str(), &list, &format!("[{text}]")] {
            for (path, end) in [(r#"{"target":"#, "}"), (r#"{"request":{"ipChain":"#, "}}")] {
                read(&[path, form, end].concat(), |event| {
                    let targets = event.targets.iter().map(|target| target.object.peek("id"));
                    let found = targets.chain(event.ip_chain.iter().map(|hop| hop.peek("id")));
                    assert_eq!(found.flatten().collect::<Vec<_>>(), ["00uAda"], "{path} {form}");
                    assert!(!event.has_odd_targets && !event.has_other_forms);
                });
            }
        }
        read(&format!(r#"{{"request":{{"ipChain":{ada}}}}}"#), |event| assert_eq!(event.ip_chain.len(), 1));
        for address in [r#"["198.51.100.7"]"#, r#"{"ip":"198.51.100.7"}"#] {
            read(&format!(r#"{{"client":{{"ipAddress":{address}}}}}"#), |event| {
                assert_eq!(event.client.peek("ipAddress").as_deref(), Some("198.51.100.7"), "{address}");
            });
        }
        for result in [r#"["FAILURE"]"#, r#"{"value":"FAILURE"}"#, r#""\"FAILURE\"""#] {
            for outcome in [format!(r#"{{"result":{result}}}"#), format!(r#"[{{"result":{result}}}]"#)] {
                read(&format!(r#"{{"outcome":{outcome}}}"#), |event| {
                    assert_eq!(event.outcome.peek("result").as_deref(), Some("FAILURE"), "{outcome}");
                    assert!(!event.has_other_forms, "{outcome}");
                });
            }
        }
    }

    #[test]
    fn a_text_in_which_something_could_hide_is_no_map() {
        let high = "risk={level=HIGH}";
        for text in [
            format!("{{requestId=R1; {high}}}"),
            format!("requestId=R1\n{high}\nthreatSuspected=true"),
            "{a=1, threatSuspected: true, riskLevel: HIGH}".to_owned(),
            "{a=1, my.risk=HIGH, b=2}".to_owned(),
            "{a=1; riskLevel: HIGH}".to_owned(),
            "a=1&threatSuspected=true&riskLevel=HIGH".to_owned(),
            "a=1|riskLevel=HIGH".to_owned(),
            r#"a="1" threatSuspected="true" risk="HIGH""#.to_owned(),
            "{x=1, 'risk'='HIGH'}".to_owned(),
            format!("{{url=/a?q={{, threatSuspected=true, {high}, ua=}}, x=1}}"),
            format!("{{url=/a?q=[, threatSuspected=true, {high}, ua=}}, x=1}}"),
            format!("{{{high}, url=/a?{{, riskLevel=HIGH, y=}}}}"),
            format!("{{{high} x=y}}"),
            "eyJ0aHJlYXQiOjF9Cg==".to_owned(),
        ] {
            let quoted = serde_json::to_string(&text).unwrap();
            for event in [
                format!(r#"{{"debugContext":{{"debugData":{quoted}}}}}"#),
                format!(r#"{{"securityContext":{quoted}}}"#),
                format!(r#"{{"actor":[{quoted}]}}"#),
            ] {
                read(&event, |read| assert!(read.has_other_forms, "{event}"));
            }
        }
        let plain = "{url=/oauth2/v1/authorize?client_id=0oa1&state=a%3D, rawUserAgent=Mozilla/5.0 (X11; Linux; rv:1.0) (KHTML, like \
            Gecko), dtHash=f0==, at=2026-11-01T10:00:00Z, city=Paris, 12:30, empty=, ids=[a, b], risk={level=HIGH, reasons=A: b, C}}";
        let event = serde_json::json!({"debugContext": {"debugData": plain}}).to_string();
        read(&event, |read| {
            assert!(!read.has_other_forms);
            assert_eq!(read.debug_data.peek("dtHash").as_deref(), Some("f0=="));
            assert_eq!(read.debug_data.peek("risk").as_deref(), Some("{level=HIGH, reasons=A: b, C}"));
        });
    }

    #[test]
    fn a_list_of_names_and_values_is_read_however_these_are_called() {
        for (list, is_read) in [
            (r#"[{"Key":"threatSuspected","Value":"true"}]"#, true),
            (r#"[{"k":"threatSuspected","v":"true"},{"k":"x","v":"null"}]"#, true),
            (r#"[{"name":"threatSuspected","value":"true","type":"string"}]"#, true),
            (r#"[{"name":"threatSuspected","value":"true"},{"risk":"HIGH"}]"#, false),
        ] {
            read(&format!(r#"{{"debugContext":{{"debugData":{list}}}}}"#), |event| {
                assert_eq!(event.has_other_forms, !is_read, "{list}");
                assert_eq!(event.debug_data.peek("threatSuspected").is_some(), is_read, "{list}");
            });
        }
    }

    #[test]
    fn what_cannot_be_read_stays_and_is_known() {
        for event in [
            r#"{"actor":5}"#,
            r#"{"actor":"ada"}"#,
            r#"{"actor":[{"id":"1"},{"id":"2"}]}"#,
            r#"{"debugContext":{"debugData":"{a=1, a=2}"}}"#,
            r#"{"debugContext":{"debugData":"{\"a\":\"b"}}"#,
            r#"{"debugContext":{"debugData":"{a=1, b={c=2}"}}"#,
            r#"{"debugContext":{"debugData":"the risk is high"}}"#,
            r#"{"client":{"ipAddress":["198.51.100.7","198.51.100.8"]}}"#,
            r#"{"client":{"ipAddress":{"ip":"198.51.100.7","port":1}}}"#,
            r#"{"outcome":{"result":["SUCCESS","FAILURE"]}}"#,
            r#"{"request":{"ipChain":["198.51.100.7"]}}"#,
            r#"{"target":[{"detailEntry":[1]}]}"#,
        ] {
            read(event, |read| {
                assert!(read.has_other_forms, "{event}");
                assert_eq!(Document::read(event).text(), event);
            });
        }
        for nothing in [r#""""#, "[]", r#""null""#, "null", "{}"] {
            let event = format!(
                r#"{{"actor":{nothing},"debugContext":{{"debugData":{nothing}}},"client":{nothing}}}"#
            );
            read(&event, |read| assert!(!read.has_other_forms, "{event}"));
        }
        let deep = format!(r#"{{"actor":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        read(&deep, |read| assert!(read.has_other_forms));
    }
}
