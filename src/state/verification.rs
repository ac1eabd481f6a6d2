//! What a look at the whole state finds: every record is read, and both witnesses.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    StateError,
    disk::{self, io_error},
    store::Store,
    tally::Tally,
    witness::{ReadWitness, Witness},
};

/// What a look at the whole state found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The store's id.
    pub store: String,
    /// Commits that it has acknowledged.
    pub commits: u64,
    /// Routes whose records were read.
    pub routes: u64,
    /// Commands in the journal whose records were read.
    pub commands: u64,
    /// Notes that were read: how far searches and replays are.
    #[serde(default)]
    pub notes: u64,
    /// Bytes of the store on the disk.
    pub store_bytes: u64,
    /// How the witness stands.
    pub witness: String,
    /// How the tally stands.
    pub tally: String,
    /// What kind of file system that cannot keep promises the state is on, if it is on one.
    pub weakness: Option<String>,
}

/// Reads everything in `store` and around it.
pub(super) fn verify(store: &Store) -> Result<Verification, StateError> {
    let routes = store.list()?.len() as u64;
    let mut commands = 0;
    store.visit_entries(|_| {
        commands += 1;
        Ok::<_, StateError>(())
    })?;
    let notes = store.notes("")?.len() as u64;
    let paths = &store.paths;
    let folder = paths.store();
    // Files of sled may go while they are counted.
    let store_bytes = match disk::size_bytes(&folder) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(io_error("look into", &folder)(err)),
        counted => counted.unwrap_or_default(),
    };
    Ok(Verification {
        store: store.id().to_string(),
        commits: store.commits(),
        routes,
        commands,
        notes,
        store_bytes,
        witness: describe(&Witness::read(&paths.witness)?, |witness| {
            let age = Timestamp::now().duration_since(witness.written_at).as_secs();
            format!("agrees; written {age} s ago at commit {}", witness.commits)
        }),
        tally: describe(&Tally::read(&paths.tally())?, |tally| {
            format!("agrees; at commit {}", tally.commits)
        }),
        weakness: disk::weakness(&paths.directory).map(str::to_owned),
    })
}

fn describe<T>(reading: &ReadWitness<T>, present: impl FnOnce(&T) -> String) -> String {
    match reading {
        ReadWitness::Present(read) => present(read),
        ReadWitness::Absent => "is missing".to_owned(),
        ReadWitness::Damaged(reason) => format!("is damaged: {reason}"),
    }
}
