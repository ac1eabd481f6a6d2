//! The schemas of events by format.

use serde_json::{Map, Value};

use super::channel::Channel;
use crate::format::Format;

/// What Okta documents of a System Log event. Nothing in it is required, and more may come at any time.
const LOG_EVENT: &str = include_str!("log_event.json");
/// What all events in OCSF have in common; the schema of each class is OCSF's own.
const OCSF_EVENT: &str = include_str!("ocsf_event.json");
/// What all events in ECS have in common.
const ECS_EVENT: &str = include_str!("ecs_event.json");

/// What says something of a value that a redacted one need not keep to.
const BROKEN_BY_REDACTION: [&str; 4] = ["enum", "format", "pattern", "required"];

impl Channel {
    /// The name of its events' schema.
    pub(super) fn payload_name(&self) -> String {
        format!("{}{}", self.format.name(), if self.origin.is_redacted { "-redacted" } else { "" })
    }

    /// The schema of its events.
    pub(super) fn payload_schema(&self) -> Value {
        let schema = match self.format {
            Format::Okta => LOG_EVENT,
            Format::Ocsf => OCSF_EVENT,
            Format::Ecs => ECS_EVENT,
        };
        let schema = serde_json::from_str(schema).unwrap_or(Value::Bool(true));
        if self.origin.is_redacted { redacted(schema) } else { schema }
    }
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
    use serde_json::json;

    use super::*;
    use crate::format::{ecs, ocsf};

    #[test]
    fn the_schemas_of_events_are_json() {
        let schema: Value = serde_json::from_str(LOG_EVENT).unwrap();
        assert_eq!(schema["properties"]["uuid"]["type"], "string");
        let schema: Value = serde_json::from_str(ECS_EVENT).unwrap();
        assert_eq!(schema["properties"]["ecs"]["properties"]["version"]["const"], ecs::VERSION);
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
