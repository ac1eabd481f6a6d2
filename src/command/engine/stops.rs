//! What operators have stopped: whole sections (pause) and single commands (cancel). A stop takes effect at once, and
//! is written to the state as soon as the disk accepts it, so that it survives a restart. Checked before each change.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{EngineError, journal::Journal, recovery, status::EngineStatus};
use crate::{
    command::OutcomeError,
    state::{NoteChange, StoredNote},
};

/// The most cancelled commands that have not ended.
const CANCELLED_MAX: usize = 10_000;

/// Who has stopped something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRecord {
    /// When.
    pub at: Timestamp,
    /// The operator, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The stops that are in effect.
#[derive(Debug)]
pub(super) struct Stops {
    journal: Journal,
    status: Arc<EngineStatus>,
    /// Held while the state is read or written, which may take long while the disk fails. `current` changes without it.
    saving: AsyncMutex<()>,
    current: Mutex<StopState>,
    /// Wakes all waiters of a change in the order in which they came. A `watch` would wake them in random order, and
    /// simulated runs would not be repeatable.
    changed: Notify,
}

/// Notices when commands are cancelled.
#[derive(Debug)]
pub(super) struct CancellationWatch<'a> {
    stops: &'a Stops,
    /// The last version seen; none at first, since some may have been cancelled before.
    seen: Option<u64>,
}

#[derive(Debug, Default)]
struct StopState {
    /// Grows with each change.
    version: u64,
    /// Whether the state was read: from then on, this is ahead of the state.
    is_loaded: bool,
    paused: Option<StopRecord>,
    /// Whether the section is paused, and the state does not have it yet.
    is_pause_unsaved: bool,
    /// The number of pauses so far: a resume that waits for the disk must not undo a later pause.
    pauses: u64,
    cancelled: BTreeMap<String, StopRecord>,
    /// Cancelled commands that the state does not have yet.
    unsaved: BTreeSet<String>,
}

impl Stops {
    /// The stops of the section of `status`: none until they are loaded.
    pub(super) fn new(journal: Journal, status: &Arc<EngineStatus>) -> Self {
        let (saving, current, changed) = (AsyncMutex::default(), Mutex::default(), Notify::new());
        Self { journal, status: Arc::clone(status), saving, current, changed }
    }

    /// Reads the stops from the state. Removes commands that were cancelled before `forget_before` and never came.
    pub(super) async fn load(&self, forget_before: Timestamp) -> Result<(), EngineError> {
        let _saving = self.saving.lock().await;
        let paused = match self.journal.note(&self.pause_note()).await? {
            Some(note) => self.read(&note)?,
            None => None,
        };
        let recovered = match self.journal.note(&recovery::note_name(self.status.name())).await? {
            Some(note) => self.read(&note)?,
            None => None,
        };
        let paused = recovery::paused(recovered, paused);
        let prefix = self.cancel_note("");
        let mut cancelled = BTreeMap::new();
        for note in self.journal.notes(&prefix).await? {
            let Some(id) = note.name.strip_prefix(&prefix) else { continue };
            match self.read(&note)? {
                Some(stopped) if stopped.at < forget_before => self.journal.remove_note(&note.name).await?,
                stopped => cancelled.extend(stopped.map(|stopped| (id.to_owned(), stopped))),
            }
        }
        self.change(|current| {
            current.is_loaded = true;
            // A stop that the disk has not accepted is in effect all the same.
            if !current.is_pause_unsaved {
                current.paused = paused;
            }
            current.cancelled.retain(|id, _| current.unsaved.contains(id));
            for (id, stopped) in cancelled {
                current.cancelled.entry(id).or_insert(stopped);
            }
        });
        Ok(())
    }

    /// Reads the stops from the state, unless that was done. Does not wait for writers.
    pub(super) async fn require_loaded(&self) -> Result<(), EngineError> {
        let is_loaded = self.current().is_loaded;
        if is_loaded { Ok(()) } else { self.load(Timestamp::MIN).await }
    }

    /// Pauses the section at once; [`Self::save_pause`] makes it durable. Returns the pause that was in effect before,
    /// which stays as it is.
    pub(super) fn pause(&self, stopped: StopRecord) -> Option<StopRecord> {
        let mut earlier = None;
        self.change(|current| {
            earlier.clone_from(&current.paused);
            current.pauses += 1;
            if current.paused.is_none() {
                current.paused = Some(stopped);
                current.is_pause_unsaved = true;
            }
        });
        earlier
    }

    /// Writes the pause to the state, unless it is there.
    pub(super) async fn save_pause(&self) -> Result<(), EngineError> {
        let _saving = self.saving.lock().await;
        self.write_pause().await
    }

    async fn write_pause(&self) -> Result<(), EngineError> {
        loop {
            let (paused, is_unsaved) = {
                let current = self.current();
                (current.paused.clone(), current.is_pause_unsaved)
            };
            if !is_unsaved {
                return Ok(());
            }
            self.write(self.pause_note(), paused.as_ref()).await?;
            self.change(|current| current.is_pause_unsaved &= current.paused != paused);
        }
    }

    /// How often commands were paused until now.
    pub(super) fn pauses(&self) -> u64 {
        self.current().pauses
    }

    /// Lets commands go on as soon as the state knows it, unless somebody has paused them since there were so many `pauses`.
    /// Gives the pause that there was.
    pub(super) async fn resume(&self, pauses: u64) -> Result<Option<StopRecord>, EngineError> {
        let earlier = self.paused();
        let _saving = self.saving.lock().await;
        self.write(self.pause_note(), None).await?;
        let recovery = recovery::note_name(self.status.name());
        if self.journal.note(&recovery).await?.is_some() {
            self.journal.remove_note(&recovery).await?;
        }
        self.change(|current| {
            if current.pauses == pauses {
                (current.paused, current.is_pause_unsaved) = (None, false);
            } else {
                current.is_pause_unsaved = current.paused.is_some();
            }
        });
        self.write_pause().await?;
        Ok(earlier)
    }

    /// Cancels the command `id` at once; [`Self::save_cancelled`] makes it durable. Returns whether that is new.
    pub(super) fn cancel(&self, id: &str, stopped: StopRecord) -> Result<bool, EngineError> {
        let mut is_new = Ok(false);
        self.change(|current| {
            if current.cancelled.contains_key(id) {
                return;
            }
            if current.cancelled.len() >= CANCELLED_MAX {
                is_new = Err(EngineError::TooManyCancelled { max: CANCELLED_MAX });
                return;
            }
            current.cancelled.insert(id.to_owned(), stopped);
            current.unsaved.insert(id.to_owned());
            is_new = Ok(true);
        });
        is_new
    }

    /// Writes the cancellation of the command `id` to the state, unless it is there or the command has ended.
    pub(super) async fn save_cancelled(&self, id: &str) -> Result<(), EngineError> {
        let _saving = self.saving.lock().await;
        let unsaved = {
            let current = self.current();
            current.cancelled.get(id).filter(|_| current.unsaved.contains(id)).cloned()
        };
        let Some(stopped) = unsaved else { return Ok(()) };
        self.write(self.cancel_note(id), Some(&stopped)).await?;
        self.change(|current| {
            current.unsaved.remove(id);
        });
        Ok(())
    }

    /// Removes the cancellation of the command `id`, which has ended.
    pub(super) async fn forget(&self, id: &str) -> Result<(), EngineError> {
        if self.cancelled(id).is_none() {
            return Ok(());
        }
        let _saving = self.saving.lock().await;
        self.journal.remove_note(&self.cancel_note(id)).await?;
        self.change(|current| {
            current.cancelled.remove(id);
            current.unsaved.remove(id);
        });
        Ok(())
    }

    /// Who has paused the section, if it is paused.
    pub(super) fn paused(&self) -> Option<StopRecord> {
        self.current().paused.clone()
    }

    /// Who has cancelled the command `id`, if it is cancelled.
    pub(super) fn cancelled(&self, id: &str) -> Option<StopRecord> {
        self.current().cancelled.get(id).cloned()
    }

    /// Waits while the section is paused, unless the command `id` is cancelled. Cancel-safe.
    pub(super) async fn until_running(&self, id: &str) {
        self.until(|current| current.paused.is_none() || current.cancelled.contains_key(id)).await;
    }

    /// Waits while the section is paused. Cancel-safe.
    pub(super) async fn until_resumed(&self) {
        self.until(|current| current.paused.is_none()).await;
    }

    /// The cancelled commands for which `is_wanted` is true.
    pub(super) fn cancelled_among(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.current().cancelled.keys().filter(|id| is_wanted(id)).cloned().collect()
    }

    /// Watches for cancelled commands.
    pub(super) fn watch_cancellations(&self) -> CancellationWatch<'_> {
        CancellationWatch { stops: self, seen: None }
    }

    async fn until(&self, is_awaited: impl Fn(&StopState) -> bool) {
        loop {
            // Registered before the check, so that no change is missed.
            let changed = self.changed.notified();
            if is_awaited(&self.current()) {
                return;
            }
            changed.await;
        }
    }

    /// Changes the stops and updates the status.
    fn change(&self, change: impl FnOnce(&mut StopState)) {
        {
            let mut current = self.current();
            change(&mut current);
            current.version += 1;
            self.status.paused(current.paused.clone());
        }
        self.changed.notify_waiters();
    }

    fn current(&self) -> MutexGuard<'_, StopState> {
        // Nothing panics while the lock is held.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, name: String, stopped: Option<&StopRecord>) -> Result<(), EngineError> {
        let expected = self.journal.note(&name).await?.map_or(0, |note| note.generation);
        let content = serde_json::to_string(&stopped)
            .map_err(|source| EngineError::of_note(&name, self.status.name(), source))?;
        self.journal.save_note(&NoteChange { name, expected, content }).await
    }

    fn pause_note(&self) -> String {
        format!("paused/{}", self.status.name())
    }

    fn cancel_note(&self, id: &str) -> String {
        format!("cancelled/{}/{id}", self.status.name())
    }

    fn read(&self, note: &StoredNote) -> Result<Option<StopRecord>, EngineError> {
        let read = serde_json::from_str(&note.content);
        read.map_err(|source| EngineError::of_note(&note.name, self.status.name(), source))
    }
}

impl CancellationWatch<'_> {
    /// Waits until a command may have been cancelled. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        self.stops.until(|current| self.seen != Some(current.version)).await;
        self.seen = Some(self.stops.current().version);
    }
}

impl StopRecord {
    /// The error of a cancelled command.
    pub(super) fn refusal(&self) -> OutcomeError {
        super::outcomes::cancelled(format!("it was cancelled{self}; nothing more was sent"))
    }
}

/// By whom, when and why, to follow a description of what was done.
impl fmt::Display for StopRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(by) = &self.by {
            write!(formatter, " by {by}")?;
        }
        write!(formatter, " at {:.0}", self.at)?;
        match &self.reason {
            Some(reason) => write!(formatter, ": {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::future::{BoxFuture, FutureExt as _, try_join_all};

    use super::*;
    use crate::state::{
        Change, Key, MemoryStore, Scan, State, StateError, Store, StoreIdentity, StoreReport, StoredRecord,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn operators_who_stop_things_at_the_same_time_undo_nothing_of_each_other() {
        let state = State::over(Arc::new(MemoryStore::default()));
        let status = Arc::new(EngineStatus::new("hr"));
        let journal = Journal::new(state, Arc::clone(&status));
        let stops = Arc::new(Stops::new(journal, &status));
        let stopped = StopRecord { at: Timestamp::UNIX_EPOCH, by: None, reason: None };
        let operators = (0..32).map(|n| {
            let (stops, stopped) = (Arc::clone(&stops), stopped.clone());
            tokio::spawn(async move {
                stops.load(Timestamp::MIN).await.unwrap();
                if n == 0 {
                    assert!(stops.pause(stopped).is_none());
                    return stops.save_pause().await.unwrap();
                }
                assert!(stops.cancel(&n.to_string(), stopped).unwrap());
                stops.save_cancelled(&n.to_string()).await.unwrap();
            })
        });
        try_join_all(operators).await.unwrap();
        stops.load(Timestamp::MIN).await.unwrap();
        assert!(stops.paused().is_some());
        assert!((1..32).all(|n| stops.cancelled(&n.to_string()).is_some()));
    }

    #[tokio::test]
    async fn a_further_pause_changes_nothing_of_the_first() {
        let state = State::over(Arc::new(MemoryStore::default()));
        let status = Arc::new(EngineStatus::new("hr"));
        let stops = Stops::new(Journal::new(state, Arc::clone(&status)), &status);
        let by = |who: &str| StopRecord {
            at: Timestamp::UNIX_EPOCH,
            by: Some(who.to_owned()),
            reason: Some("a leak".to_owned()),
        };
        assert_eq!(stops.pause(by("eve")), None);
        stops.save_pause().await.unwrap();
        assert_eq!(stops.pause(by("bob")), Some(by("eve")));
        stops.save_pause().await.unwrap();
        stops.load(Timestamp::MIN).await.unwrap();
        assert_eq!(stops.paused(), Some(by("eve")));
        assert_eq!(by("eve").to_string(), " by eve at 1970-01-01T00:00:00Z: a leak");
        assert_eq!(stops.resume(stops.pauses()).await.unwrap(), Some(by("eve")));
        assert_eq!(stops.resume(stops.pauses()).await.unwrap(), None);
        stops.load(Timestamp::MIN).await.unwrap();
        assert_eq!(stops.paused(), None);
    }

    /// A store whose disk is full.
    #[derive(Debug, Default)]
    struct Full(MemoryStore);

    impl Store for Full {
        fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<StoredRecord>>, StateError>> {
            self.0.get(keys)
        }

        fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Vec<(Key, StoredRecord)>, StateError>> {
            self.0.scan(scan)
        }

        fn commit(&self, _: Vec<Change>) -> BoxFuture<'_, Result<(), StateError>> {
            let full = StateError::NoRoom { path: "state".into(), free_bytes: 0, needed_bytes: 1 };
            std::future::ready(Err(full)).boxed()
        }

        fn identity(&self) -> StoreIdentity {
            self.0.identity()
        }

        fn report(&self) -> BoxFuture<'_, Result<StoreReport, StateError>> {
            self.0.report()
        }

        fn close(&self) -> BoxFuture<'_, Result<(), StateError>> {
            self.0.close()
        }
    }

    #[tokio::test]
    async fn a_pause_holds_in_memory_even_if_the_disk_is_full_and_nobody_waits_for_it() {
        let full = State::over(Arc::new(Full::default()));
        let status = Arc::new(EngineStatus::new("hr"));
        let stops = Stops::new(Journal::new(full, Arc::clone(&status)), &status);
        let stopped = StopRecord { at: Timestamp::UNIX_EPOCH, by: None, reason: None };
        stops.require_loaded().await.unwrap();
        assert_eq!(stops.pause(stopped.clone()), None);
        assert_eq!(status.snapshot().paused, Some(stopped.clone()), "it is seen at once");
        assert!(stops.cancel("c-1", stopped.clone()).unwrap());
        // Whoever waits for the disk keeps it from nobody else.
        let mut saving = std::pin::pin!(stops.save_pause());
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut saving).await.is_err());
        assert_eq!(status.snapshot().troubles.len(), 1, "somebody waits");
        tokio::time::timeout(Duration::from_secs(5), stops.require_loaded()).await.unwrap().unwrap();
        assert!(stops.cancel("c-2", stopped.clone()).unwrap());
        let resuming = stops.resume(stops.pauses());
        assert!(tokio::time::timeout(Duration::from_millis(200), resuming).await.is_err());
        assert_eq!(stops.paused(), Some(stopped.clone()));
    }

    #[tokio::test]
    async fn what_the_disk_does_not_know_is_not_forgotten_and_a_later_pause_wins() {
        let state = State::over(Arc::new(MemoryStore::default()));
        let status = Arc::new(EngineStatus::new("hr"));
        let stops = Stops::new(Journal::new(state, Arc::clone(&status)), &status);
        let stopped = StopRecord { at: Timestamp::UNIX_EPOCH, by: None, reason: None };
        stops.pause(stopped.clone());
        stops.cancel("c-1", stopped.clone()).unwrap();
        stops.load(Timestamp::MIN).await.unwrap();
        assert_eq!((stops.paused(), stops.cancelled("c-1")), (Some(stopped.clone()), Some(stopped.clone())));
        // Somebody pauses while a resume waits for its turn to write.
        let saving = stops.saving.lock().await;
        let mut resuming = std::pin::pin!(stops.resume(stops.pauses()));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut resuming).await.is_err());
        stops.pause(stopped.clone());
        drop(saving);
        resuming.await.unwrap();
        assert_eq!(stops.paused(), Some(stopped.clone()));
        stops.load(Timestamp::MIN).await.unwrap();
        assert_eq!(stops.paused(), Some(stopped.clone()), "the state knows it");
        // Somebody pauses after the resume was asked for, and before it began.
        let asked = stops.pauses();
        stops.pause(stopped.clone());
        stops.resume(asked).await.unwrap();
        assert_eq!(stops.paused(), Some(stopped));
    }
}
