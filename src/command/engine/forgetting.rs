//! Forgetting commands that are so old that no copy of them is to be expected.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    command::journal::Record,
    state::{State, StateError, StoredEntry},
    telemetry::chain,
};

/// How often what is old is looked for.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Forgets what was received longer ago than `remember` and is over, now and then, until it is dropped.
pub(super) async fn forget_now_and_then(state: &State, remember: Duration) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(err) = forget(state, remember).await {
            tracing::warn!(error = chain(&err), "old commands are not forgotten yet");
        }
    }
}

async fn forget(state: &State, remember: Duration) -> Result<(), StateError> {
    let Ok(remember) = SignedDuration::try_from(remember) else { return Ok(()) };
    let Ok(before) = Timestamp::now().checked_sub(remember) else { return Ok(()) };
    let mut after = None;
    loop {
        after = state.forget(before, after, is_over).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether it has its outcome, which was told. What waits for its time, or was begun and never came to an end, is not
/// forgotten, however old it is.
fn is_over(stored: &StoredEntry) -> bool {
    Record::decode(&stored.entry.content).is_ok_and(|record| record.is_told())
}
