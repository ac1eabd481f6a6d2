//! Whether blocking work, such as disk I/O, still gets a thread. It runs on a pool of its own; when that is exhausted,
//! nothing is committed and no error occurs.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The time between two probes.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The pulse of the pool.
#[derive(Debug)]
pub struct Pulse(Mutex<Instant>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Pulse {
    /// Sends probes to the pool, one at a time, until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let beating = async {
            loop {
                // It fails only if the runtime is going down.
                if tokio::task::spawn_blocking(|| ()).await.is_ok() {
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                }
                tokio::time::sleep(BEAT_EVERY).await;
            }
        };
        stop.run_until_cancelled(beating).await;
    }

    /// For how long blocking work has had no thread.
    pub(super) fn missed_for(&self) -> Duration {
        let beat_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        beat_at.elapsed().saturating_sub(BEAT_EVERY)
    }
}
