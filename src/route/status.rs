//! How a route stands, for the admin pages, the metrics and the demo. Says nothing that a cursor depends on.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::{sink::SinkClass, state::Cursor};

/// What a route does just now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Loading the cursor and opening the sink.
    #[default]
    Starting,
    /// There is more to read.
    Reading,
    /// All that Okta had was read.
    AtTail,
    /// It has ended.
    Ended,
}

/// A route's standing, written by its tasks and read by anybody.
#[derive(Debug)]
pub struct RouteStatus {
    name: String,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    phase: Phase,
    generation: u64,
    link: String,
    delivered: u64,
    dead_letters: u64,
    published_max: Option<Timestamp>,
    advanced_at: Option<Timestamp>,
    alive_at: Option<Instant>,
    okta_trouble: Option<OktaTrouble>,
    sink_trouble: Option<String>,
    state_trouble: Option<String>,
    possible_gaps: u64,
    search: Option<SearchStanding>,
}

/// How the runs of a search's route stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SearchStanding {
    /// The next slot.
    pub next_slot: Option<Timestamp>,
    /// The slot that is at work.
    pub running: Option<Timestamp>,
    /// The slot that ran last since this start.
    pub last_slot: Option<Timestamp>,
    /// What it found.
    pub last_total: Option<u64>,
    /// How long it took.
    pub last_milliseconds: Option<u64>,
}

/// A failure of Okta's, with what stays the same when it happens again.
#[derive(Debug)]
struct OktaTrouble {
    text: String,
    essence: String,
}

/// A route's standing at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The route.
    pub route: String,
    /// What it does.
    pub phase: Phase,
    /// How often its cursor moved.
    pub generation: u64,
    /// The cursor.
    pub cursor: String,
    /// Messages delivered since the route began, over all starts.
    pub delivered: u64,
    /// Dead letters since this start.
    pub dead_letters: u64,
    /// The latest `published` among what was delivered.
    pub published_max: Option<Timestamp>,
    /// When the cursor moved last.
    pub advanced_at: Option<Timestamp>,
    /// Age of the latest delivered event while there is more to deliver; 0 at the tail.
    pub lag_seconds: f64,
    /// What keeps Okta from answering.
    pub okta_trouble: Option<String>,
    /// What keeps the sink from taking messages.
    pub sink_trouble: Option<String>,
    /// What keeps the cursor from being committed.
    pub state_trouble: Option<String>,
    /// Times that Okta refused the link since this start.
    pub possible_gaps: u64,
    /// How its runs stand, if it is a search's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchStanding>,
    /// How long ago the route last did anything, be it in vain: what hangs does nothing at all.
    #[serde(skip)]
    pub since_alive: Option<Duration>,
}

impl RouteStatus {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), standing: Mutex::default() }
    }

    /// How the route stands now.
    pub fn snapshot(&self) -> Snapshot {
        let standing = self.standing();
        let age =
            standing.published_max.map(|published| Timestamp::now().duration_since(published).as_secs_f64());
        let lag_seconds =
            if standing.phase == Phase::AtTail { 0.0 } else { age.unwrap_or_default().max(0.0) };
        Snapshot {
            route: self.name.clone(),
            phase: standing.phase,
            generation: standing.generation,
            cursor: standing.link.clone(),
            delivered: standing.delivered,
            dead_letters: standing.dead_letters,
            published_max: standing.published_max,
            advanced_at: standing.advanced_at,
            lag_seconds,
            okta_trouble: standing.okta_trouble.as_ref().map(|trouble| trouble.text.clone()),
            sink_trouble: standing.sink_trouble.clone(),
            state_trouble: standing.state_trouble.clone(),
            possible_gaps: standing.possible_gaps,
            search: standing.search.clone(),
            since_alive: standing.alive_at.map(|at| at.elapsed()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn cursor_loaded(&self, generation: u64, cursor: &Cursor) {
        self.cursor_moved(generation, cursor, 0);
    }

    pub(super) fn cursor_moved(&self, generation: u64, cursor: &Cursor, dead_letters: u64) {
        let mut standing = self.standing();
        standing.generation = generation;
        standing.link.clone_from(&cursor.link);
        standing.delivered = cursor.delivered;
        standing.dead_letters += dead_letters;
        standing.published_max = cursor.published_max;
        standing.advanced_at = Some(cursor.advanced_at);
        standing.alive_at = Some(Instant::now());
    }

    /// A search's route moved.
    pub(crate) fn run_moved(&self, generation: u64, delivered: u64, dead_letters: u64) {
        let mut standing = self.standing();
        standing.generation = generation;
        standing.delivered = delivered;
        standing.dead_letters += dead_letters;
        standing.advanced_at = Some(Timestamp::now());
        standing.alive_at = Some(Instant::now());
    }

    /// A search's route stands differently.
    pub(crate) fn search(&self, change: impl FnOnce(&mut SearchStanding)) {
        let mut standing = self.standing();
        standing.alive_at = Some(Instant::now());
        change(standing.search.get_or_insert_default());
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.standing().phase = phase;
    }

    /// The route has ended and will not be started again.
    pub(crate) fn end(&self) {
        self.enter(Phase::Ended);
    }

    /// Okta answered.
    pub(crate) fn okta_answered(&self) {
        let mut standing = self.standing();
        standing.okta_trouble = None;
        standing.alive_at = Some(Instant::now());
    }

    /// Okta did not answer; true if that is news, judged by its essence.
    pub(crate) fn okta_failed(&self, text: &str, essence: String) -> bool {
        let mut standing = self.standing();
        standing.alive_at = Some(Instant::now());
        let is_news = standing.okta_trouble.as_ref().is_none_or(|known| known.essence != essence);
        standing.okta_trouble = Some(OktaTrouble { text: text.to_owned(), essence });
        is_news
    }

    pub(crate) fn link_refused(&self) {
        self.standing().possible_gaps += 1;
    }

    /// The sink works; true if it did not before.
    pub(crate) fn sink_recovered(&self) -> bool {
        let mut standing = self.standing();
        standing.alive_at = Some(Instant::now());
        standing.sink_trouble.take().is_some()
    }

    /// The sink does not work; true if that is news.
    pub(crate) fn sink_failed(&self, trouble: &str) -> bool {
        let mut standing = self.standing();
        standing.alive_at = Some(Instant::now());
        let is_news = standing.sink_trouble.as_deref() != Some(trouble);
        standing.sink_trouble = Some(trouble.to_owned());
        is_news
    }

    /// The cursor is committed; true if it could not be before.
    pub(crate) fn state_recovered(&self) -> bool {
        let mut standing = self.standing();
        standing.alive_at = Some(Instant::now());
        standing.state_trouble.take().is_some()
    }

    /// The cursor could not be committed; true if that is news.
    pub(crate) fn state_failed(&self, trouble: &str) -> bool {
        let mut standing = self.standing();
        standing.alive_at = Some(Instant::now());
        // How much room is left changes all the time, and is no news.
        let is_news = standing.state_trouble.is_none();
        standing.state_trouble = Some(trouble.to_owned());
        is_news
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while the lock is held.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// What keeps the route from making progress, if anything.
    pub fn trouble(&self) -> Option<&str> {
        let troubles = [&self.state_trouble, &self.sink_trouble, &self.okta_trouble];
        troubles.into_iter().find_map(|trouble| trouble.as_deref())
    }
}

pub(super) fn class_name(class: SinkClass) -> &'static str {
    match class {
        SinkClass::Transient => "transient",
        SinkClass::Authentication => "authentication",
        SinkClass::Configuration => "configuration",
    }
}
