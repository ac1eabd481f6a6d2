//! What has no field of its own, as pairs of key and text under Okta's names. All values are texts: a key has one type
//! whatever Okta sends, and Google's search compares texts. What is no scalar is the text of its JSON.

use std::borrow::Cow;

use super::super::{
    object::Object,
    writer::{ArrayWriter, ObjectWriter},
};
use crate::event::{is_missing, json::Document};

/// Writes the members that were not taken as the labels `name`. Those of an object are labels each, so that
/// `detailEntry.policyType` can be searched for.
pub(super) fn write(name: &'static str, object: &Object<'_>, out: &mut ObjectWriter<'_>) {
    out.array(name, |out| write_rest(object, out));
}

/// Writes the same as elements.
pub(super) fn write_rest(object: &Object<'_>, out: &mut ArrayWriter<'_>) {
    for (name, json) in object.rest() {
        match Some(json).filter(|json| json.starts_with('{')).and_then(Object::read) {
            Some(inner) => {
                for (part, json) in inner.members() {
                    if let Some(text) = text(json) {
                        write_one(&[name, ".", part].concat(), &text, out);
                    }
                }
            }
            None => {
                if let Some(text) = text(json) {
                    write_one(name, &text, out);
                }
            }
        }
    }
}

/// Writes one label.
pub(super) fn write_one(key: &str, value: &str, out: &mut ArrayWriter<'_>) {
    out.object(|out| {
        out.text("key", key);
        out.text("value", value);
    });
}

/// The text of a JSON value; None if it says nothing.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let text = match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Cow::Borrowed(text),
        Some(_) => Document::read(json).value().string().unwrap_or(Cow::Borrowed(json)),
        None if matches!(json, "{}" | "[]") => return None,
        None => Cow::Borrowed(json),
    };
    (!is_missing(&text)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    #[test]
    fn every_value_is_a_text_and_what_says_nothing_is_left_out() {
        let object = Object::read(
            r#"{"a":"x\ny","b":{"c":1.50,"d":{"e":[null]},"f":null},"g":[1],"h":"unknown","i":{},"j":false}"#,
        )
        .unwrap();
        let written = Writer::new(usize::MAX).object(|out| write("labels", &object, out));
        let pair = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":"{value}"}}"#);
        let pairs = [
            pair("a", r"x\ny"),
            pair("b.c", "1.50"),
            pair("b.d", r#"{\"e\":[null]}"#),
            pair("g", "[1]"),
            pair("j", "false"),
        ];
        assert_eq!(written, format!(r#"{{"labels":[{}]}}"#, pairs.join(",")));
    }
}
