//! How the commands of one name stand, for the admin pages and the metrics. Nothing depends on what is said here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::{parked::ParkedCounts, switch::Stopped};
use crate::{
    command::{Action, Outcome, Status, milliseconds},
    telemetry::metrics,
};

/// How often a trouble that lasts is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What can keep commands from being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The engine has failed, and is started again.
    Engine,
    /// A look-up of whom a command names gets no answer.
    LookUp,
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
    const ALL: [Self; 9] = [
        Self::Engine,
        Self::Intake,
        Self::LookUp,
        Self::Okta,
        Self::Protected,
        Self::Journal,
        Self::DeadLetters,
        Self::Audit,
        Self::Outcomes,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::LookUp => "look_up",
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
    parked: ParkedCounts,
    paused: Option<Stopped>,
    outcomes: BTreeMap<&'static str, u64>,
    repeated: u64,
    dead_letters: u64,
    tripped: Vec<String>,
    troubles: BTreeMap<Trouble, Told>,
    /// Commands whose look-ups get no answer.
    unanswered: BTreeSet<String>,
    lost_names: Vec<String>,
    last_failure: Option<Failure>,
    alive_at: Option<Instant>,
}

/// A trouble as it was told last. Several commands may wait for the same with texts of their own.
#[derive(Debug)]
struct Told {
    text: String,
    logged_at: Instant,
}

/// While it is there, a command's look-up gets no answer.
#[derive(Debug)]
pub(super) struct Unanswered<'a> {
    status: &'a EngineStatus,
    id: &'a str,
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
    /// Commands that wait in the state for their `not_before`.
    pub parked: usize,
    /// Commands that wait in the state for a second key to approve them.
    pub awaits_approval: usize,
    /// Who has stopped all of them, if anybody has.
    pub paused: Option<Stopped>,
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
            parked: standing.parked.until_due,
            awaits_approval: standing.parked.until_approved,
            paused: standing.paused.clone(),
            outcomes: standing.outcomes.clone(),
            repeated: standing.repeated,
            dead_letters: standing.dead_letters,
            tripped: standing.tripped.clone(),
            lost_names: standing.lost_names.clone(),
            troubles: standing.troubles.iter().map(|(trouble, told)| (*trouble, told.text.clone())).collect(),
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

    pub(super) fn beat(&self, held: usize, waiting: usize, parked: ParkedCounts) {
        let mut standing = self.standing();
        (standing.held, standing.waiting, standing.parked) = (held, waiting, parked);
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

    /// All of them are stopped, or are not any more.
    pub(super) fn paused(&self, paused: Option<Stopped>) {
        self.standing().paused = paused;
    }

    /// Names of protected users that find nobody any more.
    pub(super) fn lost_names(&self, names: Vec<String>) {
        let mut standing = self.standing();
        if standing.lost_names != names {
            if !names.is_empty() {
                tracing::warn!(
                    commands = self.name,
                    names = names.join(", "),
                    "protected users are not found by these names any more: whom they found once is still protected, and \
                     nobody else; correct `protect`"
                );
            }
            standing.lost_names = names;
        }
    }

    /// The look-up of the command `id` gets no answer, until what is given is dropped.
    pub(super) fn unanswered<'a>(&'a self, id: &'a str) -> Unanswered<'a> {
        self.standing().unanswered.insert(id.to_owned());
        self.fails(Trouble::LookUp, "Okta has not answered for some seconds whom a command names");
        Unanswered { status: self, id }
    }

    /// Something does not work, and is tried again. It is in the log when it begins, and now and then while it lasts.
    pub(super) fn fails(&self, trouble: Trouble, text: &str) {
        metrics::command_trouble(&self.name, trouble.name());
        let now = Instant::now();
        let is_due = {
            let mut standing = self.standing();
            standing.alive_at = Some(now);
            let told = standing.troubles.remove(&trouble);
            let is_due = told.as_ref().is_none_or(|told| now - told.logged_at >= LOG_INTERVAL);
            let logged_at = told.filter(|_| !is_due).map_or(now, |told| told.logged_at);
            standing.troubles.insert(trouble, Told { text: text.to_owned(), logged_at });
            is_due
        };
        if is_due {
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

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let is_last = {
            let mut standing = self.status.standing();
            standing.unanswered.remove(self.id);
            standing.unanswered.is_empty()
        };
        if is_last {
            self.status.works(Trouble::LookUp);
        }
    }
}

impl EngineSnapshot {
    /// What of it is counted.
    pub(crate) fn gauges(&self) -> metrics::CommandGauges {
        metrics::CommandGauges {
            held: self.held,
            waiting: self.waiting,
            parked: self.parked,
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
