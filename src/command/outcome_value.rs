//! The result of a command: JSON that contains the events of the System Log byte for byte as Okta sent them.

use std::{fmt, ops::Index};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap as _};
use serde_json::{Map, Value, value::RawValue};

/// The member with the events.
const EVENTS: &str = "events";

/// The result of an outcome. The events are kept as text: a number such as `1e400`, which does not fit into a double,
/// would not survive in a [`Value`].
#[derive(Debug, Clone, Default)]
pub struct OutcomeValue {
    /// Everything but the events.
    rest: Value,
    /// The member `events` of the result, which is then an object.
    events: Option<Vec<Box<RawValue>>>,
}

impl OutcomeValue {
    /// `result`, with `events` as its member of that name.
    pub fn new(result: Value, events: Option<Vec<Box<RawValue>>>) -> Self {
        Self { rest: result, events }
    }

    fn read(json: &str) -> serde_json::Result<Self> {
        /// An object whose other members may be read as values.
        #[derive(Deserialize)]
        struct Members {
            events: Option<Vec<Box<RawValue>>>,
            #[serde(flatten)]
            rest: Map<String, Value>,
        }

        // Another member with this name is not a list of events.
        if json.starts_with('{')
            && let Ok(Members { events, rest }) = serde_json::from_str(json)
            && events.is_some()
        {
            return Ok(Self { rest: Value::Object(rest), events });
        }
        serde_json::from_str::<Value>(json).map(Self::from)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.rest.is_null() && self.events.is_none()
    }

    /// Changes the members beside the events. A value that is not an object becomes the member `value` of one.
    #[must_use]
    pub fn with_members(self, change: impl FnOnce(&mut Map<String, Value>)) -> Self {
        let mut members = match self.rest {
            Value::Object(members) => members,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        change(&mut members);
        Self { rest: Value::Object(members), events: self.events }
    }

    /// The members that are no larger than `member_bytes_max`, and the member `mark`, which is true.
    #[must_use]
    pub fn small_part(&self, member_bytes_max: usize, mark: &str) -> Self {
        let mut members = Map::new();
        if let Value::Object(all) = &self.rest {
            let is_small = |value: &Value| value.to_string().len() <= member_bytes_max;
            let small = all.iter().filter(|(_, value)| is_small(value));
            members.extend(small.map(|(name, value)| (name.clone(), value.clone())));
        }
        members.insert(mark.to_owned(), Value::Bool(true));
        let is_small = |events: &&Vec<Box<RawValue>>| {
            serde_json::to_vec(events).is_ok_and(|json| json.len() <= member_bytes_max)
        };
        Self { rest: Value::Object(members), events: self.events.as_ref().filter(is_small).cloned() }
    }
}

impl From<Value> for OutcomeValue {
    fn from(result: Value) -> Self {
        Self::new(result, None)
    }
}

/// A member beside the events; `null` if there is none.
impl Index<&str> for OutcomeValue {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.rest[name]
    }
}

/// As JSON.
impl fmt::Display for OutcomeValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl PartialEq for OutcomeValue {
    fn eq(&self, other: &Self) -> bool {
        let texts = |value: &Self| {
            let events = value.events.as_ref()?;
            Some(events.iter().map(|event| event.get().to_owned()).collect::<Vec<_>>())
        };
        self.rest == other.rest && texts(self) == texts(other)
    }
}

impl Serialize for OutcomeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(events) = &self.events else { return self.rest.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.rest.as_object().into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry(EVENTS, events)?;
        map.end()
    }
}

/// Works only from JSON text: a buffered value has lost the bytes.
impl<'de> Deserialize<'de> for OutcomeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(json.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Numbers that do not fit into a double, duplicate members in their own order, white space.
    const ODD: &str =
        r#"{"b":12345678901234567890123, "a":0.1000000000000000055,"c":1e400,"d":1.10,"d":"\u00e9"}"#;

    fn event() -> Box<RawValue> {
        RawValue::from_string(ODD.to_owned()).unwrap()
    }

    #[test]
    fn events_are_written_and_read_byte_for_byte() {
        let value = OutcomeValue::new(json!({ "count": 1, "complete": true }), Some(vec![event()]));
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(text, format!(r#"{{"complete":true,"count":1,"events":[{ODD}]}}"#));
        let read: OutcomeValue = serde_json::from_str(&text).unwrap();
        assert_eq!(read, value);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn other_results_are_what_they_were() {
        for json in [json!(null), json!([1]), json!({}), json!({ "events": 5 }), json!({ "events": null })] {
            let value = OutcomeValue::from(json.clone());
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(text, json.to_string());
            assert_eq!(serde_json::from_str::<OutcomeValue>(&text).unwrap(), value);
            assert_eq!(value.is_null(), json.is_null());
        }
    }

    #[test]
    fn the_small_part_has_only_few_events() {
        let value = OutcomeValue::new(json!({ "count": 1, "large": "x".repeat(200) }), Some(vec![event()]));
        let small = value.small_part(150, "truncated");
        assert_eq!(small, OutcomeValue::new(json!({ "count": 1, "truncated": true }), Some(vec![event()])));
        assert_eq!(value.small_part(50, "truncated"), json!({ "count": 1, "truncated": true }).into());
        assert_eq!(
            OutcomeValue::from(json!([1])).small_part(50, "truncated"),
            json!({ "truncated": true }).into()
        );
    }
}
