//! The witness: a small file beside the store, written every few seconds, with a position that every route has reached.
//!
//! sled repairs a damaged store by dropping records, silently. On start the store is compared with the witness, and if the
//! store is lost, routes can resume from it. It may be behind the store, never ahead of it.
//!
//! The first line is `oktabus-witness <format> <CRC-32 of all that follows, hexadecimal>`, the rest is JSON.

use std::{collections::BTreeMap, fs, io, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::{Cursor, StateError, disk, identity::StoreId};

const MAGIC: &str = "oktabus-witness";
/// What is written, and the newest that is read.
const FORMAT: u32 = 1;

/// The store as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Witness {
    pub(super) store: StoreId,
    /// How many commits the store had seen.
    pub(super) commits: u64,
    pub(super) written_at: Timestamp,
    /// The version of oktabus that wrote it.
    pub(super) written_by: String,
    pub(super) routes: BTreeMap<String, WitnessedRoute>,
}

/// Where a route stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WitnessedRoute {
    pub(super) generation: u64,
    /// Without the events delivered last.
    pub(super) cursor: Cursor,
}

/// A witness or a tally as it was read. Either may be missing or damaged without the state being lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadWitness<T> {
    Absent,
    Damaged(String),
    Present(T),
}

impl<T> ReadWitness<T> {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(super) fn present(&self) -> Option<&T> {
        match self {
            Self::Present(read) => Some(read),
            Self::Absent | Self::Damaged(_) => None,
        }
    }
}

/// The bytes of the small file `path`, if it is there.
pub(super) fn read_small(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    // Reading a pipe would block for ever.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let source = io::Error::other("it is no file: remove it, and see who put it there");
        return Err(disk::io_error("read", path)(source));
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(disk::io_error("read", path)(err)),
    }
}

impl Witness {
    /// Reads `path`. Only a newer format is an error: a damaged witness counts as missing.
    pub(super) fn read(path: &Path) -> Result<ReadWitness<Self>, StateError> {
        let Some(bytes) = read_small(path)? else { return Ok(ReadWitness::Absent) };
        match decode(&bytes) {
            Ok(witness) => Ok(ReadWitness::Present(witness)),
            Err(Undecodable::Damaged(reason)) => Ok(ReadWitness::Damaged(reason)),
            Err(Undecodable::Newer(found)) => {
                let what = format!("the witness {}", path.display());
                Err(StateError::NewerFormat { what, found, known: FORMAT })
            }
        }
    }

    /// Replaces `path`, and returns when it is on the disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), StateError> {
        disk::replace(path, &encode(self))
    }
}

pub(super) enum Undecodable {
    Damaged(String),
    Newer(u32),
}

fn encode(witness: &Witness) -> Vec<u8> {
    // Strings, numbers and maps with strings as keys always have a JSON form.
    framed(&serde_json::to_vec_pretty(witness).unwrap_or_default())
}

/// `json` behind its first line.
pub(super) fn framed(json: &[u8]) -> Vec<u8> {
    let head = format!("{MAGIC} {FORMAT} {:08x}\n", crc32fast::hash(json));
    [head.as_bytes(), json].concat()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Witness, Undecodable> {
    let damaged = |reason: &str| Undecodable::Damaged(reason.to_owned());
    let line_end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("it is cut short"))?;
    let (head, json) = (&bytes[..line_end], &bytes[line_end + 1..]);
    let head = str::from_utf8(head).map_err(|_| damaged("its first line is not text"))?;
    let parts: Vec<&str> = head.split(' ').collect();
    let [MAGIC, format, checksum] = parts[..] else { return Err(damaged("its first line is another")) };
    let format: u32 = format.parse().map_err(|_| damaged("its format is no number"))?;
    match format {
        1..=FORMAT => {}
        0 => return Err(damaged("its format is no format")),
        newer => return Err(Undecodable::Newer(newer)),
    }
    if checksum != format!("{:08x}", crc32fast::hash(json)) {
        return Err(damaged("its checksum is wrong"));
    }
    serde_json::from_slice(json).map_err(|err| Undecodable::Damaged(err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness() -> Witness {
        Witness {
            store: StoreId::generate(),
            commits: 12,
            written_at: Timestamp::UNIX_EPOCH,
            written_by: "0.1.0".to_owned(),
            routes: BTreeMap::from([(
                "a/b".to_owned(),
                WitnessedRoute { generation: 5, cursor: Cursor::for_tests("1") },
            )]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("witness.json");
        assert_eq!(Witness::read(&path).unwrap(), ReadWitness::Absent);
        witness().write(&path).unwrap();
        let written = witness();
        written.write(&path).unwrap();
        assert_eq!(Witness::read(&path).unwrap(), ReadWitness::Present(written));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encode(&witness());
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[index] ^= 1 << bit;
                assert!(decode(&damaged).is_err(), "byte {index} bit {bit}");
            }
            assert!(decode(&bytes[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_with_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("witness.json");
        fs::write(&path, "oktabus-witness 2 00000000\n{}").unwrap();
        let told = Witness::read(&path).unwrap_err().to_string();
        assert!(told.contains("format 2") && told.contains("up to 1"), "{told}");
    }
}
