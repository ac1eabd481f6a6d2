//! What an operator has stopped: all commands of a name, or single ones. It is in the state, so it survives a restart, and
//! whoever is about to act looks here first.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{EngineError, journal::Journal, status::EngineStatus};
use crate::{
    command::{OutcomeError, store::NoteChange},
    state::StoredNote,
};

/// Commands that are cancelled and have not come to their end, at most.
const CANCELLED_MAX: usize = 10_000;

/// Who has stopped something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// Who, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is stopped now.
#[derive(Debug)]
pub(super) struct Switch {
    journal: Journal,
    commands: String,
    /// Held while the state and the position change together.
    changing: AsyncMutex<Changing>,
    position: Mutex<Position>,
    /// Wakes all who wait for another position, in the order in which they came to wait. A `watch` wakes them in a random one, and no
    /// simulated run would be repeatable.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Changing {
    /// Whether all are paused, and the state does not know it yet.
    is_pause_unsaved: bool,
}

/// Tells when commands are cancelled.
#[derive(Debug)]
pub(super) struct Cancellations<'a> {
    switch: &'a Switch,
    /// The position that was seen last; none yet, since some may have been cancelled before.
    seen: Option<u64>,
}

#[derive(Debug, Default)]
struct Position {
    /// Grows with each change.
    number: u64,
    paused: Option<Stopped>,
    cancelled: BTreeMap<String, Stopped>,
}

impl Switch {
    /// The switch of the commands of `status`, as if nothing was stopped until it is loaded.
    pub(super) fn new(journal: Journal, status: &EngineStatus) -> Self {
        let (changing, position, changed) = (AsyncMutex::default(), Mutex::default(), Notify::new());
        Self { journal, commands: status.name().to_owned(), changing, position, changed }
    }

    /// Reads what is stopped. Forgets commands that were cancelled before this time and never came.
    pub(super) async fn load(&self, forget_before: Timestamp) -> Result<(), EngineError> {
        let changing = self.changing.lock().await;
        // A pause that the disk has not taken holds all the same.
        let paused = match self.journal.note(&self.pause_note()).await? {
            _ if changing.is_pause_unsaved => self.paused(),
            Some(note) => self.read(&note)?,
            None => None,
        };
        let prefix = self.cancel_note("");
        let mut cancelled = BTreeMap::new();
        for note in self.journal.notes(&prefix).await? {
            let Some(id) = note.name.strip_prefix(&prefix) else { continue };
            match self.read(&note)? {
                Some(stopped) if stopped.at < forget_before => self.journal.drop_note(&note.name).await?,
                stopped => cancelled.extend(stopped.map(|stopped| (id.to_owned(), stopped))),
            }
        }
        self.turn(|position| (position.paused, position.cancelled) = (paused, cancelled));
        Ok(())
    }

    /// Lets nothing be sent any more, or lets it again. Gives the pause that there was before, which a further one does not
    /// change.
    pub(super) async fn set_paused(&self, wanted: Option<Stopped>) -> Result<Option<Stopped>, EngineError> {
        let mut changing = self.changing.lock().await;
        let earlier = self.paused();
        let is_kept = wanted.is_some() && earlier.is_some();
        if is_kept && !changing.is_pause_unsaved {
            return Ok(earlier);
        }
        let paused = if is_kept { earlier.clone() } else { wanted };
        // A disk that takes nothing must not keep anybody from stopping.
        if paused.is_some() {
            changing.is_pause_unsaved = true;
            self.turn(|position| position.paused.clone_from(&paused));
        }
        let name = self.pause_note();
        let expected = self.journal.note(&name).await?.map_or(0, |note| note.generation);
        let content = self.written(&name, paused.as_ref())?;
        self.journal.keep_note(&NoteChange { name, expected, content }).await?;
        changing.is_pause_unsaved = false;
        self.turn(|position| position.paused = paused);
        Ok(earlier)
    }

    /// Lets nothing be sent for the command `id` any more. Says whether that is new.
    pub(super) async fn cancel(&self, id: &str, stopped: Stopped) -> Result<bool, EngineError> {
        let _changing = self.changing.lock().await;
        if self.cancelled(id).is_some() {
            return Ok(false);
        }
        if self.position().cancelled.len() >= CANCELLED_MAX {
            return Err(EngineError::TooManyCancelled { max: CANCELLED_MAX });
        }
        let name = self.cancel_note(id);
        let expected = self.journal.note(&name).await?.map_or(0, |note| note.generation);
        let content = self.written(&name, Some(&stopped))?;
        self.journal.keep_note(&NoteChange { name, expected, content }).await?;
        self.turn(|position| {
            position.cancelled.insert(id.to_owned(), stopped);
        });
        Ok(true)
    }

    /// Forgets that the command `id` was cancelled: it has come to its end.
    pub(super) async fn forget(&self, id: &str) -> Result<(), EngineError> {
        if self.cancelled(id).is_none() {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        self.journal.drop_note(&self.cancel_note(id)).await?;
        self.turn(|position| {
            position.cancelled.remove(id);
        });
        Ok(())
    }

    /// Who has stopped all of them, if anybody has.
    pub(super) fn paused(&self) -> Option<Stopped> {
        self.position().paused.clone()
    }

    /// Who has cancelled the command `id`, if anybody has.
    pub(super) fn cancelled(&self, id: &str) -> Option<Stopped> {
        self.position().cancelled.get(id).cloned()
    }

    /// Waits while all are stopped, unless the command `id` is cancelled. Cancel-safe.
    pub(super) async fn until_running(&self, id: &str) {
        self.until(|position| position.paused.is_none() || position.cancelled.contains_key(id)).await;
    }

    /// Waits while all are stopped. Cancel-safe.
    pub(super) async fn until_resumed(&self) {
        self.until(|position| position.paused.is_none()).await;
    }

    /// Those who are cancelled of the commands that `is_wanted`.
    pub(super) fn cancelled_among(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.position().cancelled.keys().filter(|id| is_wanted(id)).cloned().collect()
    }

    /// To be told when commands are cancelled.
    pub(super) fn cancellations(&self) -> Cancellations<'_> {
        Cancellations { switch: self, seen: None }
    }

    /// Waits until the position `is_awaited`. Cancel-safe.
    async fn until(&self, is_awaited: impl Fn(&Position) -> bool) {
        loop {
            // It hears of all that is changed from here on.
            let changed = self.changed.notified();
            if is_awaited(&self.position()) {
                return;
            }
            changed.await;
        }
    }

    fn turn(&self, change: impl FnOnce(&mut Position)) {
        {
            let mut position = self.position();
            change(&mut position);
            position.number += 1;
        }
        self.changed.notify_waiters();
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        // Nothing panics while the lock is held.
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause_note(&self) -> String {
        format!("paused/{}", self.commands)
    }

    fn cancel_note(&self, id: &str) -> String {
        format!("cancelled/{}/{id}", self.commands)
    }

    fn read(&self, note: &StoredNote) -> Result<Option<Stopped>, EngineError> {
        let read = serde_json::from_str(&note.content);
        read.map_err(|source| EngineError::of_note(&note.name, &self.commands, source))
    }

    fn written(&self, note: &str, stopped: Option<&Stopped>) -> Result<String, EngineError> {
        let written = serde_json::to_string(&stopped);
        written.map_err(|source| EngineError::of_note(note, &self.commands, source))
    }
}

impl Cancellations<'_> {
    /// Waits until a command may have been cancelled. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        self.switch.until(|position| self.seen != Some(position.number)).await;
        self.seen = Some(self.switch.position().number);
    }
}

impl Stopped {
    /// Why a command is refused that was cancelled.
    pub(super) fn refusal(&self) -> OutcomeError {
        super::outcomes::cancelled(format!("it was cancelled{self}; nothing more was sent"))
    }
}

/// By whom, when and why, after what was done.
impl fmt::Display for Stopped {
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
    use crate::{
        command::store::{EntryChange, Store},
        state::{Opening, Places, State, StateError, StoredEntry},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn operators_who_stop_things_at_the_same_time_undo_nothing_of_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::within(directory.path().to_owned());
        let state = State::open(places, Opening::Trusted).await.unwrap();
        let status = Arc::new(EngineStatus::new("hr"));
        let journal = Journal::new(Arc::new(state), Arc::clone(&status));
        let switch = Arc::new(Switch::new(journal, &status));
        let stopped = Stopped { at: Timestamp::UNIX_EPOCH, by: None, reason: None };
        let operators = (0..32).map(|n| {
            let (switch, stopped) = (Arc::clone(&switch), stopped.clone());
            tokio::spawn(async move {
                switch.load(Timestamp::MIN).await.unwrap();
                match n {
                    0 => assert!(switch.set_paused(Some(stopped)).await.unwrap().is_none()),
                    n => assert!(switch.cancel(&n.to_string(), stopped).await.unwrap()),
                }
            })
        });
        try_join_all(operators).await.unwrap();
        assert!(switch.paused().is_some());
        assert!((1..32).all(|n| switch.cancelled(&n.to_string()).is_some()));
    }

    #[tokio::test]
    async fn a_further_pause_changes_nothing_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::within(directory.path().to_owned());
        let state = State::open(places, Opening::Trusted).await.unwrap();
        let status = Arc::new(EngineStatus::new("hr"));
        let switch = Switch::new(Journal::new(Arc::new(state), Arc::clone(&status)), &status);
        let by = |who: &str| Stopped {
            at: Timestamp::UNIX_EPOCH,
            by: Some(who.to_owned()),
            reason: Some("a leak".to_owned()),
        };
        assert_eq!(switch.set_paused(Some(by("eve"))).await.unwrap(), None);
        assert_eq!(switch.set_paused(Some(by("bob"))).await.unwrap(), Some(by("eve")));
        switch.load(Timestamp::MIN).await.unwrap();
        assert_eq!(switch.paused(), Some(by("eve")));
        assert_eq!(by("eve").to_string(), " by eve at 1970-01-01T00:00:00Z: a leak");
        assert_eq!(switch.set_paused(None).await.unwrap(), Some(by("eve")));
        assert_eq!(switch.set_paused(None).await.unwrap(), None);
    }

    /// A state whose disk is full.
    #[derive(Debug)]
    struct Full(State);

    impl Store for Full {
        fn entry<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StateError>> {
            Store::entry(&self.0, id)
        }

        fn write(&self, _: EntryChange, note: Option<NoteChange>) -> BoxFuture<'_, Result<(), StateError>> {
            drop(note);
            std::future::ready(Err(no_room())).boxed()
        }

        fn note<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredNote>, StateError>> {
            Store::note(&self.0, name)
        }

        fn notes<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredNote>, StateError>> {
            Store::notes(&self.0, prefix)
        }

        fn write_note(&self, _: NoteChange) -> BoxFuture<'_, Result<(), StateError>> {
            std::future::ready(Err(no_room())).boxed()
        }

        fn drop_notes(&self, _: Vec<String>) -> BoxFuture<'_, Result<(), StateError>> {
            std::future::ready(Err(no_room())).boxed()
        }
    }

    fn no_room() -> StateError {
        StateError::NoRoom { path: "state".into(), free_bytes: 0, needed_bytes: 1 }
    }

    #[tokio::test]
    async fn a_pause_holds_in_memory_even_if_the_disk_is_full_and_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::within(directory.path().to_owned());
        let full = Full(State::open(places, Opening::Trusted).await.unwrap());
        let status = Arc::new(EngineStatus::new("hr"));
        let switch = Switch::new(Journal::new(Arc::new(full), Arc::clone(&status)), &status);
        let stopped = Stopped { at: Timestamp::UNIX_EPOCH, by: None, reason: None };
        // Whoever asked has gone away in the middle.
        let pausing = switch.set_paused(Some(stopped.clone()));
        assert!(tokio::time::timeout(Duration::from_millis(200), pausing).await.is_err());
        assert_eq!(switch.paused(), Some(stopped.clone()));
        assert!(status.snapshot().troubles.is_empty(), "nobody waits any more");
        switch.load(Timestamp::MIN).await.unwrap();
        assert_eq!(switch.paused(), Some(stopped.clone()), "what the disk does not know is not forgotten");
        let pausing = switch.set_paused(Some(stopped));
        assert!(
            tokio::time::timeout(Duration::from_millis(200), pausing).await.is_err(),
            "it is tried again"
        );
    }
}
