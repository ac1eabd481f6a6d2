//! Removes records of commands that are too old for another copy to arrive, and earlier the oldest answered ones, while
//! the journal has more than it may have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use super::journal;
use crate::{
    command::{
        Action, Effect,
        record::{CommandStage, Record, SecondKey},
    },
    config::CommandsConfig,
    state::{State, StateError, StoredEntry},
    telemetry::{chain, metrics},
};

/// How often the journal is checked.
const INTERVAL: Duration = Duration::from_secs(600);

/// Which answered commands may be removed early.
#[derive(Debug, Clone, Copy)]
enum Evictable {
    /// Look-ups: repeating one does no harm.
    Reads,
    /// All: a further copy is executed again.
    All,
}

/// Removes records that are older than `remember` and ended, and those beyond `journal_max` of `config`, at intervals,
/// until it is dropped.
pub(super) async fn run(state: &State, config: &CommandsConfig, remember: Duration) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(err) = remove_expired(state, remember).await {
            tracing::warn!(error = chain(&err), "old commands are not forgotten yet");
        }
        if let Err(err) = evict(state, &config.name, config.journal_max).await {
            tracing::warn!(error = chain(&err), "the journal of commands is not cut down yet");
        }
    }
}

/// Reduces the journal of the section `name` to `journal_max` records, and logs if it had to. Keeps commands that have
/// not ended or were not answered.
async fn evict(state: &State, name: &str, journal_max: u64) -> Result<(), StateError> {
    let prefix = journal::key(name, "");
    let excess = state.count_entries(&prefix).await?.saturating_sub(journal_max);
    if excess == 0 {
        return Ok(());
    }
    let reads = forget_oldest(state, &prefix, excess, Evictable::Reads).await?;
    let others = forget_oldest(state, &prefix, excess - reads, Evictable::All).await?;
    metrics::commands_forgotten_early(name, reads + others);
    tracing::warn!(
        commands = name,
        journal_max,
        look_ups = reads,
        others,
        "records of commands were removed before their `keep`, because there are more than `journal_max`: later copies of these commands are executed again"
    );
    Ok(())
}

/// Removes the oldest of them, up to the given number; returns how many.
async fn forget_oldest(
    state: &State,
    prefix: &str,
    count: u64,
    expendable: Evictable,
) -> Result<u64, StateError> {
    let left = Arc::new(AtomicU64::new(count));
    let mut after = None;
    while left.load(Ordering::Relaxed) > 0 {
        let (prefix, left) = (prefix.to_owned(), Arc::clone(&left));
        let goes = move |stored: &StoredEntry| {
            stored.id.starts_with(&prefix)
                && expendable.has(stored)
                && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        };
        after = state.forget(Timestamp::MAX, after, goes).await?;
        if after.is_none() {
            break;
        }
    }
    Ok(count - left.load(Ordering::Relaxed))
}

impl Evictable {
    fn has(self, stored: &StoredEntry) -> bool {
        let Ok(record) = Record::decode(&stored.entry.content) else { return false };
        record.is_answered()
            && match self {
                Self::Reads => Action::named(&record.action).is_some_and(|it| it.effect() == Effect::Read),
                Self::All => true,
            }
    }
}

async fn remove_expired(state: &State, remember: Duration) -> Result<(), StateError> {
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

/// Whether the record is no longer needed. A message that is older than the journal remembers is refused on arrival, so
/// a command for which nothing was started is removed too. A command that was started and never ended is kept twice as
/// long, and a parked command until it is due.
fn is_over(stored: &StoredEntry, long_before: Timestamp) -> bool {
    // An unreadable entry is handled when its command comes again.
    let Ok(record) = Record::decode(&stored.entry.content) else {
        return record_is_older(stored, long_before);
    };
    if record.is_pending() && matches!(record.second_key, Some(SecondKey::Awaited { .. })) {
        return record.parked_until.is_none();
    }
    match &record.stage {
        CommandStage::Received => record.parked_until.is_none(),
        CommandStage::Started { .. } => record_is_older(stored, long_before),
        CommandStage::Ended { .. } => record.is_answered() || record_is_older(stored, long_before),
    }
}

fn record_is_older(stored: &StoredEntry, than: Timestamp) -> bool {
    stored.entry.received_at < than
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        command::record::tests::outcome,
        state::{Entry, Opening, StatePaths},
    };

    /// Writes a command of the `second`, as far as `stage` goes.
    async fn write(state: &State, id: &str, second: i64, action: &str, stage: &str) {
        let received_at = Timestamp::from_second(second).unwrap();
        let received = Record::new(action, "f", None, received_at);
        let record = match stage {
            "begun" => received.begun(received_at).unwrap().0,
            "ended" => received.ended(&outcome(json!({}))).unwrap(),
            _ => received.ended(&outcome(json!({}))).unwrap().answered(None).unwrap(),
        };
        state.record(id, 0, Entry { received_at, content: record.encode().unwrap() }).await.unwrap();
    }

    async fn is_there(state: &State, id: &str) -> bool {
        state.entry(id).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_journal_that_is_too_long_loses_its_oldest_look_ups_then_what_was_told_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let places = StatePaths::within(directory.path().to_owned());
        let state = State::open(places, Opening::Trusted).await.unwrap();
        write(&state, "it/old", 0, "user.get", "told").await;
        write(&state, "hr/begun", 1, "user.suspend", "begun").await;
        write(&state, "hr/untold", 2, "user.suspend", "ended").await;
        for second in 3..9 {
            write(&state, &format!("hr/change-{second}"), second, "user.suspend", "told").await;
        }
        write(&state, "hr/look-10", 10, "user.get", "told").await;
        write(&state, "hr/look-11", 11, "user.get", "told").await;
        evict(&state, "hr", 9).await.unwrap();
        assert!(!is_there(&state, "hr/look-10").await, "the older look-up goes first");
        assert!(is_there(&state, "hr/look-11").await && is_there(&state, "hr/change-3").await);
        evict(&state, "hr", 6).await.unwrap();
        assert!(!is_there(&state, "hr/look-11").await);
        assert!(!is_there(&state, "hr/change-3").await && !is_there(&state, "hr/change-4").await);
        assert!(is_there(&state, "hr/change-5").await);
        evict(&state, "hr", 0).await.unwrap();
        assert!(is_there(&state, "hr/begun").await && is_there(&state, "hr/untold").await);
        assert!(!is_there(&state, "hr/change-8").await);
        assert!(is_there(&state, "it/old").await, "it is another's");
        assert_eq!(state.count_entries("hr/").await.unwrap(), 2);
    }
}
