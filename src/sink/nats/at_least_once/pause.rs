//! When fast ingest is used, and when it is left for a while because it did not pay. Sends nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Outlives the sessions of a sink, of which one may end for no other reason than fast ingest.
#[derive(Debug, Clone, Default)]
pub(super) struct FastPause(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    until: Option<Instant>,
    next: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self { until: None, next: PAUSE_MIN }
    }
}

impl FastPause {
    /// Whether fast ingest is to be left for now.
    pub(super) fn holds(&self) -> bool {
        self.state().until.is_some_and(|until| Instant::now() < until)
    }

    /// Leaves it for a while; each time in a row for twice as long.
    pub(super) fn begin(&self) {
        if self.holds() {
            return;
        }
        let mut state = self.state();
        state.until = Some(Instant::now() + state.next);
        state.next = (state.next * 2).min(PAUSE_MAX);
    }

    /// It has paid.
    pub(super) fn forget(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_and_the_next_one_is_longer() {
        let pause = FastPause::default();
        assert!(!pause.holds());
        for length in [PAUSE_MIN, 2 * PAUSE_MIN, 4 * PAUSE_MIN] {
            pause.begin();
            tokio::time::advance(length - Duration::from_secs(1)).await;
            assert!(pause.holds());
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!pause.holds());
        }
        pause.forget();
        pause.begin();
        tokio::time::advance(PAUSE_MIN).await;
        assert!(!pause.holds());
    }
}
