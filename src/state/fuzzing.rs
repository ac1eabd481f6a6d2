//! What is fuzzed of the state. See `crate::fuzzing`.

use super::{
    Cursor, Entry, RecentSet, cursors, read_export, sled,
    store::{StoredRecord, Value},
};

/// The first byte of `data` says which record it is; the rest is its bytes.
pub(crate) fn record(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind {
        b'c' => cursor(bytes),
        b'j' => journal(bytes),
        b's' => {
            if let Some(set) = RecentSet::from_bytes(bytes) {
                assert!(set.to_bytes().len() <= bytes.len());
            }
        }
        _ => sled::fuzzing::frame(bytes),
    }
}

/// A cursor: eight bytes of a count, its JSON, and after a zero the fingerprints of recent events.
fn cursor(bytes: &[u8]) {
    let end = bytes.iter().skip(8).position(|byte| *byte == 0).map_or(bytes.len(), |end| end + 8);
    let (content, tail) = (bytes[..end].to_vec(), bytes.get(end + 1..).unwrap_or_default().to_vec());
    let record = StoredRecord { generation: 1, value: Value { content, tail } };
    let key = cursors::key("log/siem");
    let Ok(stored) = cursors::decode(&key, &record) else { return };
    let Ok(value) = cursors::encode("log/siem", &stored.cursor) else {
        unreachable!("what is read can be written")
    };
    let again = cursors::decode(&key, &StoredRecord { generation: 1, value });
    assert_eq!(again.ok(), Some(stored), "what is written is read");
}

/// An entry of the journal.
fn journal(bytes: &[u8]) {
    if let Ok(entry) = serde_json::from_slice::<Entry>(bytes) {
        let written = serde_json::to_vec(&entry).unwrap_or_default();
        assert_eq!(serde_json::from_slice(&written).ok(), Some(entry));
    }
}

/// An export of the whole state.
pub fn export(data: &[u8]) {
    match read_export(data) {
        Ok(contents) => {
            let lines = contents.routes.len() + contents.entries.len() + contents.notes.len();
            assert!(lines <= data.iter().filter(|byte| **byte == b'\n').count(), "more than it says");
            for (_, _, cursor) in &contents.routes {
                let json = serde_json::to_vec(cursor).unwrap_or_default();
                assert!(serde_json::from_slice::<Cursor>(&json).is_ok());
            }
        }
        Err(err) => assert!(!err.to_string().is_empty()),
    }
}
