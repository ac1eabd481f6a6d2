//! Delivery exactly once: source → render → transaction, where the bus commits messages and checkpoint at a stroke.
//!
//! The checkpoint in the bus is the truth. Whatever is in doubt (a commit without an answer, a lost connection, a restart) is
//! answered by reading it: a session begins with what the bus has, and ends with the first doubt. So there is one way to go
//! on, and it is taken at each start.
//!
//! `record.rs` is the checkpoint as bytes; `ownership.rs` says who may write; `transaction.rs` makes transactions of pages;
//! `session.rs` commits them; `refusals.rs` finds the message that a bus refuses; `letters.rs` keeps it as a dead letter; `local_copy.rs`
//! and `check.rs` are for the operator.

mod check;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
pub(super) mod letters;
mod local_copy;
mod ownership;
mod record;
mod refusals;
mod session;
#[cfg(test)]
mod simulation;
mod transaction;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use check::{CheckpointError, checkpoint_in_bus, look_at_checkpoint};
pub(super) use record::Owner;
pub use record::RecordProblem;

use super::{
    Route, RouteError,
    delivery::{alive_while, breaker::Ruling, patient},
    lag::Frontier,
    opening::open_until,
    prefetch::Prefetch,
    rendering::Rendering,
    state_retry::StateRetry,
    status::{Phase, RouteStatus, RouteTask, class_name, report_refusing_sink, report_sink},
    while_delivering,
};
use crate::{
    halt::{Halt, Stopped},
    retry::RetryPolicy,
    sink::{CommitError, SinkClass, SinkError, TransactionalFactory, TransactionalSink},
    source::{Position, Reader},
    state::Cursor,
    telemetry::metrics,
};
use letters::TransactionLetters;
use local_copy::LocalCopy;
use ownership::{Claim, Ownership};
use record::{CheckpointRecord, Generations};
use refusals::Refusals;
use session::{Continuity, Interruption, Session};

/// How often a standby looks whether the owner lives.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How long it may take to find the messages for which the bus refuses transactions before that is told.
const NARROWING_USUAL: Duration = Duration::from_secs(5);

/// What a route that delivers exactly once runs on.
#[derive(Debug)]
pub(super) struct ExactlyOnce {
    pub(super) factory: Arc<dyn TransactionalFactory>,
    /// Set if it waits for an owner that lives; after how long one that does not move counts as gone.
    pub(super) takeover_after: Option<Duration>,
    /// Who this run is.
    pub(super) me: Owner,
}

/// One run of a route.
struct Run<'a> {
    route: &'a Route,
    rendering: Arc<Rendering>,
    sink: Box<dyn TransactionalSink>,
    ownership: Ownership,
    continuity: Continuity,
    /// Where it begins if there is no checkpoint at all.
    beginning: Cursor,
    until_caught_up: bool,
}

/// Runs `route` until `stop`, or until all that Okta had at the first tail is delivered.
pub(super) async fn run(
    route: &Route,
    exactly_once: &ExactlyOnce,
    stop: &CancellationToken,
    until_caught_up: bool,
) -> Result<(), Halt<RouteError>> {
    let ExactlyOnce { factory, takeover_after, me } = exactly_once;
    let (status, state) = (route.status(), &route.seams.state);
    let state_retry = StateRetry { status: Arc::clone(&status), stop: stop.clone() };
    let found = state_retry.run(|| state.load(route.name())).await?;
    // How far behind it is by what the state has: its bus, which has its place, may be away for long.
    let reached = found.as_ref().and_then(|found| found.cursor.published_max);
    status.read_to(Frontier::MoreFrom(reached.unwrap_or_else(|| route.stream.start())));
    let rendering = Arc::new(Rendering::open(&route.config, route.stream.client().org()).await?);
    let origin = &rendering.origin;
    let sink = open_until(&status, stop, || factory.open(origin)).await?;
    let ownership = Ownership::new(me.clone(), *takeover_after);
    let (copy, copy_writer) =
        LocalCopy::new(sink.checkpoint_place_id(), state.clone(), Arc::clone(&status), found);
    let continuity = Continuity {
        letters: TransactionLetters::open(route.seams.dead_letters.clone(), Arc::clone(&status), stop)
            .await?,
        copy,
        status,
        refusals: Refusals::default(),
        backoff: RetryPolicy::SINK.backoff(),
        identity: origin.route_identity(),
        generations: Generations::default(),
        heartbeat: ownership.heartbeat(),
        is_commit_due: false,
        narrowing_since: None,
        waiting: None,
    };
    let beginning = route.stream.cursor_at(route.stream.start());
    let mut run = Run { route, rendering, sink, ownership, continuity, beginning, until_caught_up };
    // The copies end with what follows the bus, so the last one is written when the run is over.
    let delivering = Box::pin(async move {
        let ended = run.sessions(stop).await;
        run.route.status.at_rest(RouteTask::Delivery);
        run.route.status.hold(0);
        if !matches!(ended, Err(Halt::Failed(_))) {
            run.sink.close().await;
        }
        ended
    });
    let (ended, ()) = tokio::join!(delivering, copy_writer.run());
    ended
}

impl Run<'_> {
    /// One session after another.
    async fn sessions(&mut self, stop: &CancellationToken) -> Result<(), Halt<RouteError>> {
        loop {
            match self.session(stop).await {
                Ok(()) if stop.is_cancelled() => return Err(Halt::Stopped),
                Ok(()) => return Ok(()),
                Err(Interruption::Stopped) => return Err(Halt::Stopped),
                Err(Interruption::Failed(err)) => return Err(Halt::Failed(err)),
                Err(Interruption::Superseded(owner)) => {
                    return step_down(self.route, &owner, stop, self.until_caught_up).await;
                }
                Err(Interruption::Sink(err)) => {
                    self.ownership.lose_sight();
                    self.report(&err);
                    self.continuity.backoff.wait(stop).await?;
                }
                Err(Interruption::Fenced(reason)) => {
                    tracing::warn!(
                        route = self.route.name(),
                        reason,
                        "the bus refuses a commit, as it does when another daemon takes the route over: the route looks whose it is, \
                         and goes on if it is still its own"
                    );
                    self.continuity.backoff.wait(stop).await?;
                }
                Err(Interruption::Held { ruling, messages, reason }) => {
                    self.continuity.is_commit_due = true;
                    self.report_held(ruling, messages, &reason);
                    if stop.is_cancelled() {
                        return Err(Halt::Stopped);
                    }
                    self.continuity.backoff.wait(stop).await?;
                }
                Err(Interruption::Narrowed { reason }) => self.report_narrowed(&reason),
                Err(Interruption::Regrouped) => {}
            }
            self.recover(stop).await?;
        }
    }

    async fn session(&mut self, stop: &CancellationToken) -> Result<(), Interruption> {
        let record = self.own(stop).await?;
        let (route, status) = (self.route, self.route.status());
        self.continuity.copy.follow(&record);
        status.cursor_loaded(record.generation, &record.cursor, route.stream.start());
        // After a commit that failed, only another commit shows that the sink works.
        if !self.continuity.is_commit_due && status.sink_recovered() {
            tracing::info!(route = route.name(), "the sink works again");
        }
        let mut reader = self.reader(&record.cursor)?;
        if record.cursor.question != self.beginning.question {
            let since = reader.resume_by_time();
            tracing::warn!(route = route.name(), %since, "the stream's filter or org has changed: the route resumes by time");
        }
        let (prefetch, pages) =
            Prefetch::new(reader, Arc::clone(&self.rendering), &route.config, status, self.until_caught_up);
        let question = &self.beginning.question;
        let session = Session::new(&mut *self.sink, &mut self.continuity, stop, record, question);
        let (_, committed) = while_delivering(prefetch.run(stop), Box::pin(session.run(pages))).await;
        committed
    }

    fn reader(&self, cursor: &Cursor) -> Result<Reader, Interruption> {
        let link = cursor.link.parse().map_err(|source| {
            Interruption::Failed(RouteError::Link { route: self.route.name().to_owned(), source })
        })?;
        let position = Position { link, published_max: cursor.published_max };
        Ok(Reader::new(Arc::clone(&self.route.stream), position, &cursor.recent))
    }

    /// Waits until the route is ours, and gives the checkpoint that the bus has then.
    async fn own(&mut self, stop: &CancellationToken) -> Result<CheckpointRecord, Interruption> {
        loop {
            let found = self.last_checkpoint(stop).await?;
            let claim = self.ownership.judge(found.as_ref(), Instant::now());
            match (claim, &found) {
                (Claim::StepDown, Some(found)) => {
                    self.continuity.letters.seen(Some(found), stop).await?;
                    return Err(Interruption::Superseded(found.owner.clone()));
                }
                (Claim::StandBy, found) => {
                    // It is for the owner to deliver.
                    self.continuity.waiting = None;
                    self.continuity.letters.seen(found.as_ref(), stop).await?;
                    if let Some(found) = found.as_ref().filter(|found| !self.goes_on_at_copy(found)) {
                        // Should the bus lose it, and the owner be gone, this is where the route stands.
                        self.continuity.copy.follow(found);
                    }
                    stand_by(&self.route.status, found.as_ref(), stop).await?;
                    continue;
                }
                _ => {}
            }
            let status = self.route.status();
            let fencing = alive_while(&status, self.sink.fence());
            let fenced = stop.run_until_cancelled(fencing).await.ok_or(Stopped)?;
            fenced.map_err(Interruption::Sink)?;
            let last = self.last_checkpoint(stop).await?;
            if has_changed_hands(found.as_ref(), last.as_ref()) {
                continue;
            }
            self.tell_if_set_back(last.as_ref());
            self.continuity.letters.found(last.as_ref(), stop).await?;
            return match last {
                Some(last) if self.ownership.is_ours(&last) => Ok(last),
                last => self.take_over(last, stop).await,
            };
        }
    }

    async fn last_checkpoint(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<Option<CheckpointRecord>, Interruption> {
        let reading = alive_while(&self.route.status, self.sink.last_checkpoint());
        let found = stop.run_until_cancelled(reading).await.ok_or(Stopped)?;
        let identity = &self.continuity.identity;
        let decode = |bytes: bytes::Bytes| CheckpointRecord::from_bytes(&bytes, identity);
        let found = found.map_err(Interruption::Sink)?.map(decode).transpose();
        found.map_err(|source| self.unusable(source))
    }

    /// Makes the route ours in the bus, where the checkpoint is the `last` one.
    async fn take_over(
        &mut self,
        last: Option<CheckpointRecord>,
        stop: &CancellationToken,
    ) -> Result<CheckpointRecord, Interruption> {
        let record = self.claimed(last.as_ref());
        let is_at = |last: &CheckpointRecord| {
            (&last.cursor.link, &last.cursor.recent) == (&record.cursor.link, &record.cursor.recent)
        };
        if !last.as_ref().is_some_and(is_at) {
            // The route goes on elsewhere than at what the bus has: it may not come to these messages again.
            self.continuity.letters.count(stop).await?;
        }
        self.continuity.letters.committing(record.number(), stop).await?;
        let identity = &self.continuity.identity;
        let bytes = record.to_bytes(identity).map_err(|source| self.unusable(source))?;
        let (status, stall_reason) = (self.route.status(), self.sink.stall_reason());
        let sink = &mut self.sink;
        let committing = async move { sink.commit(bytes).await?.await };
        patient(&status, stop, &*stall_reason, committing).await?.map_err(|err| match err {
            CommitError::Fenced(reason) => Interruption::Fenced(reason),
            CommitError::Refused { reason, .. } => Interruption::Fenced(reason),
            CommitError::Sink(err) => Interruption::Sink(err),
        })?;
        self.continuity.letters.committed(&record, stop).await?;
        status.enter(Phase::Starting);
        tracing::info!(
            route = self.route.name(),
            epoch = record.epoch,
            generation = record.generation,
            "the route is taken over, and begins to read"
        );
        // The next look finds it, and whoever comes later is known by it.
        self.ownership.judge(Some(&record), Instant::now());
        Ok(record)
    }

    /// The record that makes the route ours. The cursor is the bus's, unless it has none, or the route went on here from
    /// just that one.
    fn claimed(&mut self, last: Option<&CheckpointRecord>) -> CheckpointRecord {
        let copy = &self.continuity.copy;
        let found = last.map(CheckpointRecord::number);
        // Where the route was elsewhere, it has moved on since.
        let is_elsewhere = last.is_none_or(|last| copy.left_behind(last));
        let copied = copy.of_bus().filter(|_| is_elsewhere);
        let numbers = found.iter().chain(&copied);
        let epoch = numbers.clone().map(|number| number.epoch).max().unwrap_or_default();
        let generation = numbers.map(|number| number.generation).max().unwrap_or_default();
        let of_bus = last.filter(|last| !self.goes_on_at_copy(last)).map(|last| last.cursor.clone());
        let copied = || copy.cursor().map(|cursor| Cursor::clone(&cursor));
        let cursor = of_bus.or_else(copied).unwrap_or_else(|| self.beginning.clone());
        CheckpointRecord {
            owner: self.ownership.me.clone(),
            epoch: self.ownership.next_epoch(epoch),
            generation: self.continuity.generations.next_after(generation),
            is_released: false,
            cursor: Cursor { mark: None, of_bus: None, left_behind: Vec::new(), ..cursor },
        }
    }

    /// Whether the route went on from `record` without the bus, or in another one.
    fn goes_on_at_copy(&self, record: &CheckpointRecord) -> bool {
        self.continuity.copy.follows(record) || self.continuity.copy.left_behind(record)
    }

    /// Says so if the bus has lost what it had, be it to whoever takes the route over or to its owner.
    fn tell_if_set_back(&self, last: Option<&CheckpointRecord>) {
        let route = self.route.name();
        match (last, self.continuity.copy.of_bus()) {
            (None, Some(copied)) => tracing::error!(
                route,
                generation = copied.generation,
                "the bus has lost the route's checkpoint: the route goes on at its local copy; nothing is left out, and what was \
                 committed after the copy was written is delivered again"
            ),
            (Some(found), Some(_)) if self.continuity.copy.left_behind(found) => tracing::info!(
                route,
                "the route was in another place since it was here: it goes on where it stands, and what went there does not come here"
            ),
            (Some(found), Some(copied)) if found.generation < copied.generation => tracing::warn!(
                route,
                found = found.generation,
                copied = copied.generation,
                "the checkpoint in the bus is older than its local copy, as after a restore: the bus counts, and what it has lost \
                 is delivered again"
            ),
            _ => {}
        }
    }

    /// Makes the sink fit for another session.
    async fn recover(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        loop {
            let status = self.route.status();
            let recovering = alive_while(&status, self.sink.recover());
            match stop.run_until_cancelled(recovering).await.ok_or(Stopped)? {
                Ok(()) => return Ok(()),
                Err(err) => self.report(&err),
            }
            self.continuity.backoff.wait(stop).await?;
        }
    }

    fn unusable(&self, source: RecordProblem) -> Interruption {
        let (route, place) = (self.route.name().to_owned(), self.sink.checkpoint_place());
        Interruption::Failed(RouteError::Checkpoint { route, place, source })
    }

    fn report(&self, error: &SinkError) {
        report_sink(&self.route.status, error, "delivery failed; trying again");
    }

    /// An odd message is found soon; that it takes longer is worth a word.
    fn report_narrowed(&mut self, reason: &str) {
        let Continuity { status, narrowing_since, .. } = &mut self.continuity;
        if narrowing_since.get_or_insert_with(Instant::now).elapsed() < NARROWING_USUAL {
            return;
        }
        let class = class_name(SinkClass::Configuration);
        metrics::sink_failure(status.name(), class);
        let trouble = format!(
            "the bus refuses transactions, and the messages for which it does are looked for: {reason}"
        );
        if status.sink_failed(&trouble) {
            tracing::warn!(route = status.name(), class, "{trouble}");
        }
    }

    fn report_held(&self, ruling: Ruling, messages: usize, reason: &str) {
        let status = &self.route.status;
        status.hold(messages);
        if ruling != Ruling::Open {
            return;
        }
        metrics::sink_failure(status.name(), class_name(SinkClass::Configuration));
        report_refusing_sink(status, reason, messages);
    }
}

/// Waits a while, because the owner lives.
async fn stand_by(
    status: &RouteStatus,
    owner: Option<&CheckpointRecord>,
    stop: &CancellationToken,
) -> Result<(), Interruption> {
    let owner = owner.map(|record| record.owner.to_string());
    if status.leave_to(owner.clone(), Phase::Standby) {
        match owner {
            Some(owner) => tracing::info!(
                route = status.name(),
                owner,
                "the route stands by: another daemon has it, and this one takes over when that is gone"
            ),
            None => tracing::info!(
                route = status.name(),
                "the route stands by: the bus has no checkpoint; this daemon gives another one time to write it, and takes over \
                 if none does"
            ),
        }
    }
    // It asks neither Okta nor the bus for more than this.
    status.sink_recovered();
    status.okta_recovered();
    status.at_rest(RouteTask::Reading);
    status.alive(RouteTask::Delivery);
    stop.run_until_cancelled(tokio::time::sleep(WATCH_EVERY)).await.ok_or(Stopped)?;
    Ok(())
}

/// Writes nothing any more: to take the route back would set two daemons against each other.
async fn step_down(
    route: &Route,
    owner: &Owner,
    stop: &CancellationToken,
    until_caught_up: bool,
) -> Result<(), Halt<RouteError>> {
    let (name, status) = (route.name(), &route.status);
    let superseded = RouteError::Superseded { route: name.to_owned(), by: owner.to_string() };
    if until_caught_up {
        return Err(Halt::Failed(superseded));
    }
    tracing::error!(route = name, error = %superseded, "the route steps down");
    status.sink_failed(&superseded.to_string());
    status.leave_to(Some(owner.to_string()), Phase::Superseded);
    status.at_rest(RouteTask::Reading);
    status.at_rest(RouteTask::Delivery);
    stop.cancelled().await;
    Err(Halt::Stopped)
}

/// Whether somebody took the route over between two looks.
fn has_changed_hands(before: Option<&CheckpointRecord>, after: Option<&CheckpointRecord>) -> bool {
    let hands = |record: Option<&CheckpointRecord>| record.map(|record| (record.epoch, record.owner.clone()));
    hands(before) != hands(after)
}
