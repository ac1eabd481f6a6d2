//! A user as a command names them: by id or login, or by an attribute that is theirs alone. Pure.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::UserName;

/// An id, a login, or an attribute of the profile with its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum UserReference {
    /// An id or a login.
    Name(String),
    /// An attribute with its value.
    Attribute(UserAttribute),
}

/// An attribute of the profile with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAttribute {
    /// Okta's name of the attribute.
    pub attribute: String,
    /// A string, a number or a boolean.
    pub value: Value,
    /// Both, for people and for ordering keys.
    pub text: String,
}

/// The two forms, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "UserReference")]
#[expect(dead_code, reason = "it is a description for others")]
enum Described {
    /// Id or login.
    Name(String),
    /// The only user whose profile has this.
    UserAttribute {
        /// Okta's name of the attribute: `employeeNumber`, for example.
        #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
        attribute: String,
        /// A text, a number or a truth value.
        value: Value,
    },
}

impl JsonSchema for UserReference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Described::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Described::json_schema(generator)
    }
}

impl UserAttribute {
    /// The value for people, without the attribute.
    pub(super) fn shown_value(&self) -> &str {
        self.text.strip_prefix(&self.attribute).and_then(|text| text.strip_prefix('=')).unwrap_or(&self.text)
    }
}

impl UserReference {
    /// A user who must exist.
    pub(super) fn known(&self) -> UserName<'_> {
        match self {
            Self::Name(name) => UserName::Known(name),
            Self::Attribute(attribute) => UserName::Attribute(attribute),
        }
    }

    /// A user who may be gone; one who is gone cannot be found by an attribute.
    pub(super) fn maybe_gone(&self) -> UserName<'_> {
        match self {
            Self::Name(name) => UserName::MaybeGone(name),
            Self::Attribute(attribute) => UserName::Attribute(attribute),
        }
    }
}

impl TryFrom<Value> for UserReference {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let expected = "expected a string, or an object with `attribute` and `value`";
        let mut members = match value {
            Value::String(name) => return Ok(Self::Name(name)),
            Value::Object(members) => members,
            other => return Err(format!("invalid type: {}, {expected}", kind(&other))),
        };
        let (attribute, value) = (members.remove("attribute"), members.remove("value"));
        let (Some(Value::String(attribute)), Some(value), true) = (attribute, value, members.is_empty())
        else {
            return Err(expected.to_owned());
        };
        let is_letter = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let is_name = attribute.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !is_name || !attribute.chars().all(is_letter) {
            return Err("`attribute` is no name of an attribute".to_owned());
        }
        if value.is_null()
            || value.is_array()
            || value.is_object()
            || value.as_str().is_some_and(str::is_empty)
        {
            return Err("`value` is no text, number or truth value, or is empty".to_owned());
        }
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let text = format!("{attribute}={shown}");
        Ok(Self::Attribute(UserAttribute { attribute, value, text }))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "floating point",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_is_named_by_a_text_or_by_an_attribute() {
        let read = |value: Value| UserReference::try_from(value);
        assert_eq!(read(json!("ada")).unwrap().known().text(), "ada");
        let attribute = read(json!({ "attribute": "employeeNumber", "value": "10042" })).unwrap();
        assert_eq!(attribute.known().text(), "employeeNumber=10042");
        for (wrong, reason) in [
            (json!(5), "invalid type: integer, expected a string"),
            (json!({ "attribute": "x" }), "expected a string"),
            (json!({ "attribute": "x", "value": "1", "more": 1 }), "expected a string"),
            (json!({ "attribute": "a eq 1 or b", "value": "1" }), "no name of an attribute"),
            (json!({ "attribute": "x", "value": "" }), "`value` is no text"),
            (json!({ "attribute": "x", "value": null }), "`value` is no text"),
        ] {
            let err = read(wrong.clone()).unwrap_err();
            assert!(err.contains(reason), "{wrong}: {err}");
        }
    }
}
