//! One route of a search: waits for slots, runs them, and keeps what became of each.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Search,
    checkpoint::{EmitForm, RouteNote, SavedProgress},
    compose::{ComposeError, Composer},
    envelope::RunDescription,
    files::ReadingId,
    outgoing::Outgoing,
    plan::{Next, Run, SkipReason},
    spool::{Spool, SpoolError},
};
use crate::{
    clock::{Clock, SystemClock},
    config::{SearchRouteConfig, SinkConfig},
    halt::{Halt, Stopped},
    invariant::Invariant,
    retry::RetryPolicy,
    route::{Phase, Rendering, RouteError, RouteStatus, StateRetry, open_sink},
    sink::{DeadLetters, Sink, SinkFactory, payload_bytes_max},
    state::{SinkMark, State, StateError},
    telemetry::{chain, metrics},
};

/// The longest sleep: a clock may be put, and whoever watches wants a sign of life.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// One search feeding one sink.
#[derive(Debug)]
pub struct SearchRoute {
    config: SearchRouteConfig,
    search: Arc<Search>,
    seams: Seams,
    status: Arc<RouteStatus>,
    up_since: Timestamp,
}

/// What a search's route runs on, beside its search: the real things, or simulated ones.
#[derive(Debug)]
pub(super) struct Seams {
    pub(super) sink: Arc<dyn SinkFactory>,
    pub(super) state: State,
    pub(super) dead_letters: DeadLetters,
    pub(super) clock: Arc<dyn Clock>,
}

/// Why a search's route cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// What is kept cannot be read or belongs to somebody else too.
    #[error(transparent)]
    State(#[from] StateError),
    /// The delivering half.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Messages cannot be made.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A note that is not one of ours.
    #[error("what is kept of the route {route} is not understood: {reason}")]
    SavedProgress {
        /// The route.
        route: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<SearchError> for Halt<SearchError> {
    fn from(err: SearchError) -> Self {
        Self::Failed(err)
    }
}

impl From<Halt<RouteError>> for Halt<SearchError> {
    fn from(halt: Halt<RouteError>) -> Self {
        halt.widen()
    }
}

impl SearchRoute {
    /// A route of `search` to `sink`, in a process that is up since `up_since`.
    pub fn new(
        config: SearchRouteConfig,
        sink: SinkConfig,
        search: Arc<Search>,
        state: State,
        up_since: Timestamp,
    ) -> Self {
        let dead_letters = DeadLetters::new(&state.dead_letters_directory(), &config.route.name);
        let (sink, clock) = (Arc::new(sink), Arc::new(SystemClock));
        Self::with_seams(config, search, Seams { sink, state, dead_letters, clock }, up_since)
    }

    pub(super) fn with_seams(
        config: SearchRouteConfig,
        search: Arc<Search>,
        seams: Seams,
        up_since: Timestamp,
    ) -> Self {
        let status = Arc::new(RouteStatus::new(&config.route.name));
        Self { config, search, seams, status, up_since }
    }

    /// Its name: unique among all routes.
    pub fn name(&self) -> &str {
        &self.config.route.name
    }

    /// Its search.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// How it stands, kept up to date while it runs.
    pub fn status(&self) -> Arc<RouteStatus> {
        Arc::clone(&self.status)
    }

    /// Runs until `stop`, or, if `until_caught_up`, until no slot is due. May be run again after it ended in any way:
    /// everything that counts is in the state.
    pub async fn run(
        &self,
        stop: &CancellationToken,
        until_caught_up: bool,
    ) -> Result<(), Halt<SearchError>> {
        let mut note = self.open(stop).await?;
        self.stands(&note.kept);
        self.status.run_moved(note.generation, note.kept.messages, 0);
        loop {
            let plan = self.search.plan();
            let progress = &note.kept.progress;
            self.status.search(|search| {
                search.next_slot = plan.next_slot(progress);
                search.running = progress.run.map(|run| run.slot);
            });
            if self.status.is_paused() {
                self.status.enter(Phase::AtTail);
                let resumed = tokio::time::timeout(SLEEP_MAX, self.status.until_running());
                let _ = stop.run_until_cancelled(resumed).await.ok_or(Stopped)?;
                continue;
            }
            let now = self.seams.clock.now();
            let kept = match plan.next(progress, now, self.up_since) {
                Next::Never => return Ok(()),
                Next::Wait(_) if until_caught_up => return Ok(()),
                Next::Wait(until) => {
                    self.status.enter(Phase::AtTail);
                    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    let sleep = tokio::time::sleep(left.min(SLEEP_MAX));
                    stop.run_until_cancelled(sleep).await.ok_or(Stopped)?;
                    continue;
                }
                Next::Skip { decided, why } => {
                    self.report_skipped(decided, why);
                    SavedProgress { progress: progress.left_out(decided), ..note.kept.clone() }
                }
                Next::Begin(run) => {
                    Invariant::SlotFiresOnce.check(run.slot > progress.decided);
                    self.report_gap(&run, progress.covered);
                    SavedProgress { progress: progress.begun(run), form: None, ..note.kept.clone() }
                }
                Next::Resume(run) => {
                    self.status.enter(Phase::Reading);
                    let begun_at = Instant::now();
                    let total = self.execute(&mut note, run, stop).await?;
                    self.report_run(&run, total, begun_at.elapsed());
                    let progress = note.kept.progress.finished(self.seams.clock.now());
                    SavedProgress { progress, form: None, ..note.kept.clone() }
                }
            };
            note.keep(kept).await?;
            self.stands(&note.kept);
        }
    }

    /// What is kept of the route; a first start is kept before anything else happens.
    async fn open(&self, stop: &CancellationToken) -> Result<RouteNote, Halt<SearchError>> {
        let state_retry = StateRetry { status: self.status(), stop: stop.clone() };
        let first = SavedProgress {
            // The same for all routes that begin together, whose windows are the same then.
            progress: self.search.plan().first(self.up_since),
            mark: None,
            form: None,
            messages: 0,
        };
        let name = RouteNote::name_of(self.name());
        let stored = state_retry.run(|| self.seams.state.note(&name)).await?;
        let mut note = RouteNote { state: self.seams.state.clone(), state_retry, generation: 0, kept: first };
        let Some(stored) = stored else {
            let first = note.kept.clone();
            note.keep(first).await?;
            return Ok(note);
        };
        note.kept = serde_json::from_str(&stored.content).map_err(|err| SearchError::SavedProgress {
            route: self.name().to_owned(),
            reason: err.to_string(),
        })?;
        note.generation = stored.generation;
        Ok(note)
    }

    /// Delivers what is left of `run`. Says how many events there are that the route wants.
    async fn execute(
        &self,
        note: &mut RouteNote,
        run: Run,
        stop: &CancellationToken,
    ) -> Result<u64, Halt<SearchError>> {
        let mut backoff = RetryPolicy::SPOOL.backoff();
        loop {
            let err = match self.attempt(note, run.slot, stop).await {
                Err(Halt::Failed(SearchError::Compose(ComposeError::Spool(err)))) => err,
                ended => return ended,
            };
            self.report_spool_error(&err);
            backoff.wait(stop).await?;
        }
    }

    async fn attempt(
        &self,
        note: &mut RouteNote,
        slot: Timestamp,
        stop: &CancellationToken,
    ) -> Result<u64, Halt<SearchError>> {
        // It is the run that was begun; a former attempt may have brought it further.
        let Some(run) = note.kept.progress.run.filter(|run| run.slot == slot) else {
            return Err(Halt::Stopped);
        };
        let spool = stop.run_until_cancelled(self.search.spool(&run, &self.status)).await.ok_or(Stopped)?;
        let spool = spool.map_err(|err| SearchError::Compose(err.into()))?;
        if self.status.state_recovered() {
            tracing::info!(route = self.name(), "the spool can be written again");
        }
        let rendering = Rendering::open(&self.config.route, self.search.client().org()).await;
        let rendering = Arc::new(rendering.map_err(SearchError::from)?);
        let mark = note.kept.mark.as_ref();
        let sink = open_sink(&*self.seams.sink, &rendering.origin, mark, &self.status, stop).await?;
        let stands = (sink.mark(), payload_bytes_max(sink.message_bytes_max()));
        if let Err(halt) = self.settle_form(note, &run, spool.reading(), stands).await {
            sink.close().await;
            return Err(halt);
        }
        self.deliver(note, &run, spool, rendering, sink, stop).await
    }

    /// Keeps, before anything is delivered, of which reading and how messages are made, and where the sink stands.
    async fn settle_form(
        &self,
        note: &mut RouteNote,
        run: &Run,
        reading: ReadingId,
        (mark, bytes_max): (Option<SinkMark>, Option<usize>),
    ) -> Result<(), Halt<SearchError>> {
        let emit = self.form();
        let known = note.kept.form.as_ref().filter(|form| form.emit == emit);
        let mut kept = note.kept.clone();
        kept.form = Some(known.cloned().unwrap_or(EmitForm { emit, bytes_max }));
        kept.progress = kept.progress.reading(reading);
        if known.is_none() {
            kept.progress = kept.progress.delivered(0);
        }
        if run.delivered > 0 && kept.progress.run.is_some_and(|run| run.delivered == 0) {
            let why = match known {
                None => "what is emitted has changed",
                Some(_) => "the window had to be read again",
            };
            tracing::warn!(
                route = self.name(),
                slot = %run.slot,
                why,
                "a run is delivered from its beginning, since its messages may be others"
            );
        }
        kept.mark = mark.or(kept.mark);
        if kept == note.kept {
            return Ok(());
        }
        Ok(note.keep(kept).await?)
    }

    /// All settings that decide which messages are made of which events, as a digest.
    fn form(&self) -> String {
        let SearchRouteConfig { route, emit, empty } = &self.config;
        let settings = (emit, empty, route.format.name(), &route.ocsf, &route.selection, &route.redaction);
        let digest = Sha256::digest(format!("{settings:?}"));
        digest[..12].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    async fn deliver(
        &self,
        note: &mut RouteNote,
        run: &Run,
        spool: Spool,
        rendering: Arc<Rendering>,
        sink: Box<dyn Sink>,
        stop: &CancellationToken,
    ) -> Result<u64, Halt<SearchError>> {
        let skip = note.kept.progress.run.map_or(0, |run| run.delivered);
        let composer = Composer {
            rendering,
            emit: self.config.emit,
            empty: self.config.empty,
            about: RunDescription {
                search: self.search.config().name.clone(),
                slot: run.slot,
                since: run.since,
                until: run.until,
            },
            bytes_max: note.kept.form.as_ref().and_then(|form| form.bytes_max),
        };
        let outgoing = Outgoing {
            composer,
            spool,
            skip,
            parts_max: self.config.route.in_flight_pages,
            bytes_max: self.config.route.in_flight_bytes,
        };
        let dead_letters = self.seams.dead_letters.clone();
        outgoing.deliver(note, sink, dead_letters, self.status(), stop).await
    }

    fn stands(&self, kept: &SavedProgress) {
        self.search.stands(self.name(), &kept.progress);
    }

    fn report_run(&self, run: &Run, total: u64, took: Duration) {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        metrics::search_run(self.name(), total, took);
        self.status.search(|search| {
            search.last_slot = Some(run.slot);
            search.last_total = Some(total);
            search.last_milliseconds = Some(milliseconds);
        });
        tracing::info!(
            route = self.name(), slot = %run.slot, since = %run.since, until = %run.until, total, milliseconds,
            "the search has run"
        );
    }

    fn report_skipped(&self, decided: Timestamp, why: SkipReason) {
        metrics::search_left_out(self.name());
        let why = match why {
            SkipReason::Missed => "they came while oktabus was down",
            SkipReason::Overlapped => "they came while the run before was at work",
            SkipReason::NothingNew => "the run before has covered what they would",
        };
        tracing::warn!(route = self.name(), up_to = %decided, why, "slots are left out");
    }

    fn report_gap(&self, run: &Run, covered: Timestamp) {
        let is_gap = matches!(self.search.config().window, crate::config::WindowConfig::SinceLast { .. })
            && run.since > covered;
        if is_gap {
            self.status.link_refused();
            metrics::possible_gap(self.name());
            tracing::error!(
                route = self.name(), %covered, since = %run.since,
                "POSSIBLE GAP: the last run is longer ago than Okta keeps events; what was in between cannot be had from Okta any more"
            );
        }
    }

    fn report_spool_error(&self, err: &SpoolError) {
        metrics::state_failure(self.name());
        if self.status.state_failed(&chain(err)) {
            tracing::error!(
                route = self.name(),
                error = chain(err),
                "the window cannot be kept; trying again"
            );
        }
    }
}
