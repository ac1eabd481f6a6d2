//! Runs one command from its turn to the settlement of its message: looks up whom it names, executes it, publishes the
//! outcome, and acknowledges.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    attempt::AttemptState,
    job::{Job, Origin, Settlement},
    journal::{JournalEntry, SavedRecord},
    ordering::OrderingKey,
    outcomes,
    parked::{ParkedCommand, WaitsFor},
    pending_approval::ApprovalStatus,
    publish::{Addressee, OutcomeViews},
    receive::Redelivered,
    turns::Turn,
};
use crate::{
    command::{
        Outcome, Status, Subjects,
        audit::{AuditRecord, Decision},
        message::Timing,
        record::{CommandStage, Record},
    },
    telemetry::traces,
};

/// A command that is due later than this waits in the state, not in the queue.
const PARKED_FROM: SignedDuration = SignedDuration::from_mins(10);
/// When a command is delivered again because too many copies, or too many of its kind, are in progress.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// Why a copy is delivered again.
pub(super) const MANY_COPIES: &str = "copies of it are at work";
/// The longest redelivery delay that a bus is asked for.
pub(super) const LATER_MAX: Duration = Duration::from_secs(600);

/// The result of a worker.
#[derive(Debug)]
pub(super) enum WorkerResult {
    /// The message is settled or will be delivered again.
    Settled,
    /// The command waits in the state.
    Parked { id: String, due: Timestamp },
}

impl Job {
    /// The ordering keys that follow from the command alone, without look-ups.
    pub(super) fn names(&self) -> Vec<OrderingKey> {
        OrderingKey::all(&self.command.id, &self.command.request, None)
    }
}

impl Context {
    /// Runs a command to its end. May be dropped at any time: the journal shows how to continue.
    pub(super) async fn work(
        &self,
        mut job: Job,
        turn: Turn,
        stop: &CancellationToken,
    ) -> Result<WorkerResult, EngineError> {
        let Some(trace) = job.trace.take() else {
            return Box::pin(self.work_on(job, turn, stop)).await;
        };
        let (commands, action) = (&self.config.name, job.command.request.action().name());
        Box::pin(traces::working_on(trace, commands, action, self.work_on(job, turn, stop))).await
    }

    async fn work_on(
        &self,
        job: Job,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<WorkerResult, EngineError> {
        let settlement = match stop.run_until_cancelled(turn.wait()).await {
            Some(()) => self.serve(&job, &mut turn, stop).await?,
            None => Settlement::Dropped,
        };
        let ended = match self.due(&job, &settlement) {
            Some(due) => WorkerResult::Parked { id: job.command.id.clone(), due },
            None => WorkerResult::Settled,
        };
        if matches!(settlement, Settlement::Done(..)) {
            self.forget_stopped(&job.command.id).await?;
        }
        job.origin.settle(settlement).await;
        Ok(ended)
    }

    /// Removes the notes of the ended command `id`: that it was parked or cancelled.
    pub(super) async fn forget_stopped(&self, id: &str) -> Result<(), EngineError> {
        self.parked_commands.forget(id).await?;
        self.admission.stops.forget(id).await
    }

    /// When a parked command is due again, after `settlement`.
    fn due(&self, job: &Job, settlement: &Settlement) -> Option<Timestamp> {
        match (settlement, &job.origin) {
            (Settlement::Parked(_, due), _) => Some(*due),
            // No queue redelivers a parked command.
            (Settlement::RetryLater(wait, _), Origin::Parked { .. }) => {
                self.clock.now().checked_add(*wait).ok().or(job.command.not_before)
            }
            (Settlement::RetryLater(..), Origin::Queue { .. } | Origin::Local { .. })
            | (Settlement::Done(..) | Settlement::AlreadyAnswered(_) | Settlement::Dropped, _) => None,
        }
    }

    /// Acknowledges a redelivery of a message whose answer was published before.
    pub(super) async fn acknowledge_redelivery(
        &self,
        redelivered: Redelivered,
    ) -> Result<WorkerResult, EngineError> {
        let Redelivered { id, has_ended, durable, origin } = redelivered;
        // Another copy of a command that a limit has refused may be in progress, and may be parked or cancelled.
        if has_ended {
            self.forget_stopped(&id).await?;
        }
        tracing::debug!(
            commands = self.config.name,
            command_id = id,
            place = origin.place(),
            "a message that was answered before is delivered again"
        );
        origin.settle(Settlement::AlreadyAnswered(durable)).await;
        Ok(WorkerResult::Settled)
    }

    /// Has a command delivered again later, when the earlier commands of which there are too many may have ended.
    pub(super) async fn postpone(&self, origin: Origin, why: &'static str) -> WorkerResult {
        let ended = match &origin {
            Origin::Parked { id, .. } => {
                let due = self.clock.now().saturating_add(AGAIN_AFTER).unwrap_or(Timestamp::MAX);
                WorkerResult::Parked { id: id.clone(), due }
            }
            Origin::Queue { .. } | Origin::Local { .. } => WorkerResult::Settled,
        };
        origin.settle(Settlement::RetryLater(AGAIN_AFTER, why)).await;
        ended
    }

    /// Runs a command, whose turn it is, to an answer.
    async fn serve(
        &self,
        job: &Job,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        if !job.origin.begin() {
            return Ok(Settlement::Dropped);
        }
        traces::happened("its turn");
        let id = &job.command.id;
        // The command was received twice, because it was cancelled at the moment when it was due; the first has ended
        // it.
        if matches!(job.origin, Origin::Parked { .. }) && !self.parked_commands.has(id) {
            return Ok(Settlement::Dropped);
        }
        if matches!(job.origin, Origin::Local { .. }) && self.parked_commands.belongs_to_daemon(id) {
            return Ok(Settlement::RetryLater(
                LATER_MAX,
                "it waits in the state, for the daemon, which is not running",
            ));
        }
        let saved = match self.journal.find(id).await? {
            JournalEntry::Record(saved) => saved,
            // The record was removed in the meantime, because it was old.
            JournalEntry::Missing => match self.journal.receive(id, self.record_of(&job.command)).await? {
                JournalEntry::Record(saved) => saved,
                JournalEntry::Missing | JournalEntry::Unreadable(_) => return Ok(Settlement::Dropped),
            },
            JournalEntry::Unreadable(unreadable) => {
                let (saved, views) = self.set_aside(job, unreadable).await?;
                return self.publish_outcome(job, saved, views, stop).await;
            }
        };
        // The message was delivered again while it was being answered.
        if let Some(durable) = saved.record.answered_before(job.origin.queue_place()) {
            return Ok(Settlement::AlreadyAnswered(durable));
        }
        if matches!(saved.record.stage, CommandStage::Ended { .. }) {
            let Some(again) = self.reopened(&saved.record, job).await? else {
                return self.repeat(job, saved, stop).await;
            };
            let saved = self.journal.save(id, &saved, again).await?;
            return self.execute_when_allowed(job, saved, turn, stop).await;
        }
        self.execute_when_allowed(job, saved, turn, stop).await
    }

    /// A new record, if a limit had refused the command and allows it now.
    async fn reopened(&self, record: &Record, job: &Job) -> Result<Option<Record>, EngineError> {
        // Anybody who can write to the queue can resend old bytes, so the signature must be recent.
        let Some(again) = record.reopened(self.clock.now()).filter(|_| job.is_fresh) else { return Ok(None) };
        let (limits, action) = (self.admission.policy.limits(), job.command.request.action());
        let is_tripped = self.admission.limiter.is_tripped(limits, action).await?;
        Ok((!is_tripped).then_some(again))
    }

    async fn execute_when_allowed(
        &self,
        job: &Job,
        saved: SavedRecord,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        // A change that may have been sent may have been made: only Okta can tell, even if the command has expired.
        let may_have_sent = saved.record.baseline.is_some();
        let now = self.clock.now();
        if !may_have_sent && self.admission.admit(&job.command).is_ok() {
            match self.approval_status(job, &saved.record, now) {
                ApprovalStatus::Granted => {}
                ApprovalStatus::Pending(until) => {
                    return self.wait_for_approval(job, saved, until, (turn, stop)).await;
                }
                ApprovalStatus::Expired => {
                    let error = outcomes::not_approved(self.config.approval.within);
                    let (saved, views) = self.end(job, saved, Status::Expired, error).await?;
                    return self.publish_outcome(job, saved, views, stop).await;
                }
                ApprovalStatus::Impossible => {
                    let (saved, views) =
                        self.end(job, saved, Status::Refused, outcomes::approval_impossible()).await?;
                    return self.publish_outcome(job, saved, views, stop).await;
                }
            }
        }
        if !may_have_sent
            && let Timing::Early(due) = job.command.timing(now)
            && self.admission.stops.cancelled(&job.command.id).is_none()
        {
            return self.wait_for(job, saved, due, now, stop).await;
        }
        traces::happened("admitted");
        let state = Box::pin(self.execute(job, saved, turn, stop)).await?;
        self.publish_if_ended(job, state, stop).await
    }

    /// Publishes the outcome of a command that has ended.
    pub(super) async fn publish_if_ended(
        &self,
        job: &Job,
        state: AttemptState,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        match state {
            AttemptState::Ended(saved, views) => self.publish_outcome(job, saved, *views, stop).await,
            AttemptState::Unfinished(settlement) => Ok(settlement),
        }
    }

    /// The command is early: it waits in the queue for a while, or in the state.
    async fn wait_for(
        &self,
        job: &Job,
        saved: SavedRecord,
        due: Timestamp,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        const WHY: &str = "its `not_before` has not come";
        let wait = due.duration_since(now);
        let until_then = Duration::try_from(wait).unwrap_or_default().min(LATER_MAX);
        if wait <= PARKED_FROM || job.origin.queue_place().is_none() {
            return Ok(Settlement::RetryLater(until_then, WHY));
        }
        if self.parked_commands.has(&job.command.id) {
            return Ok(match saved.record.parked() {
                Some(durable) => Settlement::Parked(durable, due),
                None => Settlement::RetryLater(until_then, WHY),
            });
        }
        // Listings show whom a parked command is about, as far as it says so itself.
        let record = match job.command.request.names() {
            Ok(names) if saved.record.subjects.is_none() => {
                saved.record.clone().about(&Subjects::named(&names))
            }
            Ok(_) | Err(_) => saved.record.clone(),
        };
        self.park(job, (saved, record), due, WaitsFor::Time, stop).await
    }

    /// Keeps a command in the state until `due`, if possible, with `record` in place of `saved`.
    pub(super) async fn park(
        &self,
        job: &Job,
        (saved, record): (SavedRecord, Record),
        due: Timestamp,
        waits_for: WaitsFor,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        let id = &job.command.id;
        let wait = due.duration_since(self.clock.now());
        let can_wait = !job.command.has_secrets() && wait <= self.config.remembers_for();
        let note = match job.origin.queue_place().filter(|_| can_wait) {
            Some(_) if self.parked_commands.has(id) => {
                self.parked_commands.due_at(id, due, waits_for).await?
            }
            Some(place) => self
                .parked_commands
                .note_of(id, &ParkedCommand::new(due, waits_for, place.clone(), &job.message))?,
            None => None,
        };
        let Some(note) = note else {
            let (saved, views) = self.end(job, saved, Status::Refused, outcomes::cannot_wait(due)).await?;
            return self.publish_outcome(job, saved, views, stop).await;
        };
        let parked = Record { parked_until: Some(due), ..record };
        let saved = self.journal.save_with_note(id, &saved, parked, note).await?;
        self.parked_commands.keep(id, waits_for);
        Ok(match saved.record.parked() {
            Some(durable) => Settlement::Parked(durable, due),
            None => Settlement::Dropped,
        })
    }

    /// Answers another copy of a command that has an outcome.
    async fn repeat(
        &self,
        job: &Job,
        saved: SavedRecord,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        let CommandStage::Ended { outcome, answers } = &saved.record.stage else {
            return Ok(Settlement::Dropped);
        };
        let mut outcome = Outcome::clone(outcome);
        outcome.repeated = *answers > 0;
        if outcome.repeated {
            let subjects = saved.record.subjects.as_ref();
            self.audit_command(job, subjects, Decision::Repeated, Some(&outcome)).await;
            self.status.repeated();
        }
        self.publish_outcome(job, saved, OutcomeViews::public(outcome), stop).await
    }

    /// Publishes the outcome of a command, which is in the journal.
    async fn publish_outcome(
        &self,
        job: &Job,
        saved: SavedRecord,
        views: OutcomeViews,
        stop: &CancellationToken,
    ) -> Result<Settlement, EngineError> {
        if job.origin.is_published() {
            let CommandStage::Ended { answers, .. } = &saved.record.stage else {
                return Ok(Settlement::Dropped);
            };
            let subjects = saved.record.subjects.as_ref();
            let user = subjects.and_then(|subjects| subjects.users.first()?.id.as_deref());
            let to = Addressee { reply_to: job.command.reply_to.as_deref(), user };
            if !self.outcomes.publish(&views, to, *answers, stop).await? {
                return Ok(Settlement::Dropped);
            }
        }
        let saved = self.journal.answered(&job.command.id, saved, job.origin.queue_place()).await?;
        let Some(durable) = saved.record.durable() else { return Ok(Settlement::Dropped) };
        Ok(Settlement::Done(durable, Box::new(views.for_requester())))
    }

    /// Writes an audit record about the command of `job`.
    pub(super) async fn audit_command(
        &self,
        job: &Job,
        subjects: Option<&Subjects>,
        decision: Decision,
        outcome: Option<&Outcome>,
    ) {
        let command = &job.command;
        let record = AuditRecord {
            command_id: Some(&command.id),
            action: Some(command.request.action().name()),
            dry_run: command.dry_run,
            subjects,
            requested_by: command.requested_by.as_deref(),
            signed_by: job.signed_by.as_deref(),
            approved_by: job.approved_by.as_deref(),
            local_user: job.origin.local_user(),
            reason: command.reason.as_deref(),
            status: outcome.map(|outcome| outcome.status),
            error: outcome.and_then(|outcome| outcome.error.as_ref()).map(|error| error.code.as_str()),
            okta_request_id: outcome.and_then(|outcome| outcome.okta_request_id.as_deref()),
            place: Some(job.origin.place()),
            ..self.audit.decision(decision)
        };
        match (decision, &job.origin) {
            // Anybody who can read the queue can send copies.
            (Decision::Repeated, Origin::Queue { .. }) => self.audit.record_unauthenticated(&record).await,
            _ => self.audit.record(&record).await,
        }
    }
}
