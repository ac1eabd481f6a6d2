//! Which store this is: a number that no other store has, so that files of two states cannot be mixed unnoticed. Its record
//! in the store also counts the store's commits.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    StateError,
    engine::{Batch, Engine},
    record::{self, RecordError},
    store::record_error,
};

const IDENTITY: &[u8] = b"identity";

/// Which store this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreId(u128);

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

    /// Gives a new store an id, which is on the disk when this returns.
    pub(super) fn create_in(engine: &Engine) -> Result<Self, StateError> {
        let id = Self::generate();
        let mut batch = Batch::default();
        id.add_to(&mut batch, 0);
        engine.apply(batch)?;
        engine.flush()?;
        Ok(id)
    }

    /// Makes the batch one that is the store's commit number `commits`.
    pub(super) fn add_to(self, batch: &mut Batch, commits: u64) {
        batch.insert(IDENTITY, record::encode(commits, &self.to_bytes()));
    }

    /// The id of the store, and how many commits it has; none in a store of an earlier version.
    pub(super) fn read(engine: &Engine) -> Result<Option<(Self, u64)>, StateError> {
        const WHAT: &str = "the store's identity";
        let Some(bytes) = engine.get(IDENTITY)? else { return Ok(None) };
        let (commits, id) = record::decode(&bytes).map_err(record_error(WHAT))?;
        let id = <[u8; 16]>::try_from(id).map_err(|_| RecordError::Content("not an id".to_owned()));
        Ok(Some((Self::from_bytes(id.map_err(record_error(WHAT))?), commits)))
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
