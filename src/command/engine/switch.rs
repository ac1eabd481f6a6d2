//! What an operator has stopped: all commands of a name, or single ones. It is in the state, so it survives a restart, and
//! whoever is about to act looks here first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use super::{EngineError, journal::Journal, status::EngineStatus};
use crate::command::{OutcomeError, store::NoteChange};

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
    changing: Mutex<()>,
    position: watch::Sender<Position>,
}

/// Tells when commands are cancelled.
#[derive(Debug)]
pub(super) struct Cancellations(watch::Receiver<Position>);

#[derive(Debug, Clone, Default)]
struct Position {
    paused: Option<Stopped>,
    cancelled: BTreeMap<String, Stopped>,
}

impl Switch {
    /// The switch of the commands of `status`, as if nothing was stopped until it is loaded.
    pub(super) fn new(journal: Journal, status: &EngineStatus) -> Self {
        let position = watch::Sender::new(Position::default());
        Self { journal, commands: status.name().to_owned(), changing: Mutex::default(), position }
    }

    /// Reads what is stopped. Forgets commands that were cancelled before this time and never came.
    pub(super) async fn load(&self, forget_before: Timestamp) -> Result<(), EngineError> {
        let _changing = self.changing.lock().await;
        let read = |content: &str| {
            serde_json::from_str::<Option<Stopped>>(content).map_err(|source| self.not_ours(source))
        };
        let note = self.journal.note(&self.pause_note()).await?;
        let paused: Option<Stopped> = match note {
            Some(note) => read(&note.content)?,
            None => None,
        };
        let prefix = self.cancel_note("");
        let mut cancelled = BTreeMap::new();
        for note in self.journal.notes(&prefix).await? {
            let Some(id) = note.name.strip_prefix(&prefix) else { continue };
            match read(&note.content)? {
                Some(stopped) if stopped.at < forget_before => self.journal.drop_note(&note.name).await?,
                stopped => cancelled.extend(stopped.map(|stopped| (id.to_owned(), stopped))),
            }
        }
        self.position.send_replace(Position { paused, cancelled });
        Ok(())
    }

    /// Lets nothing be sent any more, or lets it again. Says whether that is new.
    pub(super) async fn set_paused(&self, paused: Option<Stopped>) -> Result<bool, EngineError> {
        let _changing = self.changing.lock().await;
        let name = self.pause_note();
        let expected = self.journal.note(&name).await?.map_or(0, |note| note.generation);
        let content = serde_json::to_string(&paused).map_err(|source| self.not_ours(source))?;
        let was_paused = self.paused().is_some();
        let is_paused = paused.is_some();
        // A disk that takes nothing must not keep anybody from stopping.
        if is_paused {
            self.position.send_modify(|position| position.paused.clone_from(&paused));
        }
        self.journal.keep_note(&NoteChange { name, expected, content }).await?;
        self.position.send_modify(|position| position.paused = paused);
        Ok(was_paused != is_paused)
    }

    /// Lets nothing be sent for the command `id` any more. Says whether that is new.
    pub(super) async fn cancel(&self, id: &str, stopped: Stopped) -> Result<bool, EngineError> {
        let _changing = self.changing.lock().await;
        if self.cancelled(id).is_some() {
            return Ok(false);
        }
        if self.position.borrow().cancelled.len() >= CANCELLED_MAX {
            return Err(EngineError::TooManyCancelled { max: CANCELLED_MAX });
        }
        let name = self.cancel_note(id);
        let expected = self.journal.note(&name).await?.map_or(0, |note| note.generation);
        let content = serde_json::to_string(&Some(&stopped)).map_err(|source| self.not_ours(source))?;
        self.journal.keep_note(&NoteChange { name, expected, content }).await?;
        self.position.send_modify(|position| {
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
        self.position.send_modify(|position| {
            position.cancelled.remove(id);
        });
        Ok(())
    }

    /// Who has stopped all of them, if anybody has.
    pub(super) fn paused(&self) -> Option<Stopped> {
        self.position.borrow().paused.clone()
    }

    /// Who has cancelled the command `id`, if anybody has.
    pub(super) fn cancelled(&self, id: &str) -> Option<Stopped> {
        self.position.borrow().cancelled.get(id).cloned()
    }

    /// Waits while all are stopped, unless the command `id` is cancelled. Cancel-safe.
    pub(super) async fn until_running(&self, id: &str) {
        let mut position = self.position.subscribe();
        // The sender is ours.
        let _ = position
            .wait_for(|position| position.paused.is_none() || position.cancelled.contains_key(id))
            .await;
    }

    /// Waits while all are stopped. Cancel-safe.
    pub(super) async fn until_resumed(&self) {
        let mut position = self.position.subscribe();
        let _ = position.wait_for(|position| position.paused.is_none()).await;
    }

    /// Those who are cancelled of the commands that `is_wanted`.
    pub(super) fn cancelled_among(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.position.borrow().cancelled.keys().filter(|id| is_wanted(id)).cloned().collect()
    }

    /// To be told when commands are cancelled.
    pub(super) fn cancellations(&self) -> Cancellations {
        let mut position = self.position.subscribe();
        // Some may have been cancelled before.
        position.mark_changed();
        Cancellations(position)
    }

    fn pause_note(&self) -> String {
        format!("paused/{}", self.commands)
    }

    fn cancel_note(&self, id: &str) -> String {
        format!("cancelled/{}/{id}", self.commands)
    }

    fn not_ours(&self, source: serde_json::Error) -> EngineError {
        EngineError::Note { what: "who stopped commands", commands: self.commands.clone(), source }
    }
}

impl Cancellations {
    /// Waits until a command may have been cancelled. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopped {
    /// Why a command is refused that was cancelled.
    pub(super) fn refusal(&self) -> OutcomeError {
        let by = self.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        super::outcomes::cancelled(format!(
            "it was cancelled{by} at {:.0}{reason}; nothing more was sent",
            self.at
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::try_join_all;

    use super::*;
    use crate::state::{Opening, Places, State};

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
                    0 => assert!(switch.set_paused(Some(stopped)).await.unwrap()),
                    n => assert!(switch.cancel(&n.to_string(), stopped).await.unwrap()),
                }
            })
        });
        try_join_all(operators).await.unwrap();
        assert!(switch.paused().is_some());
        assert!((1..32).all(|n| switch.cancelled(&n.to_string()).is_some()));
    }
}
