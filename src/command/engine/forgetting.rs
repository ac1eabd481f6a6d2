//! Forgetting commands that are so old that no copy of them is to be expected.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    command::record::{Record, Stage},
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
    let Ok(long_before) = before.checked_sub(remember) else { return Ok(()) };
    let mut after = None;
    loop {
        after = state.forget(before, after, move |stored| is_over(stored, long_before)).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether nobody asks for it any more. A message that is older than the journal remembers is refused when it comes, so a
/// command of which nothing was begun is forgotten too. What was begun and never came to an end is kept twice as long, and
/// what waits for its time until it has come.
fn is_over(stored: &StoredEntry, long_before: Timestamp) -> bool {
    // What cannot be read is looked at when its command comes again.
    let Ok(record) = Record::decode(&stored.entry.content) else {
        return record_is_older(stored, long_before);
    };
    match &record.stage {
        Stage::Received => record.parked_until.is_none(),
        Stage::Started { .. } => record_is_older(stored, long_before),
        Stage::Ended { .. } => record.is_told() || record_is_older(stored, long_before),
    }
}

fn record_is_older(stored: &StoredEntry, than: Timestamp) -> bool {
    stored.entry.received_at < than
}
