//! The published messages as JSON Schema 2020-12: an object with all parts of a message that a reader gets.

use serde_json::{Map, Value, json};

use super::{
    channel::{Channel, Place},
    headers,
};

/// The schema of all messages of `channels`.
pub(super) fn document(channels: &[Channel]) -> Value {
    let mut definitions = Map::new();
    for channel in channels {
        definitions.insert(channel.payload_name(), channel.payload_schema());
        definitions.insert(route(channel), message(channel));
    }
    let routes: Vec<_> =
        channels.iter().map(|channel| json!({ "$ref": format!("#/$defs/{}", route(channel)) })).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What oktabus publishes",
        "description": "One message as a reader gets it: the route it came by, its topic, subject or file name as `address`, \
                        its `key` in Kafka, its `headers` on a bus, and its value as `payload`.",
        "oneOf": routes,
        "$defs": definitions,
    })
}

/// A definition's name that no format has.
fn route(channel: &Channel) -> String {
    format!("route.{}", channel.id)
}

fn message(channel: &Channel) -> Value {
    let mut properties = Map::new();
    properties.insert("route".to_owned(), json!({ "const": channel.origin.route }));
    properties.insert(
        "payload".to_owned(),
        headers::value(channel, &format!("#/$defs/{}", channel.payload_name())),
    );
    let mut required = vec!["route", "payload"];
    if let Some(pattern) = channel.pattern() {
        properties.insert("address".to_owned(), json!({ "type": "string", "pattern": pattern }));
        required.push("address");
    }
    if let Some(headers) = headers::headers(channel) {
        properties.insert("headers".to_owned(), headers);
        required.push("headers");
    }
    if matches!(channel.place, Place::Kafka { .. }) {
        properties.insert("key".to_owned(), json!({ "type": "string" }));
    }
    json!({
        "type": "object",
        "title": format!("Route {} to the sink {}", channel.origin.route, channel.sink),
        "required": required,
        "properties": properties,
    })
}
