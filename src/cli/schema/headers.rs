//! The headers of a message and the structured form, as schemas: a description of what the sinks write, for readers.

use serde_json::{Map, Value, json};

use super::channel::{Channel, Place};
use crate::config::{Emit, Empty, Encoding};

const CLOUDEVENTS_JSON: &str = "application/cloudevents+json";

/// A CloudEvents attribute: its name, whether every event has it, and what it may be.
type Attribute = (&'static str, bool, Value);

/// The attributes of the messages of `channel`.
fn attributes(channel: &Channel) -> Vec<Attribute> {
    let text = |description: &str| json!({ "type": "string", "minLength": 1, "description": description });
    let mut attributes = vec![
        ("specversion", true, json!({ "type": "string", "const": "1.0" })),
        (
            "id",
            true,
            text(
                "The event's uuid, with `:` and the format's name unless that is `okta`, and `:redacted` if fields are; unique together with `source`",
            ),
        ),
        ("source", true, json!({ "type": "string", "const": channel.origin.source })),
        (
            "type",
            true,
            json!({
                "type": "string",
                "pattern": channel.type_pattern(),
                "description": "`com.okta.` and Okta's eventType; what searches make of events has types of its own",
            }),
        ),
        ("time", false, json!({ "type": "string", "format": "date-time", "description": "`published`" })),
        (
            "subject",
            false,
            text("The user that the event is about: the first target of type User, else the actor"),
        ),
        ("partitionkey", false, text("What orders messages")),
    ];
    // What searches make of events has no schema with a URI.
    if channel.format.has_schema_uri() && matches!(channel.emit, Emit::Events) {
        let schema = json!({ "type": "string", "format": "uri", "description": "The schema of the payload" });
        attributes.push(("dataschema", channel.empty == Empty::Silent, schema));
    }
    attributes
}

/// The content type of a message's value.
pub(super) fn content_type(channel: &Channel) -> &'static str {
    match encoding(channel) {
        Some(Encoding::Structured) => CLOUDEVENTS_JSON,
        Some(Encoding::Binary) | None => "application/json",
    }
}

/// The schema of the headers, where there are any.
pub(super) fn headers(channel: &Channel) -> Option<Value> {
    let constant = |value: &str| json!({ "type": "string", "const": value });
    let named = |prefix: &str| {
        let of = attributes(channel).into_iter();
        of.map(|(name, is_required, schema)| (format!("{prefix}{name}"), is_required, schema))
            .collect::<Vec<_>>()
    };
    let id = json!({ "type": "string", "pattern": format!("^{}:", channel.origin.org), "description": "The message id: `<org>:<uuid>`, followed by what ends `id`, and by `#` and a digest of subject, attributes and payload" });
    let headers = match &channel.place {
        Place::Kafka { encoding: Encoding::Binary } => {
            let mut headers = named("ce_");
            headers.push(("content-type".to_owned(), true, constant("application/json")));
            headers
        }
        Place::Kafka { encoding: Encoding::Structured } => {
            vec![("content-type".to_owned(), true, constant("application/cloudevents+json; charset=UTF-8"))]
        }
        Place::Nats { encoding: Encoding::Binary, .. } => {
            let mut headers = named("ce-");
            headers.push(("ce-datacontenttype".to_owned(), true, constant("application/json")));
            headers.push(("Nats-Msg-Id".to_owned(), true, id));
            headers
        }
        Place::Nats { encoding: Encoding::Structured, .. } => vec![
            ("Content-Type".to_owned(), true, constant(CLOUDEVENTS_JSON)),
            ("Nats-Msg-Id".to_owned(), true, id),
        ],
        Place::File | Place::Stdout => return None,
    };
    Some(object(headers))
}

/// The schema of a message's value, where that of the event alone is at `event`.
pub(super) fn value(channel: &Channel, event: &str) -> Value {
    let event = json!({ "$ref": event });
    if encoding(channel) != Some(Encoding::Structured) {
        return event;
    }
    let attributes = attributes(channel).into_iter();
    let mut members: Vec<_> =
        attributes.map(|(name, is_required, schema)| (name.to_owned(), is_required, schema)).collect();
    members.push((
        "datacontenttype".to_owned(),
        true,
        json!({ "type": "string", "const": "application/json" }),
    ));
    members.push(("data".to_owned(), true, event));
    object(members)
}

fn encoding(channel: &Channel) -> Option<Encoding> {
    match channel.place {
        Place::Kafka { encoding } | Place::Nats { encoding, .. } => Some(encoding),
        Place::File | Place::Stdout => None,
    }
}

/// An object with these members, each with whether it must be there.
fn object(members: Vec<(String, bool, Value)>) -> Value {
    let required: Vec<_> =
        members.iter().filter(|(_, is_required, _)| *is_required).map(|(name, ..)| name.clone()).collect();
    let properties: Map<_, _> = members.into_iter().map(|(name, _, schema)| (name, schema)).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}
