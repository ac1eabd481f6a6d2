//! What routes publish, and the queues of commands, as an AsyncAPI 3.0 document: servers, channels, and messages with their
//! headers and payloads.

use serde_json::{Map, Value, json};

use super::{
    channel::{Channel, Place, Segment, Server},
    headers,
};
use crate::{config::Emit, message::Origin};

/// The document for `channels`.
pub(super) fn document(channels: &[Channel]) -> Value {
    let mut parts: [Map<String, Value>; 5] = Default::default();
    let [servers, of_channels, operations, messages, schemas] = &mut parts;
    for channel in channels {
        let id = &channel.id;
        for described in &channel.servers {
            servers.insert(described.id.clone(), server(described));
        }
        of_channels.insert(id.clone(), described(channel));
        operations.insert(
            id.clone(),
            json!({
                "action": "send",
                "summary": summary(channel),
                "channel": { "$ref": format!("#/channels/{id}") },
                "messages": [{ "$ref": format!("#/channels/{id}/messages/event") }],
            }),
        );
        messages.insert(id.clone(), message(channel));
        schemas.insert(channel.payload_name(), channel.payload_schema());
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "What oktabus publishes and reads",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Okta System Log events by route, as CloudEvents where there is room for their attributes; commands and their outcomes.",
        },
        "defaultContentType": "application/json",
        "servers": servers,
        "channels": of_channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn summary(channel: &Channel) -> String {
    let Origin { org, format, .. } = &channel.origin;
    match channel.emit {
        Emit::Events => format!("Events of the org {org} in the format {format}"),
        Emit::Batches { .. } => {
            format!("Batches of events of the org {org} in the format {format}, run by run")
        }
        Emit::Summary => format!("Summaries of what was found in the org {org}, run by run"),
    }
}

pub(super) fn server(server: &Server) -> Value {
    let mut described = json!({ "host": server.host, "protocol": server.protocol });
    if let Some(path) = &server.path {
        described["pathname"] = json!(path);
    }
    described
}

fn described(channel: &Channel) -> Value {
    let servers: Vec<_> =
        channel.servers.iter().map(|server| json!({ "$ref": format!("#/servers/{}", server.id) })).collect();
    let mut described = json!({
        "address": channel.address(),
        "title": format!("Route {} to the sink {}", channel.origin.route, channel.sink),
        "servers": servers,
        "messages": { "event": { "$ref": format!("#/components/messages/{}", channel.id) } },
    });
    let parameters: Map<_, _> = channel.address.iter().filter_map(parameter).collect();
    if !parameters.is_empty() {
        described["parameters"] = Value::Object(parameters);
    }
    if let Place::Nats { stream, .. } = &channel.place {
        described["x-jetstream-stream"] = json!(stream);
    }
    described
}

fn parameter(segment: &Segment) -> Option<(String, Value)> {
    match segment {
        Segment::Text(_) => None,
        Segment::Parameter { name, description, .. } => {
            Some((name.clone(), json!({ "description": description })))
        }
    }
}

fn message(channel: &Channel) -> Value {
    let mut message = json!({
        "name": "event",
        "contentType": headers::content_type(channel),
        "payload": headers::value(channel, &format!("#/components/schemas/{}", channel.payload_name())),
    });
    if let Some(headers) = headers::headers(channel) {
        message["headers"] = headers;
    }
    if matches!(channel.place, Place::Kafka { .. }) {
        message["bindings"] = json!({ "kafka": { "key": { "type": "string" } } });
    }
    message
}
