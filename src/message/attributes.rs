//! CloudEvents 1.0.2 attributes of a message, and its structured JSON form.
//!
//! How the attributes are written as headers differs between Kafka and NATS and is the sinks' business.

use bytes::Bytes;
use okta_system_log::event::push_printable;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{batch::Message, template::Template};

/// The attributes of one message. Meant to be reused from message to message, so that it allocates once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Unique together with `source`: the event's uuid, followed by `:format` unless the format is Okta's own,
    /// and by `:redacted` if fields are redacted.
    pub id: String,
    /// `https://<org's domain>/api/v1/logs`.
    pub source: String,
    /// `com.okta.<eventType>`; ours, such as `oktabus.search.batch`, as they are.
    pub event_type: String,
    /// The id of the user that the event is about; empty if there is none.
    pub subject: String,
    /// `published` as Okta wrote it; empty if there is none, or none that is a time.
    pub time: String,
    /// The schema of the payload, if it has a URI.
    pub data_schema: Option<&'static str>,
    /// What orders messages (the partitioning extension); empty if nothing does.
    pub partition_key: String,
}

/// Media type of a payload that is one JSON value.
pub const CONTENT_TYPE: &str = "application/json";
/// Media type of the structured form.
pub const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";
/// The header of the trace that a message is part of, by W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// The version of the CloudEvents specification that is followed.
const SPEC_VERSION: &str = "1.0";

const TYPE_PREFIX: &str = "com.okta.";
/// What types begin with that are no types of Okta's: they stay as they are.
const OWN_TYPES: &str = "oktabus.";
const UNKNOWN_TYPE: &str = "unknown";

impl Attributes {
    /// Overwrites all attributes with those of `message`, whose key `key` gives. Whatever the event says, all are as
    /// CloudEvents demands.
    pub fn fill(&mut self, message: &Message<'_>, key: &Template) {
        let event = message.event;
        let [colon, format, redacted] = message.origin.id_suffix();
        replace(&mut self.id, &[&event.identity(), colon, format, redacted]);
        replace(&mut self.source, &[&message.origin.source]);
        let event_type = event.event_type().unwrap_or(UNKNOWN_TYPE);
        let prefix = if event_type.starts_with(OWN_TYPES) { "" } else { TYPE_PREFIX };
        replace(&mut self.event_type, &[prefix, event_type]);
        replace(&mut self.subject, &[event.subject().unwrap_or_default()]);
        let time = event.published().filter(|published| is_rfc3339(published));
        replace(&mut self.time, &[time.unwrap_or_default()]);
        self.data_schema = message.schema;
        key.render(message, &mut self.partition_key);
    }

    /// The attributes that have a value, as pairs of CloudEvents name and value, `specversion` among them.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("specversion", SPEC_VERSION),
            ("id", &self.id),
            ("type", &self.event_type),
            ("source", &self.source),
            ("time", &self.time),
            ("subject", &self.subject),
            ("dataschema", self.data_schema.unwrap_or_default()),
            ("partitionkey", &self.partition_key),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }

    /// The structured form: one JSON object with the attributes and `payload` under `data`.
    pub fn structured(&self, payload: &Bytes) -> Result<Bytes, serde_json::Error> {
        let data: &RawValue = serde_json::from_slice(payload)?;
        serde_json::to_vec(&Envelope { attributes: self, data }).map(Bytes::from)
    }
}

fn replace(target: &mut String, parts: &[&str]) {
    target.clear();
    for part in parts {
        push_printable(part, target);
    }
}

/// Whether `text` is a `date-time` of RFC 3339, to which CloudEvents holds `time`. The numbers' ranges are looked at one by
/// one, as in the grammar.
fn is_rfc3339(text: &str) -> bool {
    let Some((date, rest)) = text.as_bytes().split_at_checked(10) else { return false };
    let [b'T' | b't', rest @ ..] = rest else { return false };
    let Some((time, rest)) = rest.split_at_checked(8) else { return false };
    let fraction = rest.strip_prefix(b".").unwrap_or_default();
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zone = match (rest.first(), digits) {
        (Some(b'.'), 0) => return false,
        (Some(b'.'), digits) => &fraction[digits..],
        _ => rest,
    };
    let is_date = matches!(date, [y @ .., b'-', m1, m2, b'-', d1, d2]
        if y.len() == 4 && y.iter().all(u8::is_ascii_digit)
            && is_within(&[*m1, *m2], 1, 12) && is_within(&[*d1, *d2], 1, 31));
    let is_zone = match zone {
        b"Z" | b"z" => true,
        [b'+' | b'-', offset @ ..] => is_clock(offset, 0),
        _ => false,
    };
    is_date && is_clock(time, 60) && is_zone
}

/// Whether `text` is `hh:mm`, or `hh:mm:ss` if seconds may go up to `seconds_max`, which is above zero.
fn is_clock(text: &[u8], seconds_max: u8) -> bool {
    match text {
        [h1, h2, b':', m1, m2, seconds @ ..] => {
            let is_seconds = match seconds {
                [] => seconds_max == 0,
                [b':', seconds @ ..] => seconds_max > 0 && is_within(seconds, 0, seconds_max),
                _ => false,
            };
            is_within(&[*h1, *h2], 0, 23) && is_within(&[*m1, *m2], 0, 59) && is_seconds
        }
        _ => false,
    }
}

fn is_within(digits: &[u8], min: u8, max: u8) -> bool {
    let [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = digits else { return false };
    (min..=max).contains(&((tens - b'0') * 10 + (ones - b'0')))
}

struct Envelope<'a> {
    attributes: &'a Attributes,
    data: &'a RawValue,
}

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.attributes.pairs() {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("datacontenttype", CONTENT_TYPE)?;
        map.serialize_entry("data", self.data)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::batch::tests::batch, *};
    use crate::message::TemplateUse;

    const EVENT: &str = r#"{"uuid":"u-1","published":"2026-01-02T03:04:05.678Z","eventType":"user.session.start","actor":{"id":"00u1"},"n":34.4740}"#;

    fn key() -> Template {
        Template::parse("{user|org}", TemplateUse::Key).unwrap()
    }

    #[test]
    fn attributes_are_those_of_the_event() {
        let batch = batch(&format!("[{EVENT}]"));
        let mut attributes = Attributes::default();
        let message = batch.messages().next().unwrap();
        let schema = Some("https://schema.ocsf.io/schema/1.8.0/classes/authentication");
        attributes.fill(&Message { schema, ..message }, &key());
        let pairs: Vec<_> = attributes.pairs().collect();
        assert_eq!(
            pairs,
            [
                ("specversion", "1.0"),
                ("id", "u-1"),
                ("type", "com.okta.user.session.start"),
                ("source", "https://acme.okta.com/api/v1/logs"),
                ("time", "2026-01-02T03:04:05.678Z"),
                ("subject", "00u1"),
                ("dataschema", "https://schema.ocsf.io/schema/1.8.0/classes/authentication"),
                ("partitionkey", "00u1"),
            ]
        );
    }

    #[test]
    fn what_is_absent_leaves_nothing_of_the_message_before() {
        let batch = batch(&format!("[{EVENT},{{}}]"));
        let mut attributes = Attributes::default();
        for message in batch.messages() {
            attributes.fill(&message, &key());
        }
        let names: Vec<_> = attributes.pairs().map(|(name, _)| name).collect();
        assert_eq!(names, ["specversion", "id", "type", "source", "partitionkey"]);
        assert_eq!(attributes.event_type, "com.okta.unknown");
        assert_eq!(attributes.partition_key, "acme");
        attributes.fill(&batch.get(0).unwrap(), &Template::parse("", TemplateUse::Key).unwrap());
        assert!(attributes.pairs().all(|(name, _)| name != "partitionkey"));
    }

    #[test]
    fn the_structured_form_keeps_the_bytes_of_the_event() {
        let batch = batch(&format!("[{EVENT}]"));
        let message = batch.messages().next().unwrap();
        let mut attributes = Attributes::default();
        attributes.fill(&message, &key());
        let structured = attributes.structured(message.payload).unwrap();
        let structured = str::from_utf8(&structured).unwrap();
        assert!(structured.ends_with(&format!(r#""data":{EVENT}}}"#)), "{structured}");
        assert!(structured.starts_with(r#"{"specversion":"1.0","id":"u-1""#), "{structured}");
    }

    #[test]
    fn only_a_time_is_a_time() {
        for time in [
            "2026-01-02T03:04:05.678Z",
            "2026-12-31T23:59:60Z",
            "2026-01-02t03:04:05z",
            "2026-01-02T03:04:05.1+05:30",
        ] {
            assert!(is_rfc3339(time), "{time}");
        }
        for text in [
            "",
            "now",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02 03:04:05Z",
            "2026-13-02T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+5",
            "2026-01-02T03:04:05Zx",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:05+05:30:00",
            "2026-01-0\u{661}T03:04:05Z",
            "x026-01-02T03:04:05Z",
        ] {
            assert!(!is_rfc3339(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_event_says_its_attributes_are_legal(text in any::<String>(), odd in r"[%a\x00-\x1f\u{85}\u{fdd0}]*") {
            for value in [text, odd] {
                let json = serde_json::to_string(&value).unwrap();
                let event =
                    format!(r#"{{"uuid":{json},"eventType":{json},"published":{json},"actor":{{"id":{json}}}}}"#);
                let batch = batch(&format!("[{event}]"));
                let mut attributes = Attributes::default();
                attributes.fill(&batch.messages().next().unwrap(), &key());
                for (name, value) in attributes.pairs() {
                    prop_assert!(!value.contains(|c: char| c.is_control() || c == '\u{fdd0}'), "{}: {:?}", name, value);
                }
                prop_assert!(!attributes.id.is_empty());
            }
        }
    }
}
