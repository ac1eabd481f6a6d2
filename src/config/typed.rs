//! A deserializer for the merged values, whose errors are data. Does not know sections.
//!
//! A variable of the environment has no type: its text becomes a number, a boolean or a list where one is wanted.

use std::fmt;

use config::{Value, ValueKind};
use serde::{
    Deserialize, Deserializer,
    de::{
        self, Expected, IntoDeserializer, Unexpected, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::variables;

/// What the `config` crate says of values from variables.
pub(super) const ENVIRONMENT: &str = "the environment";

/// Why a value is invalid at its place.
#[derive(Debug)]
pub(super) enum Mismatch {
    /// A key that the table does not have.
    UnknownKey { key: String, known: &'static [&'static str] },
    /// A word that is none of the allowed ones.
    UnknownWord { word: String, known: &'static [&'static str] },
    /// A key that the table must have.
    Missing { key: &'static str },
    /// Another type. The value is left out, since it may be a secret.
    WrongType { found: &'static str, expected: String },
    /// The right type, but an invalid value.
    WrongValue { found: String, expected: String },
    /// The message of a type of ours.
    Other(String),
}

/// Reads `value` as a `T`; the error has the path below `value`, empty for itself.
pub(super) fn read<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, (String, Mismatch)> {
    serde_path_to_error::deserialize(Typed(value)).map_err(|err| {
        let path = err.path().to_string();
        (if path == "." { String::new() } else { path }, err.into_inner())
    })
}

/// Whether a text with this origin came out of the environment, as a whole or in part.
fn is_of_variables(origin: &str) -> bool {
    origin == ENVIRONMENT || variables::file_of(origin).is_some()
}

/// A value that deserializes itself.
#[derive(Clone, Copy)]
struct Typed<'de>(&'de Value);

impl<'de> Typed<'de> {
    /// The text of a variable.
    fn variable(self) -> Option<&'de str> {
        match &self.0.kind {
            ValueKind::String(text) if self.0.origin().is_some_and(is_of_variables) => Some(text),
            _ => None,
        }
    }

    fn unexpected(self) -> Unexpected<'de> {
        match &self.0.kind {
            ValueKind::Nil => Unexpected::Unit,
            ValueKind::Boolean(value) => Unexpected::Bool(*value),
            ValueKind::Float(value) => Unexpected::Float(*value),
            ValueKind::String(text) => Unexpected::Str(text),
            ValueKind::Table(_) => Unexpected::Map,
            ValueKind::Array(_) => Unexpected::Seq,
            ValueKind::I64(value) => Unexpected::Signed(*value),
            ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => Unexpected::Other("a number"),
        }
    }
}

macro_rules! from_text {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            match self.variable().and_then(|text| text.trim().parse().ok()) {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Typed<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.0.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(value) => visitor.visit_bool(*value),
            ValueKind::I64(value) => visitor.visit_i64(*value),
            ValueKind::I128(value) => visitor.visit_i128(*value),
            ValueKind::U64(value) => visitor.visit_u64(*value),
            ValueKind::U128(value) => visitor.visit_u128(*value),
            ValueKind::Float(value) => visitor.visit_f64(*value),
            ValueKind::String(text) => match self.variable().and_then(|text| text.trim().parse().ok()) {
                Some(value) => visitor.visit_bool(value),
                None => visitor.visit_borrowed_str(text),
            },
            ValueKind::Array(list) => SeqDeserializer::new(list.iter().map(Typed)).deserialize_any(visitor),
            ValueKind::Table(table) => {
                let mut entries: Vec<_> =
                    table.iter().map(|(key, value)| (key.as_str(), Typed(value))).collect();
                // The first mistake is always the same one.
                entries.sort_unstable_by_key(|(key, _)| *key);
                MapDeserializer::new(entries.into_iter()).deserialize_any(visitor)
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.variable() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    from_text! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i64 deserialize_i16 visit_i64 deserialize_i32 visit_i64 deserialize_i64 visit_i64
        deserialize_u8 visit_u64 deserialize_u16 visit_u64 deserialize_u32 visit_u64 deserialize_u64 visit_u64
        deserialize_f32 visit_f64 deserialize_f64 visit_f64
    }

    /// The text of a variable is a list with commas.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let Some(text) = self.variable() else { return self.deserialize_any(visitor) };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        SeqDeserializer::new(items.map(BorrowedStrDeserializer::new)).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    /// A list is no table, though serde would take one for it by position.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0.kind {
            ValueKind::Array(_) => {
                Err(Mismatch::WrongType { found: kind(self.unexpected()), expected: "a table".to_owned() })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.0.kind {
            ValueKind::String(word) => visitor.visit_enum(word.as_str().into_deserializer()),
            _ => Err(Mismatch::WrongType {
                found: kind(self.unexpected()),
                expected: format!("one of {}", listed(words)),
            }),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for Typed<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        match reason.to_string().as_str() {
            "invalid IP address syntax" => Self::Other("is no IP address such as 192.0.2.1".to_owned()),
            reason => Self::Other(reason.to_owned()),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::WrongType { found: kind(found), expected: in_words(&expected.to_string()) }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(text) => text.to_owned(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            other => kind(other).to_owned(),
        };
        Self::WrongValue { found, expected: in_words(&expected.to_string()) }
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownWord { word: word.to_owned(), known }
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownKey { key: key.to_owned(), known }
    }

    fn missing_field(key: &'static str) -> Self {
        Self::Missing { key }
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

const WHOLE_NUMBER: &str = "a whole number";

/// Serde's words for types, in those of TOML.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "a string" => "text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => WHOLE_NUMBER,
        "f64" => "a number",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    };
    words.to_owned()
}

/// `` `a`, `b`, `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { known, .. } => write!(formatter, "unknown key; there are {}", listed(known)),
            Self::UnknownWord { word, known } => {
                write!(formatter, "`{word}` is not one of {}", listed(known))
            }
            Self::Missing { .. } => formatter.write_str("is missing"),
            Self::WrongType { found, expected } => write!(formatter, "is {found}, and should be {expected}"),
            Self::WrongValue { found, expected } if expected == WHOLE_NUMBER => {
                write!(
                    formatter,
                    "`{found}` is not among the numbers that it takes: see docs/configuration.md"
                )
            }
            Self::WrongValue { found, expected } => write!(formatter, "`{found}` is not {expected}"),
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Mismatch {}
