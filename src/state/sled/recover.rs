//! Recovers a store that is not trusted, in the recovery mode that an operator chose. The old store is moved aside, not
//! removed.

use super::{
    database::Database,
    engine::{Batch, SledEngine},
    layout,
    open::{identity_of, look},
    rebuild::rebuild,
    tally::Tally,
    trust::{Found, Judgement, judge},
    witness::{ReadWitness, Witness},
};
use crate::state::{
    Contents, Cursor, FreshNote, IntegrityError, RecoverFrom, StateError, StatePaths, StateRefusal,
    StoredNote, notes, store::Space,
};

/// Recovers a state that is not trusted, with `notes` in it from the start.
pub(super) fn recover(
    paths: StatePaths,
    from: RecoverFrom,
    notes: &[FreshNote],
) -> Result<Database, StateError> {
    refuse_sound(&paths)?;
    match from {
        RecoverFrom::Witness => recover_from_witness(paths, notes),
        RecoverFrom::Store => open_as_it_is(paths, notes),
        RecoverFrom::Cursors(cursors) => recover_at(paths, cursors, notes),
    }
}

/// Refuses to recover a sound state: nothing would be repaired, and cursors would be lost. This happens at each start if the
/// option was left in the command of a service.
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

fn open_as_it_is(paths: StatePaths, notes: &[FreshNote]) -> Result<Database, StateError> {
    let (engine, found) = look(&paths)?;
    let error = match (&found, engine) {
        (Found::Store(_), Some(engine)) => {
            // If this is interrupted before the store is taken over, the next start refuses the store again.
            write_fresh(&engine, notes)?;
            let identity = identity_of(&found);
            return Database::take_over(paths, engine, identity);
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

fn recover_from_witness(paths: StatePaths, notes: &[FreshNote]) -> Result<Database, StateError> {
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
    rebuild(paths, &salvaged(engine, routes).with(notes).records()?, "before-recovery")
        .map(|(store, _)| store)
}

fn recover_at(
    paths: StatePaths,
    cursors: Vec<(String, Cursor)>,
    notes: &[FreshNote],
) -> Result<Database, StateError> {
    let witness = Witness::read(&paths.witness)?;
    let (engine, found) = look(&paths)?;
    // The new generation must be above every generation that was ever acknowledged.
    let known = |name: &str| {
        let witnessed = witness.present().and_then(|witness| witness.routes.get(name));
        let stored = match &found {
            Found::Store(facts) => facts.routes.get(name).copied(),
            Found::Nothing | Found::Unreadable(_) | Found::Damaged(_) => None,
        };
        witnessed.map(|witnessed| witnessed.generation).max(stored).unwrap_or_default()
    };
    let routes = cursors.into_iter().map(|(name, cursor)| (name.clone(), known(&name) + 1, cursor)).collect();
    rebuild(paths, &salvaged(engine, routes).with(notes).records()?, "before-recovery")
        .map(|(store, _)| store)
}

/// `routes`, and all entries and notes that can still be read: a remembered outcome keeps a command from running twice, and
/// a remembered slot a search.
fn salvaged(engine: Option<SledEngine>, routes: Vec<(String, u64, Cursor)>) -> Contents {
    let Some(engine) = engine else { return Contents { routes, ..Contents::default() } };
    let records = [Space::Journal, Space::Notes].map(|space| layout::salvage(&engine, space));
    engine.close();
    Contents { routes, ..Contents::readable(records.into_iter().flatten()) }
}

/// Writes notes to a store that is not taken over yet.
fn write_fresh(engine: &SledEngine, fresh: &[FreshNote]) -> Result<(), StateError> {
    let mut batch = Batch::default();
    for FreshNote { name, content } in fresh {
        let earlier = match layout::read(engine, &notes::key(name)) {
            Ok(earlier) => earlier.map_or(0, |record| record.generation),
            Err(StateError::Record { .. } | StateError::NewerFormat { .. }) => 0,
            Err(err) => return Err(err),
        };
        let note = StoredNote { name: name.clone(), generation: earlier + 1, content: content.clone() };
        let (key, record) = notes::record(&note);
        layout::insert(&mut batch, &key, &record, None)?;
    }
    engine.apply(batch)?;
    engine.flush()
}
