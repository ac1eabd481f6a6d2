//! CloudEvents 1.0 around a command: attributes in headers with the command as payload, or all in one JSON object.
//!
//! Kafka's binding (3.2.3.1) has attributes as they are, in UTF-8. NATS's binding (3.1.3.2) has them like HTTP's
//! (3.1.3.2): characters beyond plain ASCII are percent-encoded, once, and quotes around the value are removed before
//! decoding.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{Headers, strict_json, unfit};
use crate::command::OutcomeError;

const KAFKA_ID: &str = "ce_id";
const NATS_ID: &str = "ce-id";
const CONTENT_TYPE: &str = "content-type";
const STRUCTURED: &str = "application/cloudevents+json";
/// Commands have no member of this name, so a sender that cannot set headers need not set the content type.
const SPEC_VERSION: &str = "specversion";

/// The CloudEvent's id in the headers.
pub(super) fn id(headers: &Headers) -> Option<String> {
    let kafka = header(headers, KAFKA_ID).map(Cow::Borrowed);
    kafka
        .or_else(|| {
            header(headers, NATS_ID)
                .and_then(|value| percent_decoded(&unquoted(value)).map(Cow::into_owned))
                .map(Cow::Owned)
        })
        .map(Cow::into_owned)
}

/// Whether `object` is a CloudEvent that contains the command.
pub(super) fn is_structured(headers: &Headers, object: &Map<String, Value>) -> bool {
    let is_said = header(headers, CONTENT_TYPE).is_some_and(|content_type| {
        let media_type = content_type.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(STRUCTURED)
    });
    is_said || object.contains_key(SPEC_VERSION)
}

/// The CloudEvent's id, and the command in it.
pub(super) fn open(mut event: Map<String, Value>) -> Result<(String, Map<String, Value>), OutcomeError> {
    let is_version_one = |version: &Value| version.as_str().is_some_and(|version| version.starts_with("1."));
    if !event.get(SPEC_VERSION).is_some_and(is_version_one) {
        return Err(unfit::cloud_event("`specversion` must be \"1.0\""));
    }
    let Some(Value::String(id)) = event.remove("id") else {
        return Err(unfit::cloud_event("`id` must be a string"));
    };
    match (event.remove("data"), event.remove("data_base64")) {
        (Some(Value::Object(command)), None) => Ok((id, command)),
        (None, Some(Value::String(encoded))) => {
            let bytes = STANDARD.decode(encoded);
            let bytes = bytes.map_err(|_| unfit::cloud_event("`data_base64` is not base64"))?;
            Ok((id, strict_json::object(&bytes)?))
        }
        (Some(_), None) => Err(unfit::cloud_event("`data` must be the command, a JSON object")),
        (None, Some(_)) => Err(unfit::cloud_event("`data_base64` must be a string")),
        (Some(_), Some(_)) => Err(unfit::cloud_event("there are both `data` and `data_base64`")),
        (None, None) => Err(unfit::cloud_event("`data` is missing: it must be the command")),
    }
}

/// The first header with this name, if it is text.
fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok()
}

/// The text between double quotes (RFC 7230, section 3.2.6), if `text` is quoted.
fn unquoted(text: &str) -> Cow<'_, str> {
    let Some(inside) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(plain)
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        match (byte, hex.and_then(|hex| std::str::from_utf8(hex).ok())) {
            (b'%', Some(hex)) => {
                decoded.push(u8::from_str_radix(hex, 16).ok()?);
                rest = &after[2..];
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}
