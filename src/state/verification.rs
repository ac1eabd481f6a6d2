//! What a look at the whole state finds: every record is read, and the store says how it is.

use serde::{Deserialize, Serialize};

use super::{
    StateError, cursors, journal, notes,
    store::{PAGE, Store, StoreIdentity, StoreReport},
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

/// Reads everything in `store`.
pub(super) async fn verify(store: &dyn Store) -> Result<Verification, StateError> {
    let routes = cursors::list(store).await?.len() as u64;
    let (mut commands, mut after) = (0, None);
    loop {
        let (entries, next) = journal::entries_after(store, after, PAGE).await?;
        commands += entries.len() as u64;
        after = next;
        if after.is_none() {
            break;
        }
    }
    let notes = notes::list(store, "").await?.len() as u64;
    let StoreReport { bytes, witness, tally, weakness } = store.report().await?;
    let StoreIdentity { id, commits } = store.identity();
    Ok(Verification {
        store: id.to_string(),
        commits,
        routes,
        commands,
        notes,
        store_bytes: bytes,
        witness,
        tally,
        weakness,
    })
}
