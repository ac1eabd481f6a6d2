//! Opening a state: trusted, refused, or taken up again in the way that somebody has chosen.
//!
//! A store is never replaced silently: what was there before a recovery is moved aside, not removed.

use std::{fs, path::PathBuf};

use jiff::Timestamp;

use super::{
    Cursor, StateError, StoredCursor, cursors, disk,
    engine::{Batch, CHUNK, Engine},
    integrity::{IntegrityError, StateRefusal},
    journal::{self, StoredEntry},
    note::{self, FreshNote, StoredNote},
    paths::StatePaths,
    store::{self, Store},
    tally::Tally,
    trust::{Found, Judgement, judge},
    witness::{ReadWitness, Witness},
};
use crate::telemetry::chain;

/// How to open a state.
#[derive(Debug, Clone)]
pub enum Opening {
    /// Only if it is what was acknowledged last; a new one where nothing was ever kept.
    Trusted,
    /// Only if it is there and what was acknowledged last.
    Existing,
    /// One that is not trusted: in the way that somebody has chosen, and with these notes in it from the start.
    Recovered {
        /// What is taken up.
        from: RecoverFrom,
        /// The notes.
        notes: Vec<FreshNote>,
    },
    /// With these contents, whatever is there.
    With(Contents),
    /// Like [`Opening::Existing`], written anew without what it no longer needs.
    Compacted,
}

/// What is taken up of a state that is not trusted.
#[derive(Debug, Clone)]
pub enum RecoverFrom {
    /// The cursors in the witness.
    Witness,
    /// The store as it is.
    Store,
    /// These cursors, by route, and no others.
    Cursors(Vec<(String, Cursor)>),
}

/// All that a store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Routes with generation and cursor.
    pub routes: Vec<(String, u64, Cursor)>,
    /// The journal.
    pub entries: Vec<StoredEntry>,
    /// The notes.
    pub notes: Vec<StoredNote>,
}

impl Contents {
    /// All that is in `store`, for a new one.
    fn of(store: &Store) -> Result<Self, StateError> {
        let mut contents = Self::default();
        for (name, StoredCursor { generation, mut cursor }) in store.list()? {
            cursor.recent.mark_unwritten();
            contents.routes.push((name, generation, cursor));
        }
        store.visit_entries(|stored| {
            contents.entries.push(stored);
            Ok::<_, StateError>(())
        })?;
        contents.notes = store.notes("")?;
        Ok(contents)
    }

    /// The same with these notes, in place of those of their names.
    #[must_use]
    pub fn with(mut self, fresh: &[FreshNote]) -> Self {
        for FreshNote { name, content } in fresh {
            let earlier = self.notes.iter().find(|note| note.name == *name).map_or(0, |note| note.generation);
            self.notes.retain(|note| note.name != *name);
            let (name, content) = (name.clone(), content.clone());
            self.notes.push(StoredNote { name, generation: earlier + 1, content });
        }
        self
    }
}

/// Opens the state at `paths`.
pub(super) fn open(paths: StatePaths, opening: Opening) -> Result<Store, StateError> {
    if matches!(opening, Opening::Existing | Opening::Compacted) && !is_known(&paths) {
        return Err(StateError::Missing(paths.directory));
    }
    disk::create_directory(&paths.directory)?;
    disk::require_own(&paths.directory)?;
    // Before anything is opened: what fails half way for want of room looks like damage.
    disk::require_room(&paths.directory)?;
    disk::close_to_others(&paths.store())?;
    disk::require_closed(disk::parent(&paths.witness))?;
    if let Some(weakness) = disk::weakness(&paths.directory) {
        let state = paths.directory.display();
        tracing::warn!(%state, place = weakness, "the state is not kept on a local disk: move it to one");
    }
    match opening {
        Opening::Trusted | Opening::Existing => open_trusted(paths),
        Opening::Recovered { from, notes } => {
            refuse_sound(&paths).and_then(|()| recover(paths, from, &notes))
        }
        Opening::With(contents) => rebuild(paths, &contents, "before-import").map(|(store, _)| store),
        Opening::Compacted => compact(paths),
    }
}

/// Whether anything was ever kept there.
fn is_known(paths: &StatePaths) -> bool {
    paths.store().exists() || paths.witness.exists() || paths.tally().exists()
}

fn open_trusted(paths: StatePaths) -> Result<Store, StateError> {
    let (engine, found) = look(&paths)?;
    // The store's lock is held by now, so nobody writes these meanwhile.
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
        None => Engine::open(&paths.store())?,
    };
    Store::take_over(paths, engine, identity)
}

/// The store, if there is one that can be opened, and what is in it. Creates nothing.
fn look(paths: &StatePaths) -> Result<(Option<Engine>, Found), StateError> {
    if is_absent(paths) {
        return Ok((None, Found::Nothing));
    }
    let engine = match Engine::open(&paths.store()) {
        Ok(engine) => engine,
        Err(StateError::Store { reason, .. }) => return Ok((None, Found::Unreadable(reason))),
        Err(err) => return Err(err),
    };
    let found = match store::facts(&engine) {
        Ok(facts) => Found::Store(facts),
        Err(StateError::Store { reason, .. }) => Found::Unreadable(reason),
        Err(err @ StateError::Record { .. }) => Found::Damaged(chain(&err)),
        Err(err) => return Err(err),
    };
    Ok((Some(engine), found))
}

/// An empty folder is as good as none.
fn is_absent(paths: &StatePaths) -> bool {
    fs::read_dir(paths.store()).map_or(true, |mut entries| entries.next().is_none())
}

fn identity_of(found: &Found) -> Option<(super::identity::StoreId, u64)> {
    match found {
        Found::Store(facts) => facts.identity,
        Found::Nothing | Found::Unreadable(_) | Found::Damaged(_) => None,
    }
}

/// Refuses to recover what is as it was acknowledged last: nothing would be mended, and cursors would be lost. A word that
/// was left in the command of a service does so with each start.
fn refuse_sound(paths: &StatePaths) -> Result<(), StateError> {
    let (engine, found) = look(paths)?;
    let (witness, tally) = (Witness::read(&paths.witness)?, Tally::read(&paths.tally())?);
    if let Some(engine) = engine {
        engine.close();
    }
    match judge(&found, &witness, &tally) {
        Judgement::Trusted { .. } | Judgement::Earlier => Err(StateError::Sound(paths.directory.clone())),
        Judgement::New | Judgement::Failed(_) => Ok(()),
    }
}

fn recover(paths: StatePaths, from: RecoverFrom, notes: &[FreshNote]) -> Result<Store, StateError> {
    match from {
        RecoverFrom::Witness => recover_from_witness(paths, notes),
        RecoverFrom::Store => open_as_it_is(paths, notes),
        RecoverFrom::Cursors(cursors) => recover_at(paths, cursors, notes),
    }
}

fn open_as_it_is(paths: StatePaths, notes: &[FreshNote]) -> Result<Store, StateError> {
    let (engine, found) = look(&paths)?;
    let error = match (&found, engine) {
        (Found::Store(_), Some(engine)) => {
            // The store is not trusted until it is taken over: whatever is cut short before is refused again.
            note::write_fresh(&engine, notes)?;
            let identity = identity_of(&found);
            return Store::take_over(paths, engine, identity);
        }
        (Found::Nothing, _) => IntegrityError::Gone,
        (Found::Unreadable(reason), _) => IntegrityError::Unreadable(reason.clone()),
        (Found::Damaged(reason), _) => IntegrityError::Damaged(reason.clone()),
        (Found::Store(_), None) => IntegrityError::Emptied,
    };
    let witness = Witness::read(&paths.witness)?;
    let witnessed_at = witness.present().map(|witness| witness.written_at);
    Err(Box::new(StateRefusal { directory: paths.directory, error, witnessed_at }).into())
}

fn recover_from_witness(paths: StatePaths, notes: &[FreshNote]) -> Result<Store, StateError> {
    let witness = match Witness::read(&paths.witness)? {
        ReadWitness::Present(witness) => witness,
        ReadWitness::Absent | ReadWitness::Damaged(_) => {
            let path = paths.witness;
            let source = std::io::Error::other("there is no witness that can be read");
            return Err(StateError::Io { action: "recover from", path, source });
        }
    };
    let (engine, _) = look(&paths)?;
    let routes = witness.routes.into_iter();
    let routes = routes.map(|(name, witnessed)| (name, witnessed.generation + 1, witnessed.cursor)).collect();
    rebuild(paths, &salvaged(engine, routes).with(notes), "distrusted").map(|(store, _)| store)
}

fn recover_at(
    paths: StatePaths,
    cursors: Vec<(String, Cursor)>,
    notes: &[FreshNote],
) -> Result<Store, StateError> {
    let witness = Witness::read(&paths.witness)?;
    let (engine, found) = look(&paths)?;
    // Nothing that was ever acknowledged may be younger than what is begun now.
    let known = |name: &str| {
        let witnessed = witness.present().and_then(|witness| witness.routes.get(name));
        let stored = match &found {
            Found::Store(facts) => facts.routes.get(name).copied(),
            Found::Nothing | Found::Unreadable(_) | Found::Damaged(_) => None,
        };
        witnessed.map(|witnessed| witnessed.generation).max(stored).unwrap_or_default()
    };
    let routes = cursors.into_iter().map(|(name, cursor)| (name.clone(), known(&name) + 1, cursor)).collect();
    rebuild(paths, &salvaged(engine, routes).with(notes), "distrusted").map(|(store, _)| store)
}

/// sled has no compaction of its own; what is written anew has no past.
fn compact(paths: StatePaths) -> Result<Store, StateError> {
    let store = open_trusted(paths.clone())?;
    let contents = Contents::of(&store)?;
    store.close()?;
    drop(store);
    let (store, replaced) = rebuild(paths, &contents, "before-compaction")?;
    if let Some(replaced) = replaced {
        fs::remove_dir_all(&replaced).map_err(disk::io_error("remove", &replaced))?;
    }
    Ok(store)
}

/// `routes`, and whatever else can still be read: an outcome that is remembered is a command that is not done twice, and
/// a slot that is remembered is a search that does not run twice.
fn salvaged(engine: Option<Engine>, routes: Vec<(String, u64, Cursor)>) -> Contents {
    let Some(engine) = engine else { return Contents { routes, ..Contents::default() } };
    let (entries, notes) = (journal::salvage(&engine), note::salvage(&engine));
    engine.close();
    Contents { routes, entries, notes }
}

/// Builds a new store with `contents`, moves the one that is there aside, and puts the new one into its place. Also says
/// where the other one is kept.
fn rebuild(
    paths: StatePaths,
    contents: &Contents,
    aside: &str,
) -> Result<(Store, Option<PathBuf>), StateError> {
    let draft = paths.directory.join("store.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(disk::io_error("remove", &draft))?;
    }
    let engine = Engine::open(&draft)?;
    let built = fill(&engine, contents);
    engine.close();
    built?;
    // Whoever is still at work with the old store holds its lock.
    if !is_absent(&paths) {
        match Engine::open(&paths.store()) {
            Ok(old) => old.close(),
            Err(err @ StateError::Locked(_)) => return Err(err),
            Err(_) => {}
        }
    }
    let kept = move_aside(&paths, aside)?;
    // The witnesses are still those of the old store: whatever is cut short from here on is refused, not trusted.
    disk::rename(&draft, &paths.store())?;
    let engine = Engine::open(&paths.store())?;
    Ok((Store::take_over(paths, engine, None)?, kept))
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

fn fill(engine: &Engine, contents: &Contents) -> Result<(), StateError> {
    for (name, generation, cursor) in &contents.routes {
        let mut batch = Batch::default();
        cursors::add_cursor(&mut batch, name, *generation, cursor)?;
        engine.apply(batch)?;
    }
    for chunk in contents.entries.chunks(CHUNK) {
        let mut batch = Batch::default();
        for stored in chunk {
            journal::add_entry(&mut batch, stored)?;
        }
        engine.apply(batch)?;
    }
    for chunk in contents.notes.chunks(CHUNK) {
        let mut batch = Batch::default();
        for stored in chunk {
            note::add_note(&mut batch, stored);
        }
        engine.apply(batch)?;
    }
    engine.flush()
}

/// A store in `directory`, as the daemon opens it.
#[cfg(test)]
pub(super) fn for_tests(directory: &std::path::Path) -> Store {
    open(StatePaths::within(directory.to_owned()), Opening::Trusted).unwrap()
}

#[cfg(test)]
mod tests;
