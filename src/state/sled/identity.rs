//! The record in the store that has the store's id and counts its commits. Each batch writes it.

use super::{
    engine::{Batch, SledEngine},
    record::{self, record_error},
};
use crate::state::{StateError, error::RecordError, identity::StoreId};

const IDENTITY: &[u8] = b"identity";

/// Gives a new store an id, which is on the disk when this returns.
pub(super) fn create(engine: &SledEngine) -> Result<StoreId, StateError> {
    let id = StoreId::generate();
    let mut batch = Batch::default();
    add(&mut batch, id, 0);
    engine.apply(batch)?;
    engine.flush()?;
    Ok(id)
}

/// Makes the batch one that is the store's commit number `commits`.
pub(super) fn add(batch: &mut Batch, id: StoreId, commits: u64) {
    batch.insert(IDENTITY, record::encode(commits, &id.to_bytes()));
}

/// The id of the store, and how many commits it has; none in a store of an earlier version.
pub(super) fn read(engine: &SledEngine) -> Result<Option<(StoreId, u64)>, StateError> {
    const WHAT: &str = "the store's identity";
    let Some(bytes) = engine.get(IDENTITY)? else { return Ok(None) };
    let (commits, id) = record::decode(&bytes).map_err(record_error(WHAT))?;
    let id = <[u8; 16]>::try_from(id).map_err(|_| RecordError::Content("not an id".to_owned()));
    Ok(Some((StoreId::from_bytes(id.map_err(record_error(WHAT))?), commits)))
}
