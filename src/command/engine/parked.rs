//! Commands that wait for a distant `not_before`, or for a second key: kept in the state, so that the queue goes on
//! without them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::time::{DelayQueue, delay_queue};

use super::{EngineError, job::Message, journal::Journal, status::EngineStatus};
use crate::{
    clock::Clock,
    command::{QueuePlace, message::without_secrets},
    state::{CONTENT_MAX_BYTES, NoteChange},
};

/// The most commands that are parked at a time.
pub(super) const PARKED_MAX: usize = 10_000;
/// The longest timer: the clock of the machine may be changed in the meantime.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// A command that waits in the state, with its message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ParkedCommand {
    /// When the command is checked again.
    pub(super) due: Timestamp,
    /// What the command waits for until then.
    #[serde(default, skip_serializing_if = "WaitsFor::is_time")]
    pub(super) waits_for: WaitsFor,
    /// The position in the queue from which it came.
    #[serde(flatten)]
    pub(super) place: QueuePlace,
    payload: String,
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
}

/// A note of a parked command that cannot be read.
#[derive(Debug)]
pub(super) struct UnreadableParked {
    /// The id of the command.
    pub(super) id: String,
    /// The name of the note.
    pub(super) note: String,
    pub(super) content: String,
    pub(super) problem: String,
}

/// Who continues with parked commands when they are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParkedOwner {
    /// This process, which is the daemon.
    ThisProcess,
    /// The daemon, which does not run now.
    Daemon,
}

/// What a command waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WaitsFor {
    /// Its `not_before`.
    #[default]
    Time,
    /// Approval by a second key.
    Approval,
}

/// The number of parked commands, by what they wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ParkedCounts {
    pub(super) until_due: usize,
    pub(super) until_approved: usize,
}

/// All parked commands of a section.
#[derive(Debug)]
pub(super) struct ParkedCommands {
    journal: Journal,
    commands: String,
    clock: Arc<dyn Clock>,
    owner: ParkedOwner,
    ids: Mutex<HashMap<String, WaitsFor>>,
}

/// The timers of parked commands: one each, however many copies come. Owned by the engine's loop.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: DelayQueue<String>,
    keys: HashMap<String, delay_queue::Key>,
}

impl ParkedCommand {
    pub(super) fn new(due: Timestamp, waits_for: WaitsFor, place: QueuePlace, message: &Message) -> Self {
        let headers = message.headers.iter().map(|(name, value)| (name.clone(), STANDARD.encode(value)));
        Self {
            due,
            waits_for,
            place,
            payload: STANDARD.encode(&message.payload),
            headers: headers.collect(),
            message_id: message.message_id.clone(),
        }
    }

    /// The message; none if the note was tampered with.
    pub(super) fn message(&self) -> Option<Message> {
        let bytes = |text: &String| STANDARD.decode(text).ok().map(Bytes::from);
        let headers = self.headers.iter().map(|(name, value)| Some((name.clone(), bytes(value)?)));
        Some(Message {
            payload: bytes(&self.payload)?,
            headers: headers.collect::<Option<_>>()?,
            message_id: self.message_id.clone(),
            published_at: self.place.published_at,
        })
    }
}

impl ParkedCommand {
    /// The parameters of the command, without secrets.
    pub(super) fn asks(&self) -> Option<Map<String, Value>> {
        let message = self.message()?;
        without_secrets(&message.payload, &message.headers)
    }
}

impl WaitsFor {
    fn is_time(&self) -> bool {
        *self == Self::Time
    }
}

impl ParkedCommands {
    pub(super) fn new(
        journal: Journal,
        status: &EngineStatus,
        clock: Arc<dyn Clock>,
        owner: ParkedOwner,
    ) -> Self {
        Self { journal, commands: status.name().to_owned(), clock, owner, ids: Mutex::default() }
    }

    /// Sets the timers of all parked commands. A note that cannot be read is due at once.
    pub(super) async fn load(&self, timers: &mut Timers) -> Result<(), EngineError> {
        let prefix = self.note("");
        for note in self.journal.notes(&prefix).await? {
            let Some(id) = note.name.strip_prefix(&prefix) else { continue };
            let parked = self.read(id, note.content).ok();
            let (due, waits_for) = match parked {
                Some(parked) => (parked.due, parked.waits_for),
                None => (self.clock.now(), WaitsFor::default()),
            };
            self.ids().insert(id.to_owned(), waits_for);
            self.set(timers, id, due);
        }
        Ok(())
    }

    /// Sets the timer of the command `id`, if this process continues with parked commands.
    pub(super) fn set(&self, timers: &mut Timers, id: &str, due: Timestamp) {
        if self.owner == ParkedOwner::Daemon {
            return;
        }
        let wait = Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default();
        timers.set(id, wait.min(WAIT_MAX));
    }

    /// Whether the command `id` is parked.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids().contains_key(id)
    }

    /// Whether the command `id` is parked, and only the daemon may continue with it.
    pub(super) fn belongs_to_daemon(&self, id: &str) -> bool {
        self.owner == ParkedOwner::Daemon && self.has(id)
    }

    /// The number of parked commands.
    pub(super) fn len(&self) -> usize {
        self.ids().len()
    }

    /// The number of parked commands, by what they wait for.
    pub(super) fn counts(&self) -> ParkedCounts {
        let ids = self.ids();
        let until_approved = ids.values().filter(|waits_for| **waits_for == WaitsFor::Approval).count();
        ParkedCounts { until_due: ids.len() - until_approved, until_approved }
    }

    /// The changed note of the parked command `id`, with a new due time and reason; none if the note cannot be read.
    pub(super) async fn due_at(
        &self,
        id: &str,
        due: Timestamp,
        waits_for: WaitsFor,
    ) -> Result<Option<NoteChange>, EngineError> {
        let Some(note) = self.journal.note(&self.note(id)).await? else { return Ok(None) };
        let Ok(parked) = self.read(id, note.content) else { return Ok(None) };
        let parked = ParkedCommand { due, waits_for, ..parked };
        let content = serde_json::to_string(&parked)
            .map_err(|source| EngineError::of_note(&note.name, &self.commands, source))?;
        Ok(Some(NoteChange { name: note.name, expected: note.generation, content }))
    }

    /// The note that parks the command `id`; none if it is too large, or too many are parked.
    pub(super) fn note_of(
        &self,
        id: &str,
        parked: &ParkedCommand,
    ) -> Result<Option<NoteChange>, EngineError> {
        let content = serde_json::to_string(parked)
            .map_err(|source| EngineError::of_note(&self.note(id), &self.commands, source))?;
        let fits = content.len() <= CONTENT_MAX_BYTES && self.len() < PARKED_MAX;
        Ok(fits.then(|| NoteChange { name: self.note(id), expected: 0, content }))
    }

    /// Adds the command `id`, whose note is on the disk.
    pub(super) fn keep(&self, id: &str, waits_for: WaitsFor) {
        self.ids().insert(id.to_owned(), waits_for);
    }

    /// The parked command `id`, as its note has it.
    pub(super) async fn take(
        &self,
        id: &str,
    ) -> Result<Option<Result<ParkedCommand, UnreadableParked>>, EngineError> {
        let Some(note) = self.journal.note(&self.note(id)).await? else { return Ok(None) };
        Ok(Some(self.read(id, note.content)))
    }

    /// Decodes a note. An unreadable note does not block other commands.
    fn read(&self, id: &str, content: String) -> Result<ParkedCommand, UnreadableParked> {
        serde_json::from_str(&content).map_err(|err| UnreadableParked {
            id: id.to_owned(),
            note: self.note(id),
            content,
            problem: err.to_string(),
        })
    }

    /// Removes the command `id`, which has ended.
    pub(super) async fn forget(&self, id: &str) -> Result<(), EngineError> {
        if !self.has(id) {
            return Ok(());
        }
        self.journal.remove_note(&self.note(id)).await?;
        self.ids().remove(id);
        Ok(())
    }

    fn ids(&self) -> std::sync::MutexGuard<'_, HashMap<String, WaitsFor>> {
        // Nothing panics while the lock is held.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &str) -> String {
        note_name(&self.commands, id)
    }
}

/// The name of the note of the command `id` of the section `commands`.
pub(super) fn note_name(commands: &str, id: &str) -> String {
    format!("parked/{commands}/{id}")
}

impl Timers {
    fn set(&mut self, id: &str, wait: Duration) {
        match self.keys.get(id) {
            Some(key) => self.queue.reset(key, wait),
            None => {
                let key = self.queue.insert(id.to_owned(), wait);
                self.keys.insert(id.to_owned(), key);
            }
        }
    }

    /// The id of the next command whose timer has expired. Cancel-safe.
    pub(super) async fn next(&mut self) -> String {
        let Some(expired) = std::future::poll_fn(|context| self.queue.poll_expired(context)).await else {
            return std::future::pending().await;
        };
        let id = expired.into_inner();
        self.keys.remove(&id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_command_is_due_once_and_when_it_was_said_last() {
        let mut timers = Timers::default();
        for (id, seconds) in [("a", 60), ("b", 30), ("a", 10), ("b", 90)] {
            timers.set(id, Duration::from_secs(seconds));
        }
        assert_eq!((timers.next().await, timers.next().await), ("a".to_owned(), "b".to_owned()));
        let third = tokio::time::timeout(Duration::from_secs(1_000), timers.next()).await;
        assert!(third.is_err(), "each came once");
        timers.set("a", Duration::from_secs(1));
        assert_eq!(timers.next().await, "a");
    }
}
