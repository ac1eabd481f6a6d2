//! The status of a section for the admin pages and the metrics. No decision depends on it.

use std::{
    collections::{BTreeMap, VecDeque},
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

/// The phase of the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnginePhase {
    /// It has not started.
    #[default]
    Starting,
    /// It accepts commands.
    Running,
    /// It has ended.
    Ended,
}

/// The status of a section, written by its tasks and read by anybody.
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
    recent: VecDeque<RecentOutcome>,
    alive_at: Option<Instant>,
}

/// How many outcomes a status has.
const RECENT_OUTCOMES: usize = 20;

/// An outcome, without what it is about.
#[derive(Debug, Clone, Serialize)]
pub struct RecentOutcome {
    /// When the command ended.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub at: Timestamp,
    /// The id of the command.
    pub command_id: String,
    /// The action, or `unknown`.
    pub action: &'static str,
    /// How it ended.
    pub status: Status,
    /// The code of the error.
    pub code: Option<String>,
}

/// Reports one trouble for one task, while it lasts. Dropping it clears the report.
#[derive(Debug)]
pub(super) struct TroubleReporter<'a> {
    status: &'a EngineStatus,
    trouble: Trouble,
    /// Set while the trouble lasts.
    number: Option<u64>,
}

/// The last outcome that was a failure.
#[derive(Debug, Clone, Serialize)]
pub struct LastFailure {
    /// When the command ended.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub at: Timestamp,
    /// The id of the command.
    pub command_id: String,
    /// The code of the error.
    pub code: String,
}

/// The status at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct EngineSnapshot {
    /// The name of the section.
    pub commands: String,
    /// The phase of the engine.
    pub phase: EnginePhase,
    /// Commands that are held: in progress or waiting.
    pub held: usize,
    /// Held commands that wait for earlier commands about the same objects.
    pub waiting: usize,
    /// Commands that are parked until their `not_before`.
    pub parked: usize,
    /// Commands that are parked until a second key approves them.
    pub awaits_approval: usize,
    /// Who has paused the section, if it is paused.
    pub paused: Option<StopRecord>,
    /// Outcomes since the start, by status.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Answers to further copies since the start.
    pub repeated: u64,
    /// Messages that can never be commands since the start.
    pub dead_letters: u64,
    /// Limits that have tripped and wait to be released.
    pub tripped: Vec<String>,
    /// Names in `protect.users` that match no user any more; the users whom they matched once are still protected.
    pub lost_names: Vec<String>,
    /// What keeps commands from being executed.
    pub troubles: BTreeMap<Trouble, String>,
    /// The last outcome that was a failure.
    pub last_failure: Option<LastFailure>,
    /// The newest outcomes since the start, newest first.
    pub recent: Vec<RecentOutcome>,
    /// How long ago the engine last did something, even without success.
    #[serde(skip)]
    pub since_alive: Option<Duration>,
}

impl EngineStatus {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: Mutex::default() }
    }

    /// Registers all series of the section, before anything is counted.
    pub(crate) fn register_metrics(&self) {
        let actions = Action::ALL.iter().map(|action| action.name()).chain(["unknown"]);
        let statuses: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
        let troubles = Trouble::ALL.iter().map(|trouble| trouble.name());
        metrics::commands_exist(&self.name, actions, &statuses, troubles);
    }

    /// The status now.
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
            recent: fields.recent.iter().cloned().collect(),
            since_alive: fields.alive_at.map(|at| at.elapsed()),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sets the phase of the engine.
    pub(crate) fn enter(&self, phase: EnginePhase) {
        self.fields().phase = phase;
    }

    pub(super) fn beat(&self, held: usize, waiting: usize, parked: ParkedCounts) {
        let mut fields = self.fields();
        (fields.held, fields.waiting, fields.parked) = (held, waiting, parked);
        fields.alive_at = Some(Instant::now());
    }

    /// Counts an outcome. `action` is the name of an action, or `unknown`.
    pub(super) fn ended(&self, action: &'static str, outcome: &Outcome) {
        let status = outcome.status.name();
        metrics::command_ended(&self.name, action, status);
        let mut fields = self.fields();
        *fields.outcomes.entry(status).or_default() += 1;
        fields.recent.push_front(RecentOutcome {
            at: outcome.finished_at,
            command_id: outcome.command_id.clone(),
            action,
            status: outcome.status,
            code: outcome.error.as_ref().map(|error| error.code.clone()),
        });
        fields.recent.truncate(RECENT_OUTCOMES);
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

    /// Sets who has paused the section.
    pub(super) fn paused(&self, paused: Option<StopRecord>) {
        self.fields().paused = paused;
    }

    /// Sets the names in `protect.users` that match no user any more.
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

    /// A reporter of `trouble` for one task.
    pub(super) fn trouble_reporter(&self, trouble: Trouble) -> TroubleReporter<'_> {
        TroubleReporter { status: self, trouble, number: None }
    }

    fn fields(&self) -> MutexGuard<'_, StatusFields> {
        // Nothing panics while the lock is held.
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TroubleReporter<'_> {
    /// Reports a failure that is retried. Logs it if no other task has reported the trouble, or if the reason is of a
    /// new kind.
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
                "commands cannot be executed; trying again"
            );
        }
    }

    /// Ends the report: the attempt worked, or was given up. The trouble lasts while other tasks report it.
    pub(super) fn clear(&mut self) {
        let Some(number) = self.number.take() else { return };
        let is_over = self.status.fields().troubles.ends(self.trouble, number);
        if is_over {
            tracing::info!(commands = self.status.name, what = self.trouble.name(), "the trouble is over");
        }
    }
}

impl Drop for TroubleReporter<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl EngineSnapshot {
    /// The values of the gauges.
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

    /// What keeps commands from being executed, if anything.
    pub fn trouble(&self) -> Option<&str> {
        self.troubles.values().next().map(String::as_str)
    }
}
