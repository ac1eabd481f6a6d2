//! Which store this is: a number that no other store has, so that files of two states cannot be mixed unnoticed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which store this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(u128);

impl StoreId {
    /// An id that no other store has.
    pub(super) fn generate() -> Self {
        Self(crate::random::unpredictable())
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Serialize for StoreId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StoreId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = u128::from_str_radix(&text, 16).map_err(|_| de::Error::custom("not the id of a store"))?;
        Ok(Self(id))
    }
}
