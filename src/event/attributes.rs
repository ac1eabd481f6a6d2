//! CloudEvents 1.0.2 attributes of a message, and its structured JSON form.
//!
//! How the attributes are written as headers differs between Kafka and NATS and is the sinks' business.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::batch::Message;

/// The attributes of one message. Meant to be reused from message to message, so that it allocates once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Unique together with `source`: the event's uuid, followed by `:format` unless the format is Okta's own.
    pub id: String,
    /// `https://<org's domain>/api/v1/logs`.
    pub source: String,
    /// `com.okta.<eventType>`.
    pub event_type: String,
    /// The id of the user whom the event is about; empty if there is none.
    pub subject: String,
    /// `published` as Okta wrote it; empty if there is none.
    pub time: String,
}

/// Media type of a payload that is one JSON value.
pub const CONTENT_TYPE: &str = "application/json";
/// Media type of the structured form.
pub const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";
/// The version of the CloudEvents specification that is followed.
const SPEC_VERSION: &str = "1.0";

const TYPE_PREFIX: &str = "com.okta.";
const UNKNOWN_TYPE: &str = "unknown";

impl Attributes {
    /// Overwrites all attributes with those of `message`.
    pub fn fill(&mut self, message: &Message<'_>) {
        let event = message.event;
        let [colon, format] = message.origin.id_suffix();
        replace(&mut self.id, &[&event.identity(), colon, format]);
        replace(&mut self.source, &[&message.origin.source]);
        replace(&mut self.event_type, &[TYPE_PREFIX, event.event_type().unwrap_or(UNKNOWN_TYPE)]);
        replace(&mut self.subject, &[event.subject().unwrap_or_default()]);
        replace(&mut self.time, &[event.published().unwrap_or_default()]);
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
        target.push_str(part);
    }
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
    use super::super::batch::tests::batch;
    use super::*;

    const EVENT: &str = r#"{"uuid":"u-1","published":"2026-01-02T03:04:05.678Z","eventType":"user.session.start","actor":{"id":"00u1"},"n":34.4740}"#;

    #[test]
    fn attributes_are_those_of_the_event() {
        let batch = batch(&format!("[{EVENT}]"));
        let mut attributes = Attributes::default();
        attributes.fill(&batch.messages().next().unwrap());
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
            ]
        );
    }

    #[test]
    fn what_is_absent_leaves_nothing_of_the_message_before() {
        let batch = batch(&format!("[{EVENT},{{}}]"));
        let mut attributes = Attributes::default();
        for message in batch.messages() {
            attributes.fill(&message);
        }
        let names: Vec<_> = attributes.pairs().map(|(name, _)| name).collect();
        assert_eq!(names, ["specversion", "id", "type", "source"]);
        assert_eq!(attributes.event_type, "com.okta.unknown");
    }

    #[test]
    fn the_structured_form_keeps_the_bytes_of_the_event() {
        let batch = batch(&format!("[{EVENT}]"));
        let message = batch.messages().next().unwrap();
        let mut attributes = Attributes::default();
        attributes.fill(&message);
        let structured = attributes.structured(message.payload).unwrap();
        let structured = str::from_utf8(&structured).unwrap();
        assert!(structured.ends_with(&format!(r#""data":{EVENT}}}"#)), "{structured}");
        assert!(structured.starts_with(r#"{"specversion":"1.0","id":"u-1""#), "{structured}");
    }
}
