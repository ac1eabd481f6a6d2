//! A store in memory on a disk that fails. It outlives the daemon, and shows its records to an observer after each commit.

use std::{ops::Range, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::Instant;

use super::Disk;
use crate::state::{
    Change, Key, MemoryStore, Scan, State, StateError, Store, StoreIdentity, StoreReport, StoredRecord,
};

/// Judges what is durable, at the moment when it is.
pub(crate) trait CommitObserver: std::fmt::Debug + Send + Sync {
    /// A commit was applied, which whoever asked for it may not know yet.
    fn committed(&self, records: &MemoryStore);

    /// Whoever asked for the last commit knows that it was applied.
    fn acknowledged(&self) {}
}

#[derive(Debug)]
pub(crate) struct FailingStore {
    records: MemoryStore,
    disk: Disk,
    observer: Arc<dyn CommitObserver>,
}

impl FailingStore {
    pub(crate) fn new(seed: u64, bad_until: Instant, observer: Arc<dyn CommitObserver>) -> Arc<Self> {
        Self::that_hangs(seed, bad_until, None, observer)
    }

    /// One whose disk takes a commit and does not answer, at a certain time.
    pub(crate) fn that_hangs(
        seed: u64,
        bad_until: Instant,
        hangs: Option<Range<Instant>>,
        observer: Arc<dyn CommitObserver>,
    ) -> Arc<Self> {
        let disk = Disk::new(seed, bad_until).hanging(hangs);
        Arc::new(Self { records: MemoryStore::default(), disk, observer })
    }

    /// The state whose records are here.
    pub(crate) fn state(self: &Arc<Self>) -> State {
        State::over(Arc::<Self>::clone(self))
    }

    /// When the disk last failed.
    pub(crate) fn last_fault_at(&self) -> Option<Instant> {
        self.disk.last_fault_at()
    }
}

impl Store for FailingStore {
    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<StoredRecord>>, StateError>> {
        async {
            self.disk.answer().await?;
            self.records.get(keys).await
        }
        .boxed()
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, StoredRecord)>, StateError>> {
        self.records.scan(scan)
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StateError>> {
        async {
            self.disk.hang().await;
            self.disk.answer().await?;
            self.records.commit(changes).await?;
            self.observer.committed(&self.records);
            self.disk.answer().await?;
            self.observer.acknowledged();
            Ok(())
        }
        .boxed()
    }

    fn identity(&self) -> StoreIdentity {
        self.records.identity()
    }

    fn report(&self) -> BoxFuture<'_, Result<StoreReport, StateError>> {
        self.records.report()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
        self.records.close()
    }
}
