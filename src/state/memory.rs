//! A store in memory, for tests and simulations: it keeps the contract, and fails where it is told to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};

use super::{
    StateError, StoredCursor, StoredEntry, StoredNote, cursors,
    identity::StoreId,
    journal, notes,
    store::{Change, Key, Scan, ScanOrder, Store, StoreIdentity, StoreReport, StoredRecord},
};

/// Records in memory. Clones have the same ones.
#[derive(Debug, Clone)]
pub(crate) struct MemoryStore {
    id: StoreId,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    snapshot: Snapshot,
    /// What becomes of the next commit.
    fault: Option<CommitFault>,
}

/// All records at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    commits: u64,
    records: BTreeMap<Key, StoredRecord>,
}

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// Nothing is applied.
    NotApplied,
    /// All is applied, and nobody is told so.
    NotAcknowledged,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { id: StoreId::from_bytes([7; 16]), memory: Arc::default() }
    }
}

impl MemoryStore {
    /// Lets the next commit fail.
    pub(crate) fn fail_next(&self, fault: CommitFault) {
        self.memory().fault = Some(fault);
    }

    /// A copy of all records.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.memory().snapshot.clone()
    }

    /// Puts a copy back.
    pub(crate) fn restore(&self, snapshot: Snapshot) {
        self.memory().snapshot = snapshot;
    }

    /// What is durable of command `id`.
    pub(crate) fn entry(&self, id: &str) -> Option<StoredEntry> {
        let key = journal::key(id);
        let record = self.memory().snapshot.records.get(&key).cloned();
        record.map(|record| journal::decode(&key, &record).unwrap())
    }

    /// The note of this name.
    pub(crate) fn note(&self, name: &str) -> Option<StoredNote> {
        let key = notes::key(name);
        let record = self.memory().snapshot.records.get(&key).cloned();
        record.map(|record| notes::decode(&key, &record).unwrap())
    }

    /// The cursor of `route`.
    pub(crate) fn cursor(&self, route: &str) -> Option<StoredCursor> {
        let key = cursors::key(route);
        let record = self.memory().snapshot.records.get(&key).cloned();
        record.map(|record| cursors::decode(&key, &record).unwrap())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

impl Store for MemoryStore {
    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<StoredRecord>>, StateError>> {
        let memory = self.memory();
        let found = keys.iter().map(|key| memory.snapshot.records.get(key).cloned()).collect();
        ready(Ok(found)).boxed()
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, StoredRecord)>, StateError>> {
        ready(Ok(self.memory().snapshot.scan(&scan))).boxed()
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StateError>> {
        let mut memory = self.memory();
        let fault = memory.fault.take();
        let committed = match fault {
            Some(CommitFault::NotApplied) => Err(failed()),
            Some(CommitFault::NotAcknowledged) => memory.snapshot.commit(changes).and(Err(failed())),
            None => memory.snapshot.commit(changes),
        };
        ready(committed).boxed()
    }

    fn identity(&self) -> StoreIdentity {
        StoreIdentity { id: self.id, commits: self.memory().snapshot.commits }
    }

    fn report(&self) -> BoxFuture<'_, Result<StoreReport, StateError>> {
        let none = || "is none".to_owned();
        ready(Ok(StoreReport { bytes: 0, witness: none(), tally: none(), weakness: None })).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
        ready(Ok(())).boxed()
    }
}

impl Snapshot {
    fn scan(&self, scan: &Scan) -> Vec<(Key, StoredRecord)> {
        let is_wanted = |key: &Key| key.space == scan.space && key.name.starts_with(&scan.prefix);
        let found = self.records.iter().filter(|(key, _)| is_wanted(key));
        let is_behind = |name: &Vec<u8>| match (&scan.after, scan.order) {
            (None, _) => true,
            (Some(after), ScanOrder::Ascending) => name > after,
            (Some(after), ScanOrder::Descending) => name < after,
        };
        let found = found.filter(|(key, _)| is_behind(&key.name));
        let owned = |(key, record): (&Key, &StoredRecord)| (key.clone(), record.clone());
        match scan.order {
            ScanOrder::Ascending => found.map(owned).take(scan.limit).collect(),
            ScanOrder::Descending => found.rev().map(owned).take(scan.limit).collect(),
        }
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError> {
        if self.has_all(&changes) {
            return Ok(());
        }
        for change in &changes {
            if let Change::Set { key, expected, .. } = change {
                let found = self.records.get(key).map_or(0, |stored| stored.generation);
                Change::require_expected(key, *expected, found)?;
            }
        }
        for change in changes {
            match change {
                Change::Set { key, expected, value } => {
                    self.records.insert(key, StoredRecord { generation: expected + 1, value });
                }
                Change::Mark(key) => drop(self.records.insert(key, StoredRecord::default())),
                Change::Remove(key) => drop(self.records.remove(&key)),
            }
        }
        self.commits += 1;
        Ok(())
    }

    /// Whether these changes set something and all that they set is there already.
    fn has_all(&self, changes: &[Change]) -> bool {
        let mut sets = changes.iter().filter_map(|change| match change {
            Change::Set { key, expected, value } => {
                let stored = self.records.get(key);
                Some(stored.is_some_and(|stored| stored.generation == expected + 1 && stored.value == *value))
            }
            Change::Mark(_) | Change::Remove(_) => None,
        });
        sets.next().is_some_and(|is_there| is_there && sets.all(|is_there| is_there))
    }
}

fn failed() -> StateError {
    StateError::Store { path: "memory".into(), reason: "it was told to fail".to_owned() }
}
