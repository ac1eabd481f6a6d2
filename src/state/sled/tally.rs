//! The tally: how many commits the store has acknowledged, in a file of its own that is written with each of them.
//!
//! The witness is written rarely, so it does not know the last commits before a crash; the tally does. It is one small
//! write that is not synced: it survives the process, and after a loss of power it may be older than the store, which is
//! harmless. It is never newer, because it is written after the store is on the disk.
//!
//! | bytes | what |
//! |---|---|
//! | 7 | `oktally` |
//! | 1 | format |
//! | 16 | the store's id |
//! | 8 | commits, big-endian |
//! | 4 | CRC-32 of all that comes before, big-endian |

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::witness::{ReadWitness, read_small};
use crate::state::{
    StateError,
    disk::{self, io_error},
    identity::StoreId,
};

const MAGIC: &[u8; 7] = b"oktally";
const FORMAT: u8 = 1;
const LENGTH: usize = 36;

/// How many commits a store has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) store: StoreId,
    pub(super) commits: u64,
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct TallyFile {
    path: PathBuf,
    file: fs::File,
}

impl Tally {
    /// Reads `path`. Only a newer format is an error: a damaged tally counts as missing.
    pub(super) fn read(path: &Path) -> Result<ReadWitness<Self>, StateError> {
        let Some(bytes) = read_small(path)? else { return Ok(ReadWitness::Absent) };
        let damaged = Ok(ReadWitness::Damaged("its checksum is wrong".to_owned()));
        let Ok(bytes) = <[u8; LENGTH]>::try_from(bytes) else { return damaged };
        let (body, checksum) = bytes.split_at(LENGTH - 4);
        if crc32fast::hash(body).to_be_bytes() != checksum || body[..7] != MAGIC[..] {
            return damaged;
        }
        if body[7] > FORMAT {
            let what = format!("the tally {}", path.display());
            return Err(StateError::NewerFormat { what, found: body[7].into(), known: FORMAT.into() });
        }
        let mut store = [0; 16];
        store.copy_from_slice(&body[8..24]);
        let mut commits = [0; 8];
        commits.copy_from_slice(&body[24..32]);
        let (store, commits) = (StoreId::from_bytes(store), u64::from_be_bytes(commits));
        Ok(ReadWitness::Present(Self { store, commits }))
    }

    fn encode(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..7].copy_from_slice(MAGIC);
        bytes[7] = FORMAT;
        bytes[8..24].copy_from_slice(&self.store.to_bytes());
        bytes[24..32].copy_from_slice(&self.commits.to_be_bytes());
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

impl TallyFile {
    /// Opens `path` for writing, holding `tally`; returns when that is on the disk.
    pub(super) fn create(path: &Path, tally: Tally) -> Result<Self, StateError> {
        disk::replace(path, &tally.encode())?;
        let file = fs::File::options().write(true).open(path).map_err(io_error("open", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the tally over what the file holds. It fits into one sector, so that it is never torn.
    pub(super) fn write(&self, tally: Tally) -> Result<(), StateError> {
        self.file.write_all_at(&tally.encode(), 0).map_err(io_error("write", &self.path))
    }

    /// Syncs it to the disk.
    pub(super) fn sync(&self) -> Result<(), StateError> {
        self.file.sync_data().map_err(io_error("sync", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tally");
        assert!(Tally::read(&path).unwrap().is_absent());
        let tally = Tally { store: StoreId::generate(), commits: 7 };
        let file = TallyFile::create(&path, tally).unwrap();
        let tally = Tally { commits: 8, ..tally };
        file.write(tally).unwrap();
        assert_eq!(Tally::read(&path).unwrap(), ReadWitness::Present(tally));

        let bytes = fs::read(&path).unwrap();
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            assert!(matches!(Tally::read(&path), Ok(ReadWitness::Damaged(_))), "byte {index}");
            fs::write(&path, &bytes[..index]).unwrap();
            assert!(matches!(Tally::read(&path), Ok(ReadWitness::Damaged(_))), "cut at {index}");
        }
    }
}
