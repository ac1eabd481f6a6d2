//! The simulated store: records in memory that survive the daemon, which may crash at each commit, before or after it
//! is applied.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::world::{Crash, World};
use crate::{
    simulation::happens,
    state::{Change, CommitFault, Key, Scan, StateError, Store, StoreIdentity, StoreReport, StoredRecord},
};

/// How often in a thousand a commit fails because the disk is full.
const DISK_FULL: u32 = 20;
/// How often in a thousand a commit is applied and fails afterwards.
const NOT_ACKNOWLEDGED: u32 = 10;

/// The access to the store in one life of the daemon.
#[derive(Debug)]
pub(super) struct SimulatedStore {
    world: Arc<World>,
    crash: Arc<Crash>,
}

impl SimulatedStore {
    pub(super) fn new(world: Arc<World>, crash: Arc<Crash>) -> Self {
        Self { world, crash }
    }

    async fn written(&self, changes: Vec<Change>) -> Result<(), StateError> {
        self.crash.point().await;
        if self.world.goes_wrong(DISK_FULL) {
            happens("the disk is full");
            return Err(StateError::NoRoom { path: "sim".into(), free_bytes: 0, needed_bytes: 1 });
        }
        if self.world.goes_wrong(NOT_ACKNOWLEDGED) {
            happens("a commit is applied and fails");
            self.world.records.fail_next(CommitFault::NotAcknowledged);
        }
        self.world.records.commit(changes).await?;
        self.crash.point().await;
        self.world.latency(5).await;
        Ok(())
    }
}

impl Store for SimulatedStore {
    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<StoredRecord>>, StateError>> {
        async {
            self.crash.point().await;
            self.world.records.get(keys).await
        }
        .boxed()
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, StoredRecord)>, StateError>> {
        self.world.records.scan(scan)
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StateError>> {
        self.written(changes).boxed()
    }

    fn identity(&self) -> StoreIdentity {
        self.world.records.identity()
    }

    fn report(&self) -> BoxFuture<'_, Result<StoreReport, StateError>> {
        self.world.records.report()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
        self.world.records.close()
    }
}
