//! Opens a store that is trusted, and refuses any other. `recover.rs` and `rebuild.rs` have the other ways to open one.

use std::fs;

use super::{
    database::{self, Database},
    engine::SledEngine,
    rebuild::{compact, rebuild},
    recover::recover,
    tally::Tally,
    trust::{Found, Judgement, judge},
    witness::Witness,
};
use crate::{
    state::{Opening, StateError, StatePaths, StateRefusal, disk, identity::StoreId},
    telemetry::chain,
};

/// Opens the state at `paths`.
pub(super) fn open(paths: StatePaths, opening: Opening) -> Result<Database, StateError> {
    if matches!(opening, Opening::Existing | Opening::Compacted) && !is_known(&paths) {
        return Err(StateError::Missing(paths.directory));
    }
    disk::create_directory(&paths.directory)?;
    disk::require_own(&paths.directory)?;
    // Checked before anything is opened: a failure half way because the disk is full looks like damage.
    disk::require_room(&paths.directory)?;
    disk::close_to_others(&paths.store())?;
    disk::require_closed(disk::parent(&paths.witness))?;
    if let Some(weakness) = disk::weakness(&paths.directory) {
        let state = paths.directory.display();
        tracing::warn!(%state, place = weakness, "the state is not kept on a local disk: move it to one");
    }
    match opening {
        Opening::Trusted | Opening::Existing => open_trusted(paths),
        Opening::Recovered { from, notes } => recover(paths, from, &notes),
        Opening::With(contents) => {
            rebuild(paths, &contents.records()?, "before-import").map(|(store, _)| store)
        }
        Opening::Compacted => compact(paths),
    }
}

/// Whether a state was ever kept there.
fn is_known(paths: &StatePaths) -> bool {
    paths.store().exists() || paths.witness.exists() || paths.tally().exists()
}

pub(super) fn open_trusted(paths: StatePaths) -> Result<Database, StateError> {
    let (engine, found) = look(&paths)?;
    // The store is locked by now, so nobody else writes these files.
    let (witness, tally) = (Witness::read(&paths.witness)?, Tally::read(&paths.tally())?);
    let identity = match judge(&found, &witness, &tally) {
        Judgement::New => {
            tracing::info!(state = %paths.directory.display(), "a new state: routes begin at their stream's `start`");
            None
        }
        Judgement::Earlier => {
            tracing::info!(state = %paths.directory.display(), "the state of an earlier version is taken over");
            None
        }
        Judgement::Trusted { warnings } => {
            for warning in warnings {
                tracing::warn!(state = %paths.directory.display(), warning, "the state is taken up with a warning");
            }
            identity_of(&found)
        }
        Judgement::Failed(error) => {
            if let Some(engine) = engine {
                engine.close();
            }
            let witnessed_at = witness.present().map(|witness| witness.written_at);
            return Err(Box::new(StateRefusal { directory: paths.directory, error, witnessed_at }).into());
        }
    };
    let engine = match engine {
        Some(engine) => engine,
        None => SledEngine::open(&paths.store())?,
    };
    Database::take_over(paths, engine, identity)
}

/// The store, if one can be opened, and what was found. Creates nothing.
pub(super) fn look(paths: &StatePaths) -> Result<(Option<SledEngine>, Found), StateError> {
    if is_absent(paths) {
        return Ok((None, Found::Nothing));
    }
    let engine = match SledEngine::open(&paths.store()) {
        Ok(engine) => engine,
        Err(StateError::Store { reason, .. }) => return Ok((None, Found::Unreadable(reason))),
        Err(err) => return Err(err),
    };
    let found = match database::facts(&engine) {
        Ok(facts) => Found::Store(facts),
        Err(StateError::Store { reason, .. }) => Found::Unreadable(reason),
        Err(err @ StateError::Record { .. }) => Found::Damaged(chain(&err)),
        Err(err) => return Err(err),
    };
    Ok((Some(engine), found))
}

/// Whether there is no store: an empty folder counts as none.
pub(super) fn is_absent(paths: &StatePaths) -> bool {
    fs::read_dir(paths.store()).map_or(true, |mut entries| entries.next().is_none())
}

pub(super) fn identity_of(found: &Found) -> Option<(StoreId, u64)> {
    match found {
        Found::Store(facts) => facts.identity,
        Found::Nothing | Found::Unreadable(_) | Found::Damaged(_) => None,
    }
}

#[cfg(test)]
mod tests;
