//! Counters of a running replay, for its reports only.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{
    progress::Progress,
    report::{Advance, Summary},
};
use okta_client::BudgetStatus;

/// Counted since this run began.
#[derive(Debug)]
pub(super) struct Tally {
    requests: AtomicU64,
    dead_letters: AtomicU64,
    progress: Mutex<Progress>,
}

impl Tally {
    pub(super) fn new(progress: Progress) -> Self {
        Self { requests: AtomicU64::new(0), dead_letters: AtomicU64::new(0), progress: Mutex::new(progress) }
    }

    /// One more request was made.
    pub(super) fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// So many messages can never be delivered.
    pub(super) fn rejected(&self, messages: u64) {
        self.dead_letters.fetch_add(messages, Ordering::Relaxed);
    }

    /// This is durable now.
    pub(super) fn advanced(&self, progress: &Progress) {
        self.progress().clone_from(progress);
    }

    #[expect(clippy::cast_precision_loss, reason = "a part, for people")]
    pub(super) fn advance(&self, budget: BudgetStatus, trouble: Option<String>) -> Advance {
        let progress = self.progress();
        Advance {
            part: progress.part(),
            delivered: progress.delivered,
            slices_done: progress.slices_done(),
            slices: progress.slices,
            requests: self.requests.load(Ordering::Relaxed),
            budget_used: budget.allowed.map(|allowed| budget.used as f64 / allowed.max(1) as f64),
            trouble,
        }
    }

    pub(super) fn summary(&self, name: &str) -> Summary {
        let progress = self.progress();
        Summary {
            name: name.to_owned(),
            delivered: progress.delivered,
            dead_letters: self.dead_letters.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            slices_done: progress.slices_done(),
            slices: progress.slices,
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        let progress = self.progress();
        progress.slices_done() == progress.slices
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing panics while the lock is held.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
