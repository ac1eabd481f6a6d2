//! Writes a store anew: builds the new one beside the old one, and swaps them. Decides nothing about what is in it.

use std::{fs, path::PathBuf};

use jiff::Timestamp;

use super::{
    database::Database,
    engine::{Batch, SledEngine},
    layout,
    open::{is_absent, open_trusted},
};
use crate::state::{
    StateError, StatePaths, disk,
    store::{Key, PAGE, StoredRecord},
};

/// Rewrites the store. sled has no compaction of its own, and a new store has no garbage.
pub(super) fn compact(paths: StatePaths) -> Result<Database, StateError> {
    let store = open_trusted(paths.clone())?;
    let records = store.everything()?;
    store.close()?;
    drop(store);
    let (store, replaced) = rebuild(paths, &records, "before-compaction")?;
    if let Some(replaced) = replaced {
        fs::remove_dir_all(&replaced).map_err(disk::io_error("remove", &replaced))?;
    }
    Ok(store)
}

/// Builds a new store with `records`, moves the old one aside, and puts the new one in its place. Returns the path of the
/// old one too.
pub(super) fn rebuild(
    paths: StatePaths,
    records: &[(Key, StoredRecord)],
    aside: &str,
) -> Result<(Database, Option<PathBuf>), StateError> {
    let draft = paths.directory.join("store.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(disk::io_error("remove", &draft))?;
    }
    let engine = SledEngine::open(&draft)?;
    let built = fill(&engine, records);
    engine.close();
    built?;
    // A process that still uses the old store holds its lock.
    if !is_absent(&paths) {
        match SledEngine::open(&paths.store()) {
            Ok(old) => old.close(),
            Err(err @ StateError::Locked(_)) => return Err(err),
            Err(_) => {}
        }
    }
    let kept = move_aside(&paths, aside)?;
    // The witnesses are still those of the old store, so an interruption from here on leads to a refusal, not to trust.
    disk::rename(&draft, &paths.store())?;
    let engine = SledEngine::open(&paths.store())?;
    Ok((Database::take_over(paths, engine, None)?, kept))
}

fn move_aside(paths: &StatePaths, aside: &str) -> Result<Option<PathBuf>, StateError> {
    if !paths.store().exists() {
        return Ok(None);
    }
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    let kept = paths.directory.join(format!("store.{aside}-{now}"));
    disk::rename(&paths.store(), &kept)?;
    tracing::warn!(kept = %kept.display(), "the store that was there is kept under another name");
    Ok(Some(kept))
}

fn fill(engine: &SledEngine, records: &[(Key, StoredRecord)]) -> Result<(), StateError> {
    for page in records.chunks(PAGE) {
        let mut batch = Batch::default();
        for (key, record) in page {
            layout::insert(&mut batch, key, record, None)?;
        }
        engine.apply(batch)?;
    }
    engine.flush()
}
