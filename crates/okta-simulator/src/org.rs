//! What all requests share: the log, the directory, the limits, the armed faults, and the record of what was
//! answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio_util::sync::CancellationToken;
use url::Url;

use super::Options;
use super::buckets::Buckets;
use super::directory::{Directory, Writes};
use super::fault::Faults;
use super::hooks::{EventHooks, Outbound};
use super::log_store::LogStore;
use super::oauth::{App, OAuth};
use super::rate_limit::RateLimit;
use super::request_log::RequestLog;

/// Requests a minute on `/oauth2/v1/token`, as in recorded answers.
const TOKEN_RATE_LIMIT: u32 = 150;

/// One simulated org.
#[derive(Debug)]
pub(super) struct Org {
    pub(super) started_ms: i64,
    pub(super) token: Option<String>,
    pub(super) public_url: Option<Url>,
    pub(super) gzip: bool,
    pub(super) oauth: OAuth,
    pub(super) buckets: Buckets,
    pub(super) token_limit: RateLimit,
    pub(super) faults: Faults,
    pub(super) requests: RequestLog,
    /// Ends bodies that would otherwise never end.
    pub(super) stopping: CancellationToken,
    pub(super) writes: Writes,
    pub(super) hooks: EventHooks,
    pub(super) outbound: Outbound,
    pub(super) heavy_query_events: Option<usize>,
    log: RwLock<LogStore>,
    directory: Mutex<Directory>,
    /// The events of the last page that was answered, for the fault that repeats some of them.
    last_page: Mutex<Vec<u64>>,
    concurrency_limit: usize,
    under_way: AtomicUsize,
}

impl Org {
    pub(super) fn new(
        options: &Options,
        apps: Vec<App>,
        started_ms: i64,
        log: LogStore,
        directory: Directory,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            started_ms,
            token: options.token.clone(),
            public_url: options.public_url.clone(),
            gzip: options.gzip,
            oauth: OAuth::new(apps, options.access_token_lifetime),
            buckets: Buckets::new(options, started_ms),
            token_limit: RateLimit::new(TOKEN_RATE_LIMIT, started_ms),
            faults: Faults::default(),
            requests: RequestLog::default(),
            stopping,
            writes: Writes::default(),
            hooks: EventHooks::default(),
            outbound: Outbound::default(),
            heavy_query_events: options.heavy_query_events,
            log: RwLock::new(log),
            directory: Mutex::new(directory),
            last_page: Mutex::default(),
            concurrency_limit: options.concurrency_limit,
            under_way: AtomicUsize::new(0),
        }
    }

    /// The same with this way to the addresses of hooks.
    pub(super) fn with_outbound(self, outbound: Outbound) -> Self {
        Self { outbound, ..self }
    }

    /// The log, for reading. Hold it briefly: new events wait meanwhile.
    pub(super) fn log(&self) -> RwLockReadGuard<'_, LogStore> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log, for appending.
    pub(super) fn log_mut(&self) -> RwLockWriteGuard<'_, LogStore> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory as it is at that time. Whoever holds it may take the log, but not the other way round.
    pub(super) fn directory(&self, now_ms: i64) -> MutexGuard<'_, Directory> {
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory.settle(now_ms);
        directory
    }

    /// The events of the last page that was answered.
    pub(super) fn last_page(&self) -> MutexGuard<'_, Vec<u64>> {
        self.last_page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot among the requests under way, if the concurrency limit leaves one.
    pub(super) fn enter(&self) -> Option<Slot<'_>> {
        let slot = Slot { under_way: &self.under_way };
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        (before < self.concurrency_limit).then_some(slot)
    }
}

/// One request under way; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    under_way: &'a AtomicUsize,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
