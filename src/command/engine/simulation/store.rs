//! The state in a simulation: what is written is there when the call returns or the daemon dies in it, or is not.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::world::{Crash, World};
use crate::{
    command::store::{EntryChange, NoteChange, Store},
    state::{StateError, StoredEntry, StoredNote},
};

/// How often in a thousand the disk takes nothing.
const DISK_FULL: u32 = 20;

/// One life's access to the state.
#[derive(Debug)]
pub(super) struct SimulatedStore {
    world: Arc<World>,
    crash: Arc<Crash>,
}

impl SimulatedStore {
    pub(super) fn new(world: Arc<World>, crash: Arc<Crash>) -> Self {
        Self { world, crash }
    }

    async fn written(&self, entry: Option<EntryChange>, note: Option<NoteChange>) -> Result<(), StateError> {
        self.crash.point().await;
        if self.world.goes_wrong(DISK_FULL) {
            return Err(StateError::NoRoom { path: "sim".into(), free_bytes: 0, needed_bytes: 1 });
        }
        {
            let mut things = self.world.things();
            let of_entry = entry.as_ref().map(|entry| {
                (
                    &entry.id,
                    entry.expected,
                    things.entries.get(&entry.id).map_or(0, |stored| stored.generation),
                )
            });
            let of_note = note.as_ref().map(|note| {
                (
                    &note.name,
                    note.expected,
                    things.notes.get(&note.name).map_or(0, |stored| stored.generation),
                )
            });
            for (what, expected, found) in of_entry.into_iter().chain(of_note) {
                if expected != found {
                    return Err(StateError::Regressed { what: what.clone(), expected, found });
                }
            }
            if let Some(EntryChange { id, expected, entry }) = entry {
                things.entries.insert(id.clone(), StoredEntry { id, generation: expected + 1, entry });
            }
            if let Some(NoteChange { name, expected, content }) = note {
                things.notes.insert(name.clone(), StoredNote { name, generation: expected + 1, content });
            }
        }
        self.crash.point().await;
        self.world.latency(5).await;
        Ok(())
    }
}

impl Store for SimulatedStore {
    fn entry<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StateError>> {
        async {
            self.crash.point().await;
            Ok(self.world.things().entries.get(id).cloned())
        }
        .boxed()
    }

    fn write(&self, entry: EntryChange, note: Option<NoteChange>) -> BoxFuture<'_, Result<(), StateError>> {
        self.written(Some(entry), note).boxed()
    }

    fn note<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>> {
        async { Ok(self.world.things().notes.get(name).cloned()) }.boxed()
    }

    fn notes<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredNote>, StateError>> {
        async move {
            let things = self.world.things();
            let notes = things.notes.range(prefix.to_owned()..).map(|(_, note)| note.clone());
            Ok(notes.take_while(|note| note.name.starts_with(prefix)).collect())
        }
        .boxed()
    }

    fn write_note(&self, note: NoteChange) -> BoxFuture<'_, Result<(), StateError>> {
        self.written(None, Some(note)).boxed()
    }

    fn drop_notes(&self, names: Vec<String>) -> BoxFuture<'_, Result<(), StateError>> {
        async move {
            self.crash.point().await;
            let mut things = self.world.things();
            names.iter().for_each(|name| drop(things.notes.remove(name)));
            Ok(())
        }
        .boxed()
    }
}
