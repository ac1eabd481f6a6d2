//! The form of a record on the disk.
//!
//! | bytes | what |
//! |---|---|
//! | 3 | `okb` |
//! | 1 | format version |
//! | 4 | CRC-32 of all that follows, big-endian |
//! | 8 | generation, big-endian |
//! | … | payload |

const MAGIC: &[u8; 3] = b"okb";
const VERSION: u8 = 1;

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// Cut short, or never one of ours.
    #[error("this is not a record of oktabus")]
    Foreign,
    /// Written by another version.
    #[error("the record has format version {0}, and this binary knows version {VERSION} only")]
    Version(u8),
    /// Damaged.
    #[error("the record's checksum is wrong")]
    Checksum,
    /// The payload is not what it should be.
    #[error("the record's content is not understood: {0}")]
    Content(String),
}

/// Writes a record.
pub(super) fn encode(generation: u64, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(16 + payload.len());
    record.extend_from_slice(MAGIC);
    record.push(VERSION);
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&generation.to_be_bytes());
    record.extend_from_slice(payload);
    let checksum = crc32fast::hash(&record[8..]);
    record[4..8].copy_from_slice(&checksum.to_be_bytes());
    record
}

/// Reads a record: generation and payload.
pub(super) fn decode(record: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    let rest = record.strip_prefix(MAGIC).ok_or(RecordError::Foreign)?;
    let (version, rest) = rest.split_first().ok_or(RecordError::Foreign)?;
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    let (checksum, rest) = rest.split_first_chunk().ok_or(RecordError::Foreign)?;
    if crc32fast::hash(rest) != u32::from_be_bytes(*checksum) {
        return Err(RecordError::Checksum);
    }
    let (generation, payload) = rest.split_first_chunk().ok_or(RecordError::Foreign)?;
    Ok((u64::from_be_bytes(*generation), payload))
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
    fn another_version_is_named() {
        let mut record = encode(7, b"payload");
        record[3] = 2;
        assert_eq!(decode(&record), Err(RecordError::Version(2)));
    }
}
