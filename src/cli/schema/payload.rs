//! The schemas of payloads: events by format, and what searches make of them.

use okta_system_log::format::Format;
use serde_json::{Map, Value, json};

use super::channel::Channel;
use crate::{
    config::{Emit, Empty},
    search::{BATCH_TYPE, SUMMARY_TYPE},
};

/// What Okta documents of a System Log event. Nothing in it is required, and more may come at any time.
const LOG_EVENT: &str = include_str!("log_event.json");
/// What all events in OCSF have in common; the schema of each class is OCSF's own.
const OCSF_EVENT: &str = include_str!("ocsf_event.json");
/// What all events in ECS have in common.
const ECS_EVENT: &str = include_str!("ecs_event.json");
/// What all events in UDM have in common.
const UDM_EVENT: &str = include_str!("udm_event.json");

/// What says something of a value that a redacted one need not keep to.
const BROKEN_BY_REDACTION: [&str; 4] = ["enum", "format", "pattern", "required"];

impl Channel {
    /// The name of its payloads' schema.
    pub(super) fn payload_name(&self) -> String {
        let format = self.format.name();
        let redacted = if self.origin.is_redacted { "-redacted" } else { "" };
        match (self.emit, self.empty) {
            (Emit::Events, Empty::Silent) => format!("{format}{redacted}"),
            (Emit::Events, Empty::Report) => format!("{format}{redacted}-or-summary"),
            (Emit::Batches { .. }, _) => format!("batch-of-{format}{redacted}"),
            (Emit::Summary, _) => "summary".to_owned(),
        }
    }

    /// The schema of its payloads.
    pub(super) fn payload_schema(&self) -> Value {
        match (self.emit, self.empty) {
            (Emit::Events, Empty::Silent) => self.event_schema(),
            (Emit::Events, Empty::Report) => json!({ "anyOf": [self.event_schema(), summary()] }),
            (Emit::Batches { batch_size }, _) => batch(&self.event_schema(), batch_size),
            (Emit::Summary, _) => summary(),
        }
    }

    /// The types that `ce_type` may have, as a regular expression.
    pub(super) fn type_pattern(&self) -> &'static str {
        match (self.emit, self.empty) {
            (Emit::Events, Empty::Silent) => r"^com\.okta\.",
            (Emit::Events, Empty::Report) => r"^(com\.okta\.|oktabus\.search\.summary$)",
            (Emit::Batches { .. }, _) => r"^oktabus\.search\.batch$",
            (Emit::Summary, _) => r"^oktabus\.search\.summary$",
        }
    }

    /// The schema of one event.
    fn event_schema(&self) -> Value {
        let schema = match self.format {
            Format::Okta => LOG_EVENT,
            Format::Ocsf => OCSF_EVENT,
            Format::Ecs => ECS_EVENT,
            Format::Udm => UDM_EVENT,
        };
        let schema = serde_json::from_str(schema).unwrap_or(Value::Bool(true));
        if self.origin.is_redacted { redacted(schema) } else { schema }
    }
}

/// What a message of a run says of it, with `more`.
fn of_run(title: &str, event_type: &str, more: Value) -> Value {
    let time = || json!({ "type": "string", "format": "date-time" });
    let mut properties = json!({
        "uuid": { "type": "string", "description": "The run and the message in it; stable" },
        "eventType": { "const": event_type },
        "published": { "type": "string", "format": "date-time", "description": "The slot" },
        "search": { "type": "string", "description": "The search's name" },
        "run": { "type": "string", "description": "The search and the slot; stable" },
        "slot": { "type": "string", "format": "date-time", "description": "When the run was due" },
        "window": {
            "type": "object",
            "required": ["since", "until"],
            "properties": { "since": time(), "until": time() },
        },
        "total": { "type": "integer", "minimum": 0, "description": "Events of the run that the route wants" },
    });
    if let (Value::Object(properties), Value::Object(more)) = (&mut properties, more) {
        properties.extend(more);
    }
    let required: Vec<_> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({
        "title": title,
        "type": "object",
        "required": required,
        "properties": properties,
    })
}

fn batch(event: &Value, batch_size: u16) -> Value {
    let count = |minimum: u64, description: &str| json!({ "type": "integer", "minimum": minimum, "description": description });
    let id = |description: &str| json!({ "type": ["string", "null"], "description": description });
    let more = json!({
        "batch": count(1, "Counted from 1"),
        "batches": count(1, "How many the run has"),
        "starting_offset": count(0, "The first event's place in the run, counted from 0"),
        "ending_offset": count(0, "The place after the last event's"),
        "first": { "type": "boolean" },
        "last": { "type": "boolean" },
        "first_event_id": id("The uuid of the first event"),
        "last_event_id": id("The uuid of the last event"),
        "events": { "type": "array", "maxItems": batch_size, "items": event },
    });
    of_run("Some events of a run", BATCH_TYPE, more)
}

fn summary() -> Value {
    let time = |description: &str| json!({ "type": ["string", "null"], "format": "date-time", "description": description });
    let top = |description: &str| {
        json!({
            "type": "array",
            "maxItems": 10,
            "description": description,
            "items": {
                "type": "object",
                "required": ["value", "count"],
                "properties": { "value": { "type": "string" }, "count": { "type": "integer", "minimum": 1 } },
            },
        })
    };
    let more = json!({
        "first_published": time("Of the oldest event"),
        "last_published": time("Of the newest event"),
        "top_actors": top("The most frequent actors"),
        "top_addresses": top("The most frequent addresses"),
        "top_event_types": top("The most frequent event types"),
        "outcomes": top("The most frequent outcomes"),
    });
    of_run("What a run found, counted", SUMMARY_TYPE, more)
}

/// The schema of events of which anything may be masked, pseudonymised or left out.
fn redacted(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, value)| {
                // What is an object is a member of that name.
                value.is_object() || !BROKEN_BY_REDACTION.contains(&name.as_str())
            });
            let widened = kept.map(|(name, value)| match (name.as_str(), value) {
                ("type", types) if !types.is_object() => (name, with_text_and_null(types)),
                (_, value) => (name, redacted(value)),
            });
            Value::Object(widened.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        other => other,
    }
}

fn with_text_and_null(types: Value) -> Value {
    let mut types = match types {
        Value::Array(types) => types,
        one => vec![one],
    };
    for added in ["string", "null"] {
        if !types.iter().any(|known| known == added) {
            types.push(Value::from(added));
        }
    }
    Value::Array(types)
}

#[cfg(test)]
mod tests {
    use super::*;
    use okta_system_log::format::{ecs, ocsf};

    #[test]
    fn the_schemas_of_events_are_json() {
        let schema: Value = serde_json::from_str(LOG_EVENT).unwrap();
        assert_eq!(schema["properties"]["uuid"]["type"], "string");
        let schema: Value = serde_json::from_str(ECS_EVENT).unwrap();
        assert_eq!(schema["properties"]["ecs"]["properties"]["version"]["const"], ecs::VERSION);
        let schema: Value = serde_json::from_str(UDM_EVENT).unwrap();
        assert_eq!(schema["properties"]["metadata"]["properties"]["vendor_name"]["const"], "Okta");
    }

    #[test]
    fn the_schema_of_ocsf_names_the_classes_that_there_are() {
        let schema: Value = serde_json::from_str(OCSF_EVENT).unwrap();
        let known: Vec<_> = ocsf::CLASSES.iter().map(|class| json!(class.uid)).collect();
        assert_eq!(schema["properties"]["class_uid"]["enum"], json!(known));
        let version = &schema["properties"]["metadata"]["properties"]["version"];
        assert_eq!(version["const"], ocsf::Version::default().name());
    }

    #[test]
    fn a_redacted_number_may_be_text_or_nothing() {
        let schema = json!({ "type": "object", "properties": {
            "type": { "type": ["string", "null"] }, "lat": { "type": "number", "enum": [1] } } });
        let expected = json!({ "type": ["object", "string", "null"], "properties": {
            "type": { "type": ["string", "null"] }, "lat": { "type": ["number", "string", "null"] } } });
        assert_eq!(redacted(schema), expected);
    }
}
