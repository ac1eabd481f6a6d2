//! Records of the state, with what the engine of commands makes of an entry of the journal.

use crate::{command::record::Record, state};

/// The first byte of `data` says which record it is; the rest is its bytes.
pub fn record(data: &[u8]) {
    state::fuzzing::record(data);
    if let Some((b'j', bytes)) = data.split_first() {
        of_command(bytes);
    }
}

fn of_command(bytes: &[u8]) {
    let Ok(content) = std::str::from_utf8(bytes) else { return };
    let Ok(record) = Record::decode(content) else { return };
    let Ok(written) = record.encode() else { unreachable!("what is read can be written") };
    // The times of an outcome have milliseconds.
    let again = Record::decode(&written).and_then(|record| record.encode());
    assert_eq!(again.ok().as_ref(), Some(&written), "{written}");
    let is_one_of = [record.is_pending(), record.has_ended(), record.is_under_way()];
    assert!(is_one_of.contains(&true) || record.attempts() == 0, "{record:?} is at no stage");
    let _ = (record.answers(), record.progress());
}
