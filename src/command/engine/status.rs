//! How the commands of one name stand, for the admin pages and the metrics. Nothing depends on what is said here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    command::{Action, Outcome, Status, milliseconds},
    telemetry::metrics,
};

/// What can keep commands from being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// No commands come from the bus.
    Intake,
    /// Okta does not do what it is asked, for now.
    Okta,
    /// Who is protected cannot be found out.
    Protected,
    /// The journal takes nothing.
    Journal,
    /// The dead letters take nothing.
    DeadLetters,
    /// The audit trail takes nothing.
    Audit,
    /// Outcomes are not taken.
    Outcomes,
}

impl Trouble {
    const ALL: [Self; 7] = [
        Self::Intake,
        Self::Okta,
        Self::Protected,
        Self::Journal,
        Self::DeadLetters,
        Self::Audit,
        Self::Outcomes,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Okta => "okta",
            Self::Protected => "protected",
            Self::Journal => "journal",
            Self::DeadLetters => "dead_letters",
            Self::Audit => "audit",
            Self::Outcomes => "outcomes",
        }
    }
}

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
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    phase: EnginePhase,
    held: usize,
    waiting: usize,
    outcomes: BTreeMap<&'static str, u64>,
    repeated: u64,
    dead_letters: u64,
    tripped: Vec<String>,
    troubles: BTreeMap<Trouble, String>,
    last_failure: Option<Failure>,
    alive_at: Option<Instant>,
}

/// The last outcome that was not a good one.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
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
    /// Outcomes since this start, by status.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Answers to further copies since this start.
    pub repeated: u64,
    /// Messages that can never be commands since this start.
    pub dead_letters: u64,
    /// Limits that have tripped and wait to be released.
    pub tripped: Vec<String>,
    /// What keeps commands from being carried out.
    pub troubles: BTreeMap<Trouble, String>,
    /// The last outcome that was not a good one.
    pub last_failure: Option<Failure>,
    /// How long ago anything was done, be it in vain.
    #[serde(skip)]
    pub since_alive: Option<Duration>,
}

impl EngineStatus {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), standing: Mutex::default() }
    }

    /// Makes all series of these commands known, before anything is counted.
    pub(crate) fn register_metrics(&self) {
        let actions = Action::ALL.iter().map(|action| action.name()).chain(["unknown"]);
        let statuses: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
        let troubles = Trouble::ALL.into_iter().map(Trouble::name);
        metrics::commands_exist(&self.name, actions, &statuses, troubles);
    }

    /// How the commands stand now.
    pub fn snapshot(&self) -> EngineSnapshot {
        let standing = self.standing();
        EngineSnapshot {
            commands: self.name.clone(),
            phase: standing.phase,
            held: standing.held,
            waiting: standing.waiting,
            outcomes: standing.outcomes.clone(),
            repeated: standing.repeated,
            dead_letters: standing.dead_letters,
            tripped: standing.tripped.clone(),
            troubles: standing.troubles.clone(),
            last_failure: standing.last_failure.clone(),
            since_alive: standing.alive_at.map(|at| at.elapsed()),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where the engine is now.
    pub(crate) fn enter(&self, phase: EnginePhase) {
        self.standing().phase = phase;
    }

    pub(super) fn beat(&self, held: usize, waiting: usize) {
        let mut standing = self.standing();
        (standing.held, standing.waiting) = (held, waiting);
        standing.alive_at = Some(Instant::now());
    }

    /// A command has come to this outcome. `action` is one that exists, or `unknown`.
    pub(super) fn ended(&self, action: &'static str, outcome: &Outcome) {
        let status = outcome.status.name();
        metrics::command_ended(&self.name, action, status);
        let mut standing = self.standing();
        *standing.outcomes.entry(status).or_default() += 1;
        if let Some(error) = &outcome.error {
            let (command_id, code) = (outcome.command_id.clone(), error.code.clone());
            standing.last_failure = Some(Failure { at: outcome.finished_at, command_id, code });
        }
    }

    pub(super) fn repeated(&self) {
        metrics::command_repeated(&self.name);
        self.standing().repeated += 1;
    }

    pub(super) fn dead_letter(&self) {
        metrics::command_dead_letter(&self.name);
        self.standing().dead_letters += 1;
    }

    pub(super) fn tripped(&self, limits: Vec<String>) {
        self.standing().tripped = limits;
    }

    /// Something does not work, and is tried again. Said in the log once while it stays the same.
    pub(super) fn fails(&self, trouble: Trouble, text: &str) {
        metrics::command_trouble(&self.name, trouble.name());
        let is_news = {
            let mut standing = self.standing();
            standing.alive_at = Some(Instant::now());
            standing.troubles.insert(trouble, text.to_owned()).as_deref() != Some(text)
        };
        if is_news {
            tracing::warn!(
                commands = self.name,
                what = trouble.name(),
                error = text,
                "commands are kept from being carried out; trying again"
            );
        }
    }

    /// It works.
    pub(super) fn works(&self, trouble: Trouble) {
        if self.standing().troubles.remove(&trouble).is_some() {
            tracing::info!(commands = self.name, what = trouble.name(), "it works again");
        }
    }

    /// Whether it works is not known, and who waited for it does so no more. Others who wait will say so.
    pub(super) fn gives_up(&self, trouble: Trouble) {
        self.standing().troubles.remove(&trouble);
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while the lock is held.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineSnapshot {
    /// What keeps commands from being carried out, if anything.
    pub fn trouble(&self) -> Option<&str> {
        self.troubles.values().next().map(String::as_str)
    }
}
