//! How records lie in sled: keys, and values in parts of at most half a KiB where they have a tail, because sled puts large
//! values into files of their own and leaks them.
//!
//! | key | value |
//! |---|---|
//! | `cursor\0<name>`, `journal\0<name>`, `note\0<name>` | a record, see `record.rs` |
//! | `recent\0<name>\0<number>` | a part of the tail of `cursor\0<name>`, as a record |
//! | `received\0<name>` | nothing: it is a mark |

use super::{
    engine::{Batch, Entry, SledEngine},
    record::{self, record_error},
};
use crate::state::{
    StateError,
    store::{Key, PAGE, Scan, ScanOrder, Space, StoredRecord, Value, require_length},
};

/// Bytes of the tail in one part.
const PART_BYTES: usize = 512;
/// The number of a part is one byte.
const TAIL_BYTES_MAX: usize = PART_BYTES << 8;
const SPACES: [Space; 4] = [Space::Cursors, Space::Journal, Space::Received, Space::Notes];

/// The record at `key`, if it is there.
pub(super) fn read(engine: &SledEngine, key: &Key) -> Result<Option<StoredRecord>, StateError> {
    let stored = engine.get(&encode_key(key))?;
    stored.map(|bytes| decode(engine, key, &bytes)).transpose()
}

/// One page of records.
pub(super) fn scan(engine: &SledEngine, scan: &Scan) -> Result<Vec<(Key, StoredRecord)>, StateError> {
    let space = space_prefix(scan.space);
    let prefix = [space, &scan.prefix].concat();
    let after = scan.after.as_ref().map(|after| [space, after].concat());
    let found = match scan.order {
        ScanOrder::Ascending => engine.scan(&prefix, after.as_deref(), scan.limit)?,
        ScanOrder::Descending => engine.scan_back(&prefix, after.as_deref(), scan.limit)?,
    };
    let read = |(key, bytes): Entry| {
        let key = decode_key(scan.space, &key);
        let record = decode(engine, &key, &bytes)?;
        Ok((key, record))
    };
    found.into_iter().map(read).collect()
}

/// All records of `space`, page by page.
pub(super) fn scan_all(engine: &SledEngine, space: Space) -> Result<Vec<(Key, StoredRecord)>, StateError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = scan(engine, &Scan::of(space).after(after))?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = Some(last.name.clone());
        all.extend(page);
    }
}

/// All records of all spaces.
pub(super) fn everything(engine: &SledEngine) -> Result<Vec<(Key, StoredRecord)>, StateError> {
    let all = SPACES.map(|space| scan_all(engine, space));
    Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// The records of `space` that can still be read in a store that is otherwise not trusted.
pub(super) fn salvage(engine: &SledEngine, space: Space) -> Vec<(Key, StoredRecord)> {
    let mut salvaged = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    while let Ok(found) = engine.scan(space_prefix(space), after.as_deref(), PAGE) {
        let Some((last, _)) = found.last() else { break };
        after = Some(last.clone());
        for (key, bytes) in found {
            let key = decode_key(space, &key);
            let record = decode(engine, &key, &bytes).ok();
            salvaged.extend(record.map(|record| (key, record)));
        }
    }
    salvaged
}

/// Writes a record over `earlier`, the one that is there; of the tail, the parts that differ.
pub(super) fn insert(
    batch: &mut Batch,
    key: &Key,
    record: &StoredRecord,
    earlier: Option<&StoredRecord>,
) -> Result<(), StateError> {
    let StoredRecord { generation, value: Value { content, tail } } = record;
    let tail_bytes_max = if has_tail(key.space) { TAIL_BYTES_MAX } else { 0 };
    require_length(&key.text(), tail.len(), tail_bytes_max)?;
    if is_mark(key.space) {
        mark(batch, key);
        return Ok(());
    }
    batch.insert(encode_key(key), record::encode(*generation, content));
    let earlier_tail = earlier.map(|earlier| &earlier.value.tail[..]).unwrap_or_default();
    let mut earlier_parts = earlier_tail.chunks(PART_BYTES);
    for (number, part) in (0..=u8::MAX).zip(tail.chunks(PART_BYTES)) {
        if earlier_parts.next() != Some(part) {
            batch.insert(part_key(key, number), record::encode(*generation, part));
        }
    }
    let parts = tail.len().div_ceil(PART_BYTES);
    for number in (0..=u8::MAX).skip(parts).take(earlier_parts.len()) {
        batch.remove(part_key(key, number));
    }
    Ok(())
}

/// Adds a mark.
pub(super) fn mark(batch: &mut Batch, key: &Key) {
    batch.insert(encode_key(key), &[]);
}

/// Removes a record with its tail, if it is there.
pub(super) fn remove(engine: &SledEngine, batch: &mut Batch, key: &Key) -> Result<(), StateError> {
    batch.remove(encode_key(key));
    if has_tail(key.space) {
        for (part, _) in engine.scan(&parts_prefix(key), None, usize::MAX)? {
            batch.remove(part);
        }
    }
    Ok(())
}

pub(super) fn encode_key(key: &Key) -> Vec<u8> {
    [space_prefix(key.space), &key.name].concat()
}

fn decode_key(space: Space, key: &[u8]) -> Key {
    Key::new(space, key.get(space_prefix(space).len()..).unwrap_or_default())
}

fn decode(engine: &SledEngine, key: &Key, bytes: &[u8]) -> Result<StoredRecord, StateError> {
    if is_mark(key.space) {
        return Ok(StoredRecord::default());
    }
    let what = key.text();
    let (generation, content) = record::decode(bytes).map_err(record_error(&what))?;
    let mut value = Value::from(content.to_vec());
    if has_tail(key.space) {
        for (_, part) in engine.scan(&parts_prefix(key), None, usize::MAX)? {
            value.tail.extend_from_slice(record::decode(&part).map_err(record_error(&what))?.1);
        }
    }
    Ok(StoredRecord { generation, value })
}

fn space_prefix(space: Space) -> &'static [u8] {
    match space {
        Space::Cursors => b"cursor\0",
        Space::Journal => b"journal\0",
        Space::Received => b"received\0",
        Space::Notes => b"note\0",
    }
}

fn has_tail(space: Space) -> bool {
    space == Space::Cursors
}

fn is_mark(space: Space) -> bool {
    space == Space::Received
}

fn parts_prefix(key: &Key) -> Vec<u8> {
    [b"recent\0", &key.name[..], b"\0"].concat()
}

fn part_key(key: &Key, number: u8) -> Vec<u8> {
    let mut part = parts_prefix(key);
    part.push(number);
    part
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::state::{Contents, Cursor, Entry, StoredEntry, StoredNote, fingerprint};

    fn write(engine: &SledEngine, generation: u64, tail: &[u8]) -> usize {
        let key = Key::new(Space::Cursors, "a/b");
        let value = Value { content: generation.to_be_bytes().to_vec(), tail: tail.to_vec() };
        let record = StoredRecord { generation, value };
        let earlier = read(engine, &key).unwrap();
        let mut batch = Batch::default();
        insert(&mut batch, &key, &record, earlier.as_ref()).unwrap();
        engine.apply(batch).unwrap();
        assert_eq!(read(engine, &key).unwrap(), Some(record));
        let parts = engine.scan(b"recent\0", None, usize::MAX).unwrap();
        let is_new = |part: &&(Vec<u8>, Vec<u8>)| record::decode(&part.1).unwrap().0 == generation;
        assert!(parts.iter().all(|(_, part)| part.len() < 1_024), "large values go into files of their own");
        parts.iter().filter(is_new).count()
    }

    #[test]
    fn of_a_tail_only_the_parts_that_changed_are_written_and_none_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(&directory.path().join("store")).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let mut tail = Vec::new();
        assert_eq!(write(&engine, 1, &tail), 0);
        for generation in 2..60 {
            tail.extend((0..random.usize(1..200)).map(|_| random.u8(..)));
            let before = tail.len().saturating_sub(200) / PART_BYTES;
            let parts = tail.len().div_ceil(PART_BYTES) - before;
            assert!((1..=parts).contains(&write(&engine, generation, &tail)));
        }
        assert_eq!(write(&engine, 60, &tail), 0, "nothing has changed");
        tail[700] ^= 1;
        assert_eq!(write(&engine, 61, &tail), 1);
        tail.truncate(100);
        assert_eq!(write(&engine, 62, &tail), 1);
        assert_eq!(write(&engine, 63, &[]), 0);
        assert_eq!(engine.scan(b"recent\0", None, 1).unwrap(), []);
    }

    #[test]
    fn the_keys_and_bytes_on_the_disk_are_those_of_earlier_versions() {
        let directory = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(&directory.path().join("store")).unwrap();
        let mut cursor = Cursor::for_tests("1");
        cursor.recent.remember("u");
        let entry = Entry { received_at: Timestamp::from_second(1).unwrap(), content: "{}".to_owned() };
        let contents = Contents {
            routes: vec![("log/a".to_owned(), 3, cursor)],
            entries: vec![StoredEntry { id: "hr/c".to_owned(), generation: 2, entry }],
            notes: vec![StoredNote {
                name: "paused/hr".to_owned(),
                generation: 1,
                content: "text".to_owned(),
            }],
        };
        let mut batch = Batch::default();
        for (key, record) in contents.records().unwrap() {
            insert(&mut batch, &key, &record, None).unwrap();
        }
        engine.apply(batch).unwrap();
        let json = r#"{"link":"1","question":"https://acme.okta.com","published_max":"1970-01-01T00:00:00Z","advanced_at":"1970-01-01T00:00:00Z","delivered":3,"mark":{"kind":"file","name":"a.jsonl","length_bytes":12}}"#;
        let events = 1_u64.to_be_bytes();
        let expected = [
            (&b"cursor\0log/a"[..], record::encode(3, &[&events, json.as_bytes()].concat())),
            (
                b"journal\0hr/c",
                record::encode(2, br#"{"received_at":"1970-01-01T00:00:01Z","content":"{}"}"#),
            ),
            (b"note\0paused/hr", record::encode(1, b"text")),
            (b"received\0\0\0\0\0\0\0\x03\xe8hr/c", Vec::new()),
            (b"recent\0log/a\0\0", record::encode(3, &fingerprint("u").to_be_bytes())),
        ];
        let mut expected = expected.map(|(key, bytes)| (key.to_vec(), bytes));
        expected.sort();
        assert_eq!(engine.scan(b"", None, usize::MAX).unwrap(), expected);
        assert_eq!(Contents::readable(everything(&engine).unwrap()).records().unwrap().len(), 4);
    }

    #[test]
    fn a_tail_where_none_is_kept_is_refused() {
        let value = Value { content: Vec::new(), tail: vec![0] };
        let record = StoredRecord { generation: 1, value };
        let refused = insert(&mut Batch::default(), &Key::new(Space::Notes, "n"), &record, None);
        assert!(matches!(refused, Err(StateError::TooLarge { limit_bytes: 0, .. })), "{refused:?}");
    }
}
