//! What a reader found on a bus, and what it should have found. Shares no code with the sinks.

use std::collections::BTreeMap;

use oktabus::message::Message;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// One event as a reader found it, however its attributes travelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    /// The event's bytes.
    pub(super) payload: String,
    /// What came with it; nothing where the sink has no place for it, as in a file.
    pub(super) envelope: Option<Envelope>,
}

/// What came with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    /// What the bus orders or routes by: the key in Kafka, the subject in NATS.
    pub(super) address: String,
    /// The CloudEvents attributes, `datacontenttype` among them.
    pub(super) attributes: BTreeMap<String, String>,
}

/// The structured form of CloudEvents.
#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(flatten)]
    attributes: BTreeMap<String, String>,
}

impl Arrived {
    /// What was found in the binary form. `headers` are those of CloudEvents by the attributes' names.
    pub(super) fn binary(address: &str, headers: BTreeMap<String, String>, payload: &[u8]) -> Self {
        let envelope = Envelope { address: address.to_owned(), attributes: headers };
        Self { payload: text(payload), envelope: Some(envelope) }
    }

    /// What was found in the structured form.
    pub(super) fn structured(address: &str, body: &[u8]) -> Self {
        let structured: Structured<'_> = serde_json::from_slice(body).unwrap();
        Self::binary(address, structured.attributes, structured.data.get().as_bytes())
    }

    /// What should be found of `message` where there is room for attributes.
    pub(super) fn expected(address: &str, message: &Message<'_>) -> Self {
        let event: Value = serde_json::from_slice(message.payload).unwrap();
        let attributes = [
            ("specversion", "1.0"),
            ("id", event["uuid"].as_str().unwrap()),
            ("type", "com.okta.user.session.start"),
            ("source", "https://acme.okta.com/api/v1/logs"),
            ("time", event["published"].as_str().unwrap()),
            ("subject", event["target"][0]["id"].as_str().unwrap()),
            ("partitionkey", event["target"][0]["id"].as_str().unwrap()),
            ("datacontenttype", "application/json"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::binary(address, BTreeMap::from(attributes), message.payload)
    }

    /// What is found where there is room for nothing but the payload.
    pub(super) fn bare(payload: &[u8]) -> Self {
        Self { payload: text(payload), envelope: None }
    }

    fn user(&self) -> String {
        let event: Value = serde_json::from_str(&self.payload).unwrap();
        event["target"][0]["id"].as_str().unwrap().to_owned()
    }
}

/// The events of each user in their order.
pub(super) fn by_user(events: impl IntoIterator<Item = Arrived>) -> BTreeMap<String, Vec<Arrived>> {
    let mut users: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        users.entry(event.user()).or_default().push(event);
    }
    users
}

fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).unwrap().to_owned()
}
