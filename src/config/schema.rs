//! The configuration as a JSON Schema, from the types that read it, so that editors complete and check what is typed.
//!
//! It says which keys there are and what form their values have. What depends on more than one key, on a file or on a broker is
//! for `oktabus check`. Descriptions and defaults are those of docs/configuration.md.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::{
    bus::RawBus, commands::RawCommands, descriptions, doorbell::RawListener, org::RawOrg, quantity, runtime,
    search::RawSearch, sink::RawSink, standby::RawStandby, stream::RawStream, traces::RawTraces,
};

/// What a name of a section may be.
const NAME_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";
/// A text with a variable in it.
const VARIABLE_PATTERN: &str = "\\$\\{";

/// Types of other crates, by the words that they are written with.
macro_rules! words {
    ($($name:ident: [$($word:expr),*];)*) => {
        $(
            pub(super) struct $name;

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "enum": [$($word),*] })
                }
            }
        )*
    };
}

words! {
    SigningAlgorithmWords: ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
    DpopWords: ["auto", true, false];
    FormatWords: ["okta", "ocsf", "ecs", "udm"];
    OcsfVersionWords: ["1.8.0"];
    OrderWords: ["ascending", "descending"];
}

impl JsonSchema for quantity::Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\s*[0-9_]+\\s*(ms|s|m|min|h|d|w)\\s*$", "examples": ["500ms", "10s", "15m", "1h", "90d"] })
    }
}

impl JsonSchema for quantity::Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^\\s*[0-9_]+\\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?\\s*$" },
                { "type": "integer", "minimum": 0 },
            ],
            "examples": ["64 KiB", "256 MiB", 65536],
        })
    }
}

/// The schema of a whole configuration.
pub fn configuration_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut generator = settings.into_generator();
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    add("allow_inline_secrets", json!({ "type": "boolean" }));
    add("orgs", named(&mut generator.subschema_for::<RawOrg>()));
    add("streams", named(&mut generator.subschema_for::<RawStream>()));
    add("searches", named(&mut generator.subschema_for::<RawSearch>()));
    add("buses", named(&mut generator.subschema_for::<RawBus>()));
    add("sinks", named(&mut generator.subschema_for::<RawSink>()));
    add("commands", named(&mut generator.subschema_for::<RawCommands>()));
    add("state", generator.subschema_for::<runtime::RawState>().to_value());
    add("admin", generator.subschema_for::<super::admin::RawAdmin>().to_value());
    add("log", generator.subschema_for::<runtime::RawLog>().to_value());
    add("shutdown", generator.subschema_for::<runtime::RawShutdown>().to_value());
    add("doorbell", generator.subschema_for::<RawListener>().to_value());
    add("standby", generator.subschema_for::<RawStandby>().to_value());
    add("traces", generator.subschema_for::<RawTraces>().to_value());
    let mut whole = Value::Object(Map::from_iter([
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("additionalProperties".to_owned(), json!(false)),
    ]));
    adapt(&mut whole, false);
    descriptions::add(&mut whole);
    if let Value::Object(members) = &mut whole {
        members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        members.insert("title".to_owned(), json!("The configuration of oktabus"));
    }
    whole
}

/// A section of tables with names.
fn named(table: &mut Schema) -> Value {
    let table = std::mem::take(table).to_value();
    json!({
        "type": "object",
        "propertyNames": { "pattern": NAME_PATTERN },
        "additionalProperties": table,
    })
}

/// Makes a schema of Rust's types one of TOML: there is no null, a text with a variable may stand for any value, and what is
/// missing in a table may be in another file. An item of a list is in one file.
fn adapt(schema: &mut Value, is_item: bool) {
    let Value::Object(members) = schema else { return };
    remove_null(members);
    if !is_item {
        members.remove("required");
    }
    // Widths of Rust's numbers are no formats of JSON Schema.
    let is_width = |format: &Value| format.as_str().is_some_and(|format| !format.starts_with("ip"));
    if members.get("format").is_some_and(is_width) {
        members.remove("format");
    }
    for key in ["properties", "additionalProperties", "items"] {
        match members.get_mut(key) {
            Some(Value::Object(each)) if key == "properties" => {
                each.values_mut().for_each(|schema| adapt(schema, false));
            }
            Some(schema) => adapt(schema, key == "items"),
            None => {}
        }
    }
    let is_text = members.get("type").is_some_and(|of| of == "string") && !members.contains_key("enum");
    let is_plain_text = is_text && !members.contains_key("pattern") && !members.contains_key("format");
    let is_table = members.get("type").is_some_and(|of| of == "object");
    let is_anything =
        !["type", "enum", "anyOf", "oneOf", "const"].iter().any(|key| members.contains_key(*key));
    if is_plain_text || is_table || is_anything {
        return;
    }
    let notes = ["description", "default", "examples"];
    let noted: Map<_, _> =
        notes.iter().filter_map(|note| Some(((*note).to_owned(), members.remove(*note)?))).collect();
    let own = std::mem::take(members);
    let variable = json!({ "type": "string", "pattern": VARIABLE_PATTERN });
    *members = noted;
    members.insert("anyOf".to_owned(), json!([own, variable]));
}

fn remove_null(members: &mut Map<String, Value>) {
    let left = match members.get_mut("type") {
        Some(Value::Array(types)) => {
            types.retain(|of| of != "null");
            match types.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            }
        }
        _ => None,
    };
    if let Some(left) = left {
        members.insert("type".to_owned(), left);
    }
    if let Some(Value::Array(words)) = members.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let only = match members.get_mut("anyOf") {
        Some(Value::Array(schemas)) => {
            schemas.retain(|schema| schema.get("type").is_none_or(|of| of != "null"));
            match schemas.as_mut_slice() {
                [Value::Object(only)] => Some(std::mem::take(only)),
                _ => None,
            }
        }
        _ => None,
    };
    if let Some(only) = only {
        members.remove("anyOf");
        members.extend(only);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use okta_client::{Dpop, SigningAlgorithm, logs::Order};
    use okta_system_log::format::{Format, ocsf};
    use serde::de::DeserializeOwned;

    use super::*;

    fn words<W: JsonSchema, T: DeserializeOwned>() -> usize {
        let schema = W::json_schema(&mut SchemaGenerator::default()).to_value();
        let words = schema["enum"].as_array().unwrap();
        for word in words {
            assert!(serde_json::from_value::<T>(word.clone()).is_ok(), "{word} is not understood");
        }
        words.len()
    }

    #[test]
    fn the_words_of_other_crates_are_those_that_they_understand() {
        assert_eq!(words::<SigningAlgorithmWords, SigningAlgorithm>(), 6);
        assert_eq!(words::<DpopWords, Dpop>(), 3);
        assert_eq!(words::<FormatWords, Format>(), 4);
        assert_eq!(words::<OcsfVersionWords, ocsf::Version>(), 1);
        assert_eq!(words::<OrderWords, Order>(), 2);
    }

    #[test]
    fn every_section_is_in_it_and_nothing_else() {
        let schema = configuration_schema();
        let sections: BTreeSet<_> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(sections, BTreeSet::from(crate::config::load::SECTIONS));
    }

    #[test]
    fn tables_are_closed_and_nothing_is_null() {
        fn look(schema: &Value, path: &str) {
            match schema {
                Value::Object(members) => {
                    if members.get("type").is_some_and(|of| of == "object") {
                        assert!(members.contains_key("additionalProperties"), "{path} takes any key");
                    }
                    members.iter().for_each(|(key, value)| look(value, &format!("{path}/{key}")));
                }
                Value::Array(items) => items.iter().for_each(|item| look(item, path)),
                value => assert!(value != "null" && !value.is_null(), "{path} may be null"),
            }
        }
        look(&configuration_schema(), "");
    }
}
