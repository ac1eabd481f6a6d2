//! The contract of a store: small records by key, each with a generation that only grows. Cursors, the journal and notes are
//! typed layers above it; what keeps the records is below it. Knows no file and no meaning of a record.
//!
//! 1. A commit is applied completely or not at all, and is durable when it returns.
//! 2. [`Change::Set`] compares and sets: if one record is not at the generation that is expected, nothing is applied.
//! 3. A commit that failed may have been applied all the same. It may be repeated as it was: if its records are there already,
//!    it succeeds and changes nothing.
//! 4. A read shows what was committed at one moment. Between the pages of a scan others may commit: a key that is there all
//!    the time is found exactly once, in order.
//!
//! `store_contract.rs` holds each implementation against these rules.

use std::{fmt, future::ready};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{StateError, identity::StoreId};

/// The most bytes of text that an entry or a note may have. Records are small, so that every store can take them.
pub const CONTENT_MAX_BYTES: usize = 16 << 10;
/// The most bytes of the name in a key, for commands and notes.
pub(super) const NAME_MAX_BYTES: usize = 512;
/// Records that are read, written or removed at once where there may be many.
pub(super) const PAGE: usize = 512;

/// What keeps the records.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// The records of `keys`, in their order, as of one moment.
    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<StoredRecord>>, StateError>>;

    /// One page of records in the order of their keys. An empty page is the end.
    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, StoredRecord)>, StateError>>;

    /// Applies all `changes` or none.
    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StateError>>;

    /// Which store this is.
    fn identity(&self) -> StoreIdentity;

    /// What the store knows of its own health.
    fn report(&self) -> BoxFuture<'_, Result<StoreReport, StateError>>;

    /// Fails if a commit would not be found again, because the store was taken away under its owner. Commits see to it
    /// themselves.
    fn require_in_place(&self) -> BoxFuture<'_, Result<(), StateError>> {
        ready(Ok(())).boxed()
    }

    /// Waits until the commits that have begun are through, whoever still waits for them.
    fn settled(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Lets go of whatever the store holds. Later calls fail.
    fn close(&self) -> BoxFuture<'_, Result<(), StateError>>;
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    /// Cursors, by route. The only records with a [`Value::tail`].
    Cursors,
    /// The journal's entries, by the ids of commands.
    Journal,
    /// The index of the journal by the time of receipt: marks, no records.
    Received,
    /// Notes, by name.
    Notes,
}

/// Where a record is. Keys of one space are ordered by the bytes of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) space: Space,
    pub(crate) name: Vec<u8>,
}

/// What a record says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) content: Vec<u8>,
    /// Bytes of which few change from one generation to the next: a store may keep them in parts, and write those alone.
    pub(crate) tail: Vec<u8>,
}

/// A record as it was found. A mark has generation 0 and an empty value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    pub(crate) generation: u64,
    pub(crate) value: Value,
}

/// One change of a commit.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Replaces the record at generation `expected` (0: there is none) by one of the next generation.
    Set { key: Key, expected: u64, value: Value },
    /// Adds a key that says nothing but that it is there, whether it is there or not.
    Mark(Key),
    /// Removes what is there, if anything is.
    Remove(Key),
}

/// Which records are read.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) space: Space,
    /// What the names begin with.
    pub(crate) prefix: Vec<u8>,
    /// The last name of the page before, in the same order.
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) order: ScanOrder,
    /// Records at most.
    pub(crate) limit: usize,
}

/// In which order records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanOrder {
    Ascending,
    Descending,
}

/// Which store it is, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreIdentity {
    pub(crate) id: StoreId,
    /// Commits that were acknowledged.
    pub(crate) commits: u64,
}

/// What a store knows of its own health, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreReport {
    /// What it takes on the disk.
    pub(crate) bytes: u64,
    pub(crate) witness: String,
    pub(crate) tally: String,
    /// What kind of file system that cannot keep promises it is on, if it is on one.
    pub(crate) weakness: Option<String>,
}

impl Key {
    pub(crate) fn new(space: Space, name: impl Into<Vec<u8>>) -> Self {
        Self { space, name: name.into() }
    }

    /// The name as text, for messages and for names that were text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

impl Scan {
    /// The first page of all records of `space`.
    pub(crate) fn of(space: Space) -> Self {
        Self { space, prefix: Vec::new(), after: None, order: ScanOrder::Ascending, limit: PAGE }
    }

    pub(crate) fn with_prefix(self, prefix: impl Into<Vec<u8>>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    pub(crate) fn after(self, after: Option<Vec<u8>>) -> Self {
        Self { after, ..self }
    }

    /// The last records first.
    pub(crate) fn descending(self) -> Self {
        Self { order: ScanOrder::Descending, ..self }
    }
}

impl Change {
    /// Compares the record at `key` with what is `expected` of it; `found` is its generation, 0 if there is none.
    pub(super) fn require_expected(key: &Key, expected: u64, found: u64) -> Result<(), StateError> {
        if found == expected {
            return Ok(());
        }
        Err(StateError::Regressed { what: key.text(), expected, found })
    }
}

impl From<Vec<u8>> for Value {
    fn from(content: Vec<u8>) -> Self {
        Self { content, tail: Vec::new() }
    }
}

/// Refuses what is longer than a store must take.
pub(super) fn require_length(what: &str, size_bytes: usize, limit_bytes: usize) -> Result<(), StateError> {
    if size_bytes <= limit_bytes {
        return Ok(());
    }
    Err(StateError::TooLarge { what: what.to_owned(), size_bytes, limit_bytes })
}
