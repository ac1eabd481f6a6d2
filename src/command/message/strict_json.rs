//! JSON without duplicate names and with exact numbers only: of two values under one name, the signer may have meant
//! the other, and a rounded number is another number.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::unfit;
use crate::command::OutcomeError;

/// `serde_json` reserves names that begin like this.
const RESERVED: &str = "$serde_json::private::";
/// Larger whole numbers are rounded by programs that read doubles (RFC 8259, section 6).
const WHOLE_MAX: u64 = (1 << 53) - 1;
/// The beginning of the reason for a larger number.
pub(super) const INEXACT: &str = "a number is beyond ";
/// The beginning of the reason for a duplicate name.
pub(super) const TWICE: &str = "stands twice: ";

/// The object in `bytes`, with each name once.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, OutcomeError> {
    match serde_json::from_slice(bytes) {
        Ok(Strict(Value::Object(object))) => Ok(object),
        Ok(Strict(_)) => Err(unfit::not_an_object()),
        Err(err) => Err(unfit::not_json(&err)),
    }
}

fn inexact<E: serde::de::Error>() -> E {
    E::custom(format!("{INEXACT}±{WHOLE_MAX}, which not every program has exactly"))
}

/// A value without duplicate names.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > WHOLE_MAX { Err(inexact()) } else { Ok(value.into()) }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > WHOLE_MAX { Err(inexact()) } else { Ok(value.into()) }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // Whole numbers beyond 64 bits arrive here too, rounded.
        #[expect(clippy::cast_precision_loss, reason = "a double has all 53 bits")]
        let is_exact = value.abs() <= WHOLE_MAX as f64;
        if is_exact { Ok(value.into()) } else { Err(inexact()) }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name.starts_with(RESERVED) {
                return Err(A::Error::custom("a name that no command has"));
            }
            let Strict(value) = members.next_value()?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("{TWICE}`{}`", super::shortened(&name))));
            }
            object.insert(name, value);
        }
        Ok(object.into())
    }
}
