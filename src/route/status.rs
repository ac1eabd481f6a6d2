//! How a route stands, for the admin pages, the metrics and the demo. Says nothing that a cursor depends on.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    lag::{Frontier, Lag},
    pause::{PauseSwitch, RoutePause},
    trouble::{Trouble, essence},
};
use crate::{
    live::Tap,
    message::Messages,
    sink::{Rejected, SinkClass, SinkError},
    state::Cursor,
    telemetry::{chain, histogram::Histogram, metrics},
};

/// What a route does just now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Loading the cursor and opening the sink.
    #[default]
    Starting,
    /// There is more to read.
    Reading,
    /// All that Okta had is delivered.
    AtTail,
    /// An operator has paused it: it reads nothing.
    Paused,
    /// Another daemon owns the route, and this one waits to take over.
    Standby,
    /// Another daemon has taken the route over, and this one does not take it back.
    Superseded,
    /// It has ended.
    Ended,
}

impl Phase {
    /// All there are.
    pub(crate) const ALL: [Self; 7] = [
        Self::Starting,
        Self::Reading,
        Self::AtTail,
        Self::Paused,
        Self::Standby,
        Self::Superseded,
        Self::Ended,
    ];

    /// As `/status` and the metrics show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Reading => "reading",
            Self::AtTail => "at_tail",
            Self::Paused => "paused",
            Self::Standby => "standby",
            Self::Superseded => "superseded",
            Self::Ended => "ended",
        }
    }
}

/// A route's status, written by its tasks and read by anybody.
#[derive(Debug)]
pub struct RouteStatus {
    name: String,
    /// How old events are when they are delivered, where that says how the route does: not of a window of the past.
    latency: Option<Arc<Histogram>>,
    inner: Mutex<Inner>,
    tap: Arc<Tap>,
    pause: PauseSwitch,
}

/// How many of the newest dead letters a status has.
const RECENT_DEAD_LETTERS: usize = 5;

/// A message that became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecentDeadLetter {
    /// When.
    pub at: Timestamp,
    /// The message's id.
    pub id: String,
    /// Why.
    pub reason: String,
}

#[derive(Debug, Default)]
struct Inner {
    phase: Phase,
    /// Who else has the route.
    owner: Option<String>,
    generation: u64,
    link: String,
    delivered: u64,
    dead_letters: u64,
    recent_dead_letters: VecDeque<RecentDeadLetter>,
    published_max: Option<Timestamp>,
    advanced_at: Option<Timestamp>,
    lag: Lag,
    reading_alive_at: Option<Instant>,
    delivery_alive_at: Option<Instant>,
    okta_trouble: Trouble,
    sink_trouble: Trouble,
    breaker_trouble: Trouble,
    state_trouble: Trouble,
    held: usize,
    possible_gaps: u64,
    search: Option<SearchStatus>,
}

/// Which task of a route does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteTask {
    /// It asks Okta, or waits until there is room.
    Reading,
    /// It hands messages to the sink, or waits for it.
    Delivery,
}

/// A page that waits to be proved, until this is dropped.
#[derive(Debug)]
pub(super) struct Undelivered {
    status: Arc<RouteStatus>,
    number: u64,
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        self.status.lock().lag.remove(self.number);
    }
}

/// How the runs of a search's route stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SearchStatus {
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

/// A route's status at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The route.
    pub route: String,
    /// What it does.
    pub phase: Phase,
    /// Which other daemon has the route, if it stands by for one or was superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often its cursor moved.
    pub generation: u64,
    /// The cursor.
    pub cursor: String,
    /// Messages delivered since the route began, over all starts.
    pub delivered: u64,
    /// Dead letters since this start.
    pub dead_letters: u64,
    /// The newest of them, newest first.
    pub recent_dead_letters: Vec<RecentDeadLetter>,
    /// The latest `published` among what was delivered.
    pub published_max: Option<Timestamp>,
    /// When the cursor moved last.
    pub advanced_at: Option<Timestamp>,
    /// Age of the oldest event that Okta has shown, or may have, and that the sink has not proved. Of a search: since when
    /// its run is due that is not delivered.
    pub lag_seconds: f64,
    /// Events that were read and that the sink has not proved, where Okta had no more when it was asked last; none while there is more,
    /// since nobody knows how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_events: Option<u64>,
    /// Messages that the sink refused and that wait until it is known whether they are wrong or the sink.
    pub held: usize,
    /// Who has paused it, if it is paused.
    pub paused: Option<RoutePause>,
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
    pub search: Option<SearchStatus>,
    /// How long ago each task of the route did anything, be it in vain or waiting: the one that is silent for longer.
    #[serde(skip)]
    pub since_alive: Option<Duration>,
}

impl RouteStatus {
    pub(crate) fn new(name: &str) -> Self {
        let (inner, tap, pause) = (Mutex::default(), Arc::default(), PauseSwitch::default());
        Self { name: name.to_owned(), latency: None, inner, tap, pause }
    }

    /// The status of a stream's route, whose latency is measured.
    pub(crate) fn of_stream(name: &str) -> Self {
        let latency = metrics::DELIVERY_SECONDS.with(&[("route", name)]);
        Self { latency: Some(latency), ..Self::new(name) }
    }

    /// What became of these messages is known: the sink has them, or they are dead letters.
    pub(super) fn settled(&self, messages: &Messages, range: Range<usize>) {
        let Some(latency) = &self.latency else { return };
        let now = Timestamp::now();
        let published = messages
            .messages()
            .skip(range.start)
            .take(range.len())
            .filter_map(|message| message.event.published()?.parse::<Timestamp>().ok());
        // A clock that is behind Okta's makes no negative age.
        latency.record_all(
            published.map(|published| Duration::try_from(now.duration_since(published)).unwrap_or_default()),
        );
    }

    /// How the route stands now.
    pub fn snapshot(&self) -> Snapshot {
        let paused = self.pause.current();
        let inner = self.lock();
        let text = |trouble: &Trouble| trouble.text().map(str::to_owned);
        let phase = match inner.phase() {
            Phase::Reading | Phase::AtTail if paused.is_some() => Phase::Paused,
            phase => phase,
        };
        Snapshot {
            route: self.name.clone(),
            phase,
            owner: inner.owner.clone(),
            generation: inner.generation,
            cursor: inner.link.clone(),
            delivered: inner.delivered,
            dead_letters: inner.dead_letters,
            recent_dead_letters: inner.recent_dead_letters.iter().cloned().collect(),
            published_max: inner.published_max,
            advanced_at: inner.advanced_at,
            lag_seconds: inner.lag_seconds(Timestamp::now()),
            lag_events: inner.lag_events(),
            held: inner.held,
            paused,
            okta_trouble: text(&inner.okta_trouble),
            // Why the breaker opened says more than the last attempt to recover.
            sink_trouble: text(&inner.breaker_trouble).or_else(|| text(&inner.sink_trouble)),
            state_trouble: text(&inner.state_trouble),
            possible_gaps: inner.possible_gaps,
            search: inner.search.clone(),
            since_alive: inner.since_alive(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Pauses the route, or lets it go on; gives what was before.
    pub fn set_pause(&self, pause: Option<RoutePause>) -> Option<RoutePause> {
        self.pause.set(pause)
    }

    /// Whether an operator has paused it.
    pub fn is_paused(&self) -> bool {
        self.pause.is_paused()
    }

    /// Waits while it is paused. Cancel-safe.
    pub(crate) async fn until_running(&self) {
        self.pause.until_running().await;
    }

    /// These messages became dead letters.
    pub(super) fn dead_letters_kept(&self, messages: &Messages, rejected: &[Rejected]) {
        if rejected.is_empty() {
            return;
        }
        let at = Timestamp::now();
        let newest = rejected.iter().rev().take(RECENT_DEAD_LETTERS).filter_map(|rejected| {
            let mut id = String::new();
            messages.get(rejected.index)?.write_id(&mut id);
            Some(RecentDeadLetter { at, id, reason: rejected.reason.clone() })
        });
        let newest: Vec<_> = newest.collect();
        let recent = &mut self.lock().recent_dead_letters;
        newest.into_iter().rev().for_each(|letter| recent.push_front(letter));
        recent.truncate(RECENT_DEAD_LETTERS);
    }

    /// Where its delivered messages pass.
    pub fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    /// The route begins at `cursor`, and if that is a new one, with what was published from `start` on.
    pub(super) fn cursor_loaded(&self, generation: u64, cursor: &Cursor, start: Timestamp) {
        self.read_to(Frontier::MoreFrom(cursor.published_max.unwrap_or(start)));
        self.cursor_moved(generation, cursor, 0);
    }

    /// So much was read.
    pub(super) fn read_to(&self, frontier: Frontier) {
        self.lock().lag.read_to(frontier);
    }

    /// A page of so many events, if that is known, whose oldest was published then, waits to be proved.
    pub(super) fn undelivered(self: &Arc<Self>, oldest: Timestamp, events: Option<u64>) -> Undelivered {
        let number = self.lock().lag.add(oldest, events);
        Undelivered { status: Arc::clone(self), number }
    }

    /// What waits to be proved now waits on, although its pages are given up and read again.
    pub(super) fn still_undelivered(self: &Arc<Self>) -> Option<Undelivered> {
        let oldest = self.lock().lag.oldest()?;
        Some(self.undelivered(oldest, None))
    }

    /// So many messages were refused and wait.
    pub(super) fn hold(&self, messages: usize) {
        self.lock().held = messages;
    }

    /// This task does something, be it waiting.
    pub(crate) fn alive(&self, task: RouteTask) {
        self.lock().alive(task);
    }

    /// This task has nothing more to do.
    pub(crate) fn at_rest(&self, task: RouteTask) {
        *self.lock().alive_at(task) = None;
    }

    pub(super) fn cursor_moved(&self, generation: u64, cursor: &Cursor, dead_letters: u64) {
        let mut inner = self.lock();
        inner.generation = generation;
        inner.link.clone_from(&cursor.link);
        inner.delivered = cursor.delivered;
        inner.dead_letters += dead_letters;
        inner.published_max = cursor.published_max;
        inner.advanced_at = Some(cursor.advanced_at);
        inner.alive(RouteTask::Delivery);
    }

    /// A search's route moved.
    pub(crate) fn run_moved(&self, generation: u64, delivered: u64, dead_letters: u64) {
        let mut inner = self.lock();
        inner.generation = generation;
        inner.delivered = delivered;
        inner.dead_letters += dead_letters;
        inner.advanced_at = Some(Timestamp::now());
        inner.alive(RouteTask::Delivery);
    }

    /// A search's route stands differently.
    pub(crate) fn search(&self, change: impl FnOnce(&mut SearchStatus)) {
        let mut inner = self.lock();
        inner.alive(RouteTask::Reading);
        change(inner.search.get_or_insert_default());
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let mut inner = self.lock();
        (inner.phase, inner.owner) = (phase, None);
    }

    /// Another daemon has the route, as far as it is known which; true if that is news.
    pub(super) fn leave_to(&self, owner: Option<String>, phase: Phase) -> bool {
        let mut inner = self.lock();
        let is_news = inner.phase != phase || inner.owner != owner;
        (inner.phase, inner.owner) = (phase, owner);
        is_news
    }

    /// The route has ended and will not be started again.
    pub(crate) fn end(&self) {
        self.enter(Phase::Ended);
    }

    /// Okta answered; true if it did not before.
    pub(super) fn okta_recovered(&self) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Reading);
        inner.okta_trouble.end()
    }

    /// Okta did not answer; true if that is news, judged by its essence.
    pub(crate) fn okta_failed(&self, text: &str, essence: String) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Reading);
        inner.okta_trouble.note(text, essence)
    }

    pub(crate) fn link_refused(&self) {
        self.lock().possible_gaps += 1;
    }

    /// The sink works; true if it did not before.
    pub(crate) fn sink_recovered(&self) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Delivery);
        // Both of them, whatever the first says.
        inner.sink_trouble.end() | inner.breaker_trouble.end()
    }

    /// The sink does not work; true if that is news.
    pub(crate) fn sink_failed(&self, trouble: &str) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Delivery);
        inner.sink_trouble.note(trouble, essence(trouble))
    }

    /// The sink refuses message after message; true if that is news.
    pub(super) fn breaker_opened(&self, trouble: &str) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Delivery);
        inner.breaker_trouble.note(trouble, essence(trouble))
    }

    /// The cursor is committed; true if it could not be before.
    pub(crate) fn state_recovered(&self) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Delivery);
        inner.state_trouble.end()
    }

    /// The cursor could not be committed; true if that is news.
    pub(crate) fn state_failed(&self, trouble: &str) -> bool {
        let mut inner = self.lock();
        inner.alive(RouteTask::Delivery);
        inner.state_trouble.note(trouble, essence(trouble))
    }

    /// The local copy of the checkpoint is written; true if it could not be before. Delivery does not wait for it, so this is no
    /// sign of its life.
    pub(super) fn copy_written(&self) -> bool {
        self.lock().state_trouble.end()
    }

    /// The local copy of the checkpoint could not be written; true if that is news.
    pub(super) fn copy_failed(&self, trouble: &str) -> bool {
        self.lock().state_trouble.note(trouble, essence(trouble))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn alive_at(&mut self, task: RouteTask) -> &mut Option<Instant> {
        match task {
            RouteTask::Reading => &mut self.reading_alive_at,
            RouteTask::Delivery => &mut self.delivery_alive_at,
        }
    }

    fn alive(&mut self, task: RouteTask) {
        *self.alive_at(task) = Some(Instant::now());
    }

    fn since_alive(&self) -> Option<Duration> {
        let tasks = self.reading_alive_at.into_iter().chain(self.delivery_alive_at);
        // A search reads first and delivers then; a stream does both at a time.
        let at = if self.search.is_some() { tasks.max() } else { tasks.min() };
        at.map(|at| at.elapsed())
    }

    fn phase(&self) -> Phase {
        match self.phase {
            Phase::AtTail if self.lag.is_undelivered() => Phase::Reading,
            phase => phase,
        }
    }

    fn lag_seconds(&self, now: Timestamp) -> f64 {
        if matches!(self.phase, Phase::Standby | Phase::Superseded | Phase::Ended) {
            return 0.0;
        }
        let age = match &self.search {
            Some(search) => {
                let due = search.running.or(search.next_slot);
                due.and_then(|due| Duration::try_from(now.duration_since(due)).ok())
            }
            None => self.lag.age(now),
        };
        age.unwrap_or_default().as_secs_f64()
    }

    fn lag_events(&self) -> Option<u64> {
        let is_reading = matches!(self.phase, Phase::Reading | Phase::AtTail) && self.search.is_none();
        is_reading.then(|| self.lag.events()).flatten()
    }
}

impl Snapshot {
    /// What keeps the route from making progress, if anything.
    pub fn trouble(&self) -> Option<&str> {
        let troubles = [&self.state_trouble, &self.sink_trouble, &self.okta_trouble];
        troubles.into_iter().find_map(|trouble| trouble.as_deref())
    }
}

/// Counts a failure of the sink, and logs it if it is news; `what` says what failed and what follows.
pub(super) fn report_sink(status: &RouteStatus, error: &SinkError, what: &str) {
    let (route, class, text) = (status.name(), error.class(), chain(error));
    metrics::sink_failure(route, class_name(class));
    if status.sink_failed(&text) {
        log_sink_failure(route, class, &text, None, what);
    }
}

/// Logs, if it is news, that the sink refuses what it is given, for this reason, and how many messages wait for it.
pub(super) fn report_refusing_sink(status: &RouteStatus, reason: &str, held: usize) {
    let class = class_name(SinkClass::Configuration);
    let trouble = format!(
        "the sink refuses more messages than it takes, so nothing more goes to the dead letters: {reason}; {held} \
         message(s) are held until it takes them"
    );
    if status.breaker_opened(&trouble) {
        tracing::error!(route = status.name(), class, "{trouble}; still trying");
    }
}

/// Logs that a sink fails: as a warning if that may pass by itself, as an error if somebody must do something.
pub(super) fn log_sink_failure(
    route: &str,
    class: SinkClass,
    error: &str,
    waited_s: Option<u64>,
    what: &str,
) {
    let name = class_name(class);
    match class {
        SinkClass::Transient => tracing::warn!(route, class = name, waited_s, error, "{what}"),
        SinkClass::Authentication | SinkClass::Configuration => {
            tracing::error!(route, class = name, waited_s, error, "{what}");
        }
    }
}

pub(super) fn class_name(class: SinkClass) -> &'static str {
    match class {
        SinkClass::Transient => "transient",
        SinkClass::Authentication => "authentication",
        SinkClass::Configuration => "configuration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_route_is_at_the_tail_when_what_was_read_is_proved() {
        let status = Arc::new(RouteStatus::new("a/b"));
        let waiting = status.undelivered(Timestamp::now() - Duration::from_secs(900), Some(4));
        status.read_to(Frontier::NothingSince(Instant::now()));
        status.enter(Phase::AtTail);
        let snapshot = status.snapshot();
        assert_eq!((snapshot.phase, snapshot.lag_events), (Phase::Reading, Some(4)));
        assert!(snapshot.lag_seconds >= 900.0);
        drop(waiting);
        let snapshot = status.snapshot();
        assert_eq!((snapshot.phase, snapshot.lag_events), (Phase::AtTail, Some(0)));
        assert!(snapshot.lag_seconds < 1.0, "{}", snapshot.lag_seconds);
    }

    #[tokio::test(start_paused = true)]
    async fn either_task_that_is_silent_is_noticed() {
        let status = RouteStatus::new("a/b");
        status.alive(RouteTask::Reading);
        tokio::time::advance(Duration::from_secs(400)).await;
        status.alive(RouteTask::Delivery);
        assert_eq!(status.snapshot().since_alive, Some(Duration::from_secs(400)));
        status.at_rest(RouteTask::Reading);
        assert_eq!(status.snapshot().since_alive, Some(Duration::ZERO));
    }

    #[test]
    fn a_phase_has_the_same_name_wherever_it_is_shown() {
        for phase in Phase::ALL {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }

    #[test]
    fn whoever_has_the_route_is_told_as_long_as_it_is_another() {
        let status = RouteStatus::new("a/b");
        let owner = |host: &str| Some(format!("process 7 on {host}"));
        assert!(status.leave_to(owner("one"), Phase::Standby));
        assert!(!status.leave_to(owner("one"), Phase::Standby));
        assert!(status.leave_to(owner("two"), Phase::Standby));
        assert_eq!(status.snapshot().owner, owner("two"));
        status.enter(Phase::Reading);
        assert_eq!(status.snapshot().owner, None);
    }

    #[test]
    fn the_lag_of_a_search_is_since_when_its_run_is_due() {
        let status = RouteStatus::new("a/b");
        let now = Timestamp::now();
        status.search(|search| search.next_slot = Some(now + Duration::from_secs(60)));
        assert!(status.snapshot().lag_seconds < 0.1);
        status.search(|search| search.running = Some(now - Duration::from_secs(60)));
        assert!(status.snapshot().lag_seconds >= 60.0);
    }
}
