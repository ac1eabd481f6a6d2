//! What is fuzzed of the files of a store. See `crate::fuzzing`.

use super::{record, witness};

/// The frame of a record, and the witness.
pub(in crate::state) fn frame(bytes: &[u8]) {
    if let Ok((generation, payload)) = record::decode(bytes) {
        assert_eq!(record::decode(&record::encode(generation, payload)), Ok((generation, payload)));
    }
    // Any payload, with the checksum that it should have.
    let framed = record::encode(7, bytes);
    assert_eq!(record::decode(&framed), Ok((7, bytes)));
    let _ = witness::decode(bytes);
    let _ = witness::decode(&witness::framed(bytes));
}
