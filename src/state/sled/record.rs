//! The form of a record on the disk.
//!
//! | bytes | what |
//! |---|---|
//! | 3 | `okb` |
//! | 1 | format version |
//! | 4 | CRC-32 of all that follows, big-endian |
//! | 8 | generation, big-endian |
//! | … | payload |
//!
//! Version 1 is that of stores without an identity; version 2 says that the store has one, so that a reader of version
//! 1, which would leave the witnesses behind, refuses it. A new version is needed whenever a reader of the last one
//! would read something wrong.

use crate::state::{StateError, error::RecordError};

const MAGIC: &[u8; 3] = b"okb";
/// What is written.
pub(super) const VERSION: u8 = 2;
/// The oldest version that is read.
const VERSION_MIN: u8 = 1;

/// The record of `what` is damaged, or a later version wrote it.
pub(super) fn record_error(what: &str) -> impl FnOnce(RecordError) -> StateError {
    let what = what.to_owned();
    move |source| match source {
        RecordError::Version(found) if found > VERSION => StateError::NewerFormat {
            what: format!("the record of {what}"),
            found: found.into(),
            known: VERSION.into(),
        },
        source => StateError::Record { what, source },
    }
}

/// Writes a record.
pub(super) fn encode(generation: u64, payload: &[u8]) -> Vec<u8> {
    encode_as(VERSION, generation, payload)
}

fn encode_as(version: u8, generation: u64, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(16 + payload.len());
    record.extend_from_slice(MAGIC);
    record.push(version);
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&generation.to_be_bytes());
    record.extend_from_slice(payload);
    let checksum = crc32fast::hash(&record[8..]);
    record[4..8].copy_from_slice(&checksum.to_be_bytes());
    record
}

/// Reads a record: generation and payload.
pub(super) fn decode(record: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    decode_up_to(VERSION, record)
}

fn decode_up_to(version_max: u8, record: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    let rest = record.strip_prefix(MAGIC).ok_or(RecordError::Foreign)?;
    let (version, rest) = rest.split_first().ok_or(RecordError::Foreign)?;
    if !(VERSION_MIN..=version_max).contains(version) {
        return Err(RecordError::Version(*version));
    }
    let (checksum, rest) = rest.split_first_chunk().ok_or(RecordError::Foreign)?;
    if crc32fast::hash(rest) != u32::from_be_bytes(*checksum) {
        return Err(RecordError::Checksum);
    }
    let (generation, payload) = rest.split_first_chunk().ok_or(RecordError::Foreign)?;
    Ok((u64::from_be_bytes(*generation), payload))
}

/// A record as an earlier version wrote it.
#[cfg(test)]
pub(super) fn encode_version_1(generation: u64, payload: &[u8]) -> Vec<u8> {
    encode_as(1, generation, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(decode(&encode(7, b"payload")), Ok((7, &b"payload"[..])));
        assert_eq!(decode(&encode(u64::MAX, b"")), Ok((u64::MAX, &b""[..])));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let record = encode(7, b"payload");
        for index in 0..record.len() {
            for bit in 0..8 {
                let mut damaged = record.clone();
                damaged[index] ^= 1 << bit;
                assert!(decode(&damaged).is_err(), "byte {index} bit {bit}");
            }
            assert!(decode(&record[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn old_and_new_readers_meet_old_and_new_records() {
        let (old, new, newer) = (encode_as(1, 7, b"p"), encode_as(2, 7, b"p"), encode_as(3, 7, b"p"));
        let read = Ok((7, &b"p"[..]));
        assert_eq!(
            (decode_up_to(1, &old), decode_up_to(1, &new)),
            (read.clone(), Err(RecordError::Version(2)))
        );
        assert_eq!((decode(&old), decode(&new)), (read.clone(), read));
        assert_eq!(decode(&newer), Err(RecordError::Version(3)));
        assert_eq!(decode(&encode_as(0, 7, b"p")), Err(RecordError::Version(0)));
    }
}
