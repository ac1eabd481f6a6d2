//! A store of cursors, entries and notes as the tests of this folder write and read them.

use std::path::Path;

use super::{database::Database, open};
use crate::state::{
    Cursor, Opening, StateError, StatePaths, StoredCursor, StoredEntry, StoredNote, cursors, journal, notes,
    store::{Change, Key, StoredRecord},
};

/// A store in `directory`, as the daemon opens it.
pub(super) fn open(directory: &Path) -> Database {
    open::open(StatePaths::within(directory.to_owned()), Opening::Trusted).unwrap()
}

pub(super) fn advance(store: &Database, route: &str, expected: u64, link: &str) -> Result<u64, StateError> {
    let value = cursors::encode(route, &Cursor::for_tests(link))?;
    store.commit(&[Change::Set { key: cursors::key(route), expected, value }])?;
    Ok(expected + 1)
}

/// Writes a record that is not there yet.
pub(super) fn add(store: &Database, (key, record): (Key, StoredRecord)) {
    store.commit(&[Change::Set { key, expected: 0, value: record.value }]).unwrap();
}

pub(super) fn load(store: &Database, route: &str) -> Option<StoredCursor> {
    let key = cursors::key(route);
    read(store, &key).map(|record| cursors::decode(&key, &record).unwrap())
}

pub(super) fn entry(store: &Database, id: &str) -> Option<StoredEntry> {
    let key = journal::key(id);
    read(store, &key).map(|record| journal::decode(&key, &record).unwrap())
}

pub(super) fn note(store: &Database, name: &str) -> Option<StoredNote> {
    let key = notes::key(name);
    read(store, &key).map(|record| notes::decode(&key, &record).unwrap())
}

fn read(store: &Database, key: &Key) -> Option<StoredRecord> {
    store.get(std::slice::from_ref(key)).unwrap().pop().flatten()
}
