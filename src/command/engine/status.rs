//! How the commands of one name stand, for the admin pages and the metrics. Nothing depends on what is said here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    parked::ParkedCounts,
    stops::StopRecord,
    trouble::{Trouble, Troubles},
};
use crate::{
    command::{Action, Outcome, Status, milliseconds},
    telemetry::metrics,
};

/// Where the engine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnginePhase {
    /// It has not begun.
    #[default]
    Starting,
    /// It takes commands.
    Running,
    /// It has ended.
    Ended,
}

/// The standing of the commands of one name, written by their tasks and read by anybody.
#[derive(Debug)]
pub struct EngineStatus {
    name: String,
    fields: Mutex<StatusFields>,
}

#[derive(Debug, Default)]
struct StatusFields {
    phase: EnginePhase,
    held: usize,
    waiting: usize,
    parked: ParkedCounts,
    paused: Option<StopRecord>,
    outcomes: BTreeMap<&'static str, u64>,
    repeated: u64,
    dead_letters: u64,
    tripped: Vec<String>,
    troubles: Troubles,
    lost_names: Vec<String>,
    last_failure: Option<LastFailure>,
    alive_at: Option<Instant>,
}

/// One who waits, or may come to wait, for what does not work. Once dropped they wait no more.
#[derive(Debug)]
pub(super) struct TroubleReporter<'a> {
    status: &'a EngineStatus,
    trouble: Trouble,
    /// While they wait.
    number: Option<u64>,
}

/// The last outcome that was not a good one.
#[derive(Debug, Clone, Serialize)]
pub struct LastFailure {
    /// When it was.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub at: Timestamp,
    /// Of which command.
    pub command_id: String,
    /// Its code.
    pub code: String,
}

/// The standing at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct EngineSnapshot {
    /// The name of the commands.
    pub commands: String,
    /// Where the engine is.
    pub phase: EnginePhase,
    /// Commands that are held: at work or waiting.
    pub held: usize,
    /// Those of them that wait for others that touch the same.
    pub waiting: usize,
    /// Commands that wait in the state for their `not_before`.
    pub parked: usize,
    /// Commands that wait in the state for a second key to approve them.
    pub awaits_approval: usize,
    /// Who has stopped all of them, if anybody has.
    pub paused: Option<StopRecord>,
    /// Outcomes since this start, by status.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Answers to further copies since this start.
    pub repeated: u64,
    /// Messages that can never be commands since this start.
    pub dead_letters: u64,
    /// Limits that have tripped and wait to be released.
    pub tripped: Vec<String>,
    /// Names of protected users that find nobody any more; whom they found once is still protected.
    pub lost_names: Vec<String>,
    /// What keeps commands from being carried out.
    pub troubles: BTreeMap<Trouble, String>,
    /// The last outcome that was not a good one.
    pub last_failure: Option<LastFailure>,
    /// How long ago anything was done, be it in vain.
    #[serde(skip)]
    pub since_alive: Option<Duration>,
}

impl EngineStatus {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: Mutex::default() }
    }

    /// Makes all series of these commands known, before anything is counted.
    pub(crate) fn register_metrics(&self) {
        let actions = Action::ALL.iter().map(|action| action.name()).chain(["unknown"]);
        let statuses: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
        let troubles = Trouble::ALL.iter().map(|trouble| trouble.name());
        metrics::commands_exist(&self.name, actions, &statuses, troubles);
    }

    /// How the commands stand now.
    pub fn snapshot(&self) -> EngineSnapshot {
        let fields = self.fields();
        EngineSnapshot {
            commands: self.name.clone(),
            phase: fields.phase,
            held: fields.held,
            waiting: fields.waiting,
            parked: fields.parked.until_due,
            awaits_approval: fields.parked.until_approved,
            paused: fields.paused.clone(),
            outcomes: fields.outcomes.clone(),
            repeated: fields.repeated,
            dead_letters: fields.dead_letters,
            tripped: fields.tripped.clone(),
            lost_names: fields.lost_names.clone(),
            troubles: fields.troubles.texts(),
            last_failure: fields.last_failure.clone(),
            since_alive: fields.alive_at.map(|at| at.elapsed()),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where the engine is now.
    pub(crate) fn enter(&self, phase: EnginePhase) {
        self.fields().phase = phase;
    }

    pub(super) fn beat(&self, held: usize, waiting: usize, parked: ParkedCounts) {
        let mut fields = self.fields();
        (fields.held, fields.waiting, fields.parked) = (held, waiting, parked);
        fields.alive_at = Some(Instant::now());
    }

    /// A command has come to this outcome. `action` is one that exists, or `unknown`.
    pub(super) fn ended(&self, action: &'static str, outcome: &Outcome) {
        let status = outcome.status.name();
        metrics::command_ended(&self.name, action, status);
        let mut fields = self.fields();
        *fields.outcomes.entry(status).or_default() += 1;
        if let Some(error) = &outcome.error {
            let (command_id, code) = (outcome.command_id.clone(), error.code.clone());
            fields.last_failure = Some(LastFailure { at: outcome.finished_at, command_id, code });
        }
    }

    pub(super) fn repeated(&self) {
        metrics::command_repeated(&self.name);
        self.fields().repeated += 1;
    }

    pub(super) fn dead_letter(&self) {
        metrics::command_dead_letter(&self.name);
        self.fields().dead_letters += 1;
    }

    pub(super) fn tripped(&self, limits: Vec<String>) {
        self.fields().tripped = limits;
    }

    /// All of them are stopped, or are not any more.
    pub(super) fn paused(&self, paused: Option<StopRecord>) {
        self.fields().paused = paused;
    }

    /// Names of protected users that find nobody any more.
    pub(super) fn lost_names(&self, names: Vec<String>) {
        let mut fields = self.fields();
        if fields.lost_names != names {
            if !names.is_empty() {
                tracing::warn!(
                    commands = self.name,
                    names = names.join(", "),
                    "protected users are not found by these names any more: whom they found once is still protected, and \
                     nobody else; correct `protect`"
                );
            }
            fields.lost_names = names;
        }
    }

    /// Whoever may come to wait because of `trouble`.
    pub(super) fn trouble_reporter(&self, trouble: Trouble) -> TroubleReporter<'_> {
        TroubleReporter { status: self, trouble, number: None }
    }

    fn fields(&self) -> MutexGuard<'_, StatusFields> {
        // Nothing panics while the lock is held.
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TroubleReporter<'_> {
    /// What they wait for does not work, and is tried again. It is in the log when nobody waited for it yet, and when the
    /// reason is of another kind than all that were told since.
    pub(super) fn report(&mut self, text: &str) {
        metrics::command_trouble(&self.status.name, self.trouble.name());
        let is_news = {
            let mut fields = self.status.fields();
            fields.alive_at = Some(Instant::now());
            let number = *self.number.get_or_insert_with(|| fields.troubles.next_reporter());
            fields.troubles.report(self.trouble, number, text)
        };
        if is_news {
            tracing::warn!(
                commands = self.status.name,
                what = self.trouble.name(),
                error = text,
                "commands are kept from being carried out; trying again"
            );
        }
    }

    /// They do not wait any more: it works, or they have given it up. Whether others still do, those say.
    pub(super) fn clear(&mut self) {
        let Some(number) = self.number.take() else { return };
        let is_over = self.status.fields().troubles.ends(self.trouble, number);
        if is_over {
            tracing::info!(
                commands = self.status.name,
                what = self.trouble.name(),
                "no command is kept by it any more"
            );
        }
    }
}

impl Drop for TroubleReporter<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl EngineSnapshot {
    /// What of it is counted.
    pub(crate) fn gauges(&self) -> metrics::CommandGauges {
        metrics::CommandGauges {
            held: self.held,
            waiting: self.waiting,
            parked: self.parked,
            awaits_approval: self.awaits_approval,
            is_paused: self.paused.is_some(),
            tripped: self.tripped.len(),
            lost_names: self.lost_names.len(),
            in_trouble: !self.troubles.is_empty(),
        }
    }

    /// What keeps commands from being carried out, if anything.
    pub fn trouble(&self) -> Option<&str> {
        self.troubles.values().next().map(String::as_str)
    }
}
