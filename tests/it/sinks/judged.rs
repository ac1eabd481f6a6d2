//! What is given to independent readers of CloudEvents, and what they must make of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use okta_system_log::{event::Events, format::Payload};
use oktabus::message::{Messages, Origin};
use serde_json::{Value, json};

use crate::support::events::{event, origin};

/// What another format would name as the schema of a payload.
const SCHEMA: &str = "https://schema.ocsf.io/schema/1.8.0/classes/authentication?profiles=datetime,host";
/// The payload of another format.
const NORMALIZED: &str = r#"{"class_uid":3002,"n":1.50}"#;

/// An event that says what careless programs stumble over.
const HOSTILE: &str = r#"{"uuid":"h 1\n%\u0085","eventType":"a b..\u0001ü.>","published":"soon","actor":{"id":"Jürgen \"x\" 100%"}}"#;
/// An event that says nothing at all.
const SPARSE: &str = r#"{"n":34.4740}"#;

/// The same three events in Okta's form and in another one, which may share a topic.
pub(super) fn batches() -> [(Arc<Origin>, Arc<Messages>); 2] {
    let body = format!("[{},{HOSTILE},{SPARSE}]", event(0));
    let events = Arc::new(Events::parse(Bytes::from(body)).unwrap());
    let okta = origin();
    let ocsf = Arc::new(Origin { format: "ocsf", ..Origin::clone(&okta) });
    let raw = Messages::render(Arc::clone(&okta), Arc::clone(&events), |_, event| Some(event.raw()));
    let normalized = Messages::render(Arc::clone(&ocsf), events, |_, _| {
        Some(Payload { bytes: Bytes::from_static(NORMALIZED.as_bytes()), schema: Some(SCHEMA) })
    });
    [(okta, Arc::new(raw)), (ocsf, Arc::new(normalized))]
}

/// What CloudEvents must be read of the batches: attributes and data.
fn expected() -> Vec<(Value, Value)> {
    let source = "https://acme.okta.com/api/v1/logs";
    let all = json!({ "specversion": "1.0", "source": source, "datacontenttype": "application/json" });
    let of = |attributes: Value| {
        let mut attributes = attributes.as_object().unwrap().clone();
        attributes.extend(all.as_object().unwrap().clone());
        Value::Object(attributes)
    };
    let subject = "Jürgen \"x\" 100%25";
    let okta = [
        of(json!({ "id": "00000000-0000-4000-8000-000000000000", "type": "com.okta.user.session.start",
            "time": "2026-01-02T03:00:00+00:00", "subject": "00u0", "partitionkey": "00u0" })),
        of(
            json!({ "id": "h 1%0A%25%C2%85", "type": "com.okta.a b..%01ü.>", "subject": subject, "partitionkey": subject }),
        ),
        of(json!({ "id": "sha256-8d8d6a7c", "type": "com.okta.unknown", "partitionkey": "acme" })),
    ];
    let raw = [event(0), HOSTILE.to_owned(), SPARSE.to_owned()];
    let mut expected = Vec::new();
    for (attributes, raw) in okta.into_iter().zip(raw) {
        let mut normalized = attributes.clone();
        normalized["id"] = format!("{}:ocsf", attributes["id"].as_str().unwrap()).into();
        normalized["dataschema"] = SCHEMA.into();
        expected.push((attributes, serde_json::from_str(&raw).unwrap()));
        expected.push((normalized, serde_json::from_str(NORMALIZED).unwrap()));
    }
    expected
}

/// Asserts that `messages`, as the judge read them, are those of the batches, no more and no less.
pub(super) fn assert_judged(messages: &[Value]) {
    let pairs = |of: &mut dyn Iterator<Item = (Value, Value)>| {
        let pairs = of.map(|(mut attributes, data)| {
            // The digest in place of a uuid is judged elsewhere; here it only has to be there.
            let id = attributes["id"].as_str().unwrap().to_owned();
            if let Some(digest) = id.strip_prefix("sha256-") {
                attributes["id"] =
                    format!("sha256{}", digest.trim_start_matches(|c: char| c.is_ascii_hexdigit())).into();
            }
            (attributes.to_string(), data)
        });
        pairs.collect::<BTreeMap<_, _>>()
    };
    let read = pairs(&mut messages.iter().map(|message| (message["event"].clone(), message["data"].clone())));
    assert_eq!(read, pairs(&mut expected().into_iter()));
    let ids: BTreeSet<_> = messages.iter().map(|message| message["event"]["id"].to_string()).collect();
    assert_eq!(ids.len(), messages.len(), "source and id are unique together, whatever shares a topic");
}

/// Asserts that the payloads of messages in the binary form are the bytes that were rendered.
pub(super) fn assert_bytes(messages: &[Value]) {
    let mut values: Vec<_> = messages.iter().map(|message| message["value"].as_str().unwrap()).collect();
    values.sort_unstable();
    let first = event(0);
    let mut rendered = [first.as_str(), HOSTILE, SPARSE, NORMALIZED, NORMALIZED, NORMALIZED];
    rendered.sort_unstable();
    assert_eq!(values, rendered);
}
