//! One command, from its turn to the end of its message: whom it names is found, it is carried out to its one outcome, that
//! is published, and the message is acknowledged.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    attempt::Carried,
    awaited::Leave,
    job::{Job, Origin, Verdict},
    journal::{Found, Kept},
    ordering::Key,
    outcomes,
    parked::{Parked, WaitsFor},
    publish::{Addressee, Told},
    receive::Again,
    turns::Turn,
};
use crate::command::{
    Outcome, Status, Subjects,
    audit::{AuditRecord, Decision},
    message::Timing,
    record::{Record, Stage},
};

/// A command whose time is further off waits in the state, not in the queue.
const PARKED_FROM: SignedDuration = SignedDuration::from_mins(10);
/// After what time a command comes again of which many copies, or many of its kind, are at work.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// Why a copy comes again.
pub(super) const MANY_COPIES: &str = "copies of it are at work";
/// The longest wait that a bus is asked for at once.
pub(super) const LATER_MAX: Duration = Duration::from_secs(600);

/// What a worker leaves behind.
#[derive(Debug)]
pub(super) enum Ended {
    /// Its message is settled, or comes again.
    Settled,
    /// Its command waits in the state.
    Parked { id: String, due: Timestamp },
}

impl Job {
    /// What it touches, as far as it says so itself.
    pub(super) fn names(&self) -> Vec<Key> {
        Key::all(&self.command.id, &self.command.request, None)
    }
}

impl Context {
    /// Sees a command to its end. May be dropped at any time: what is in the journal says how to go on.
    pub(super) async fn work(
        &self,
        job: Job,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<Ended, EngineError> {
        let verdict = match stop.run_until_cancelled(turn.wait()).await {
            Some(()) => self.serve(&job, &mut turn, stop).await?,
            None => Verdict::Dropped,
        };
        let ended = match self.due(&job, &verdict) {
            Some(due) => Ended::Parked { id: job.command.id.clone(), due },
            None => Ended::Settled,
        };
        if matches!(verdict, Verdict::Done(..)) {
            self.forget_stopped(&job.command.id).await?;
        }
        job.origin.settle(verdict).await;
        Ok(ended)
    }

    /// Forgets that the command `id`, which has ended, waited in the state or was cancelled.
    pub(super) async fn forget_stopped(&self, id: &str) -> Result<(), EngineError> {
        self.parking.forget(id).await?;
        self.admission.switch.forget(id).await
    }

    /// When a command that waits in the state is to come again, after `verdict`.
    fn due(&self, job: &Job, verdict: &Verdict) -> Option<Timestamp> {
        match (verdict, &job.origin) {
            (Verdict::Parked(_, due), _) => Some(*due),
            // No queue brings it again.
            (Verdict::Later(wait, _), Origin::Parked { .. }) => {
                self.clock.now().checked_add(*wait).ok().or(job.command.not_before)
            }
            (Verdict::Later(..), Origin::Queue { .. } | Origin::Asked { .. })
            | (Verdict::Done(..) | Verdict::Answered(_) | Verdict::Dropped, _) => None,
        }
    }

    /// Lets go of a message whose answer was published before: the bus gives it again, and nobody has sent it anew.
    pub(super) async fn pass_over(&self, again: Again) -> Result<Ended, EngineError> {
        let Again { id, has_ended, durable, origin } = again;
        // Another copy of a command that a limit has refused may be at work, and be cancelled or wait.
        if has_ended {
            self.forget_stopped(&id).await?;
        }
        tracing::debug!(
            commands = self.config.name,
            command_id = id,
            place = origin.place(),
            "a message that was answered before comes again"
        );
        origin.settle(Verdict::Answered(durable)).await;
        Ok(Ended::Settled)
    }

    /// Lets a command come again when those before it may have come to their end, of which there are too many now.
    pub(super) async fn put_off(&self, origin: Origin, why: &'static str) -> Ended {
        let ended = match &origin {
            Origin::Parked { id, .. } => {
                let due = self.clock.now().saturating_add(AGAIN_AFTER).unwrap_or(Timestamp::MAX);
                Ended::Parked { id: id.clone(), due }
            }
            Origin::Queue { .. } | Origin::Asked { .. } => Ended::Settled,
        };
        origin.settle(Verdict::Later(AGAIN_AFTER, why)).await;
        ended
    }

    /// Carries a command, whose turn it is, to an answer.
    async fn serve(
        &self,
        job: &Job,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> Result<Verdict, EngineError> {
        if !job.origin.begin() {
            return Ok(Verdict::Dropped);
        }
        let id = &job.command.id;
        // It came twice, because it was cancelled at the moment when it was due, and has ended.
        if matches!(job.origin, Origin::Parked { .. }) && !self.parking.has(id) {
            return Ok(Verdict::Dropped);
        }
        if matches!(job.origin, Origin::Asked { .. }) && self.parking.is_the_daemons(id) {
            return Ok(Verdict::Later(
                LATER_MAX,
                "it waits in the state, for the daemon, which is not running",
            ));
        }
        let kept = match self.journal.find(id).await? {
            Found::Record(kept) => kept,
            // Forgotten in the meantime, because it is so old.
            Found::Nothing => match self.journal.receive(id, self.record_of(&job.command)).await? {
                Found::Record(kept) => kept,
                Found::Nothing | Found::Unreadable(_) => return Ok(Verdict::Dropped),
            },
            Found::Unreadable(unreadable) => {
                let (kept, told) = self.set_aside(job, unreadable).await?;
                return self.tell(job, kept, told, stop).await;
            }
        };
        // It came again while it was answered.
        if let Some(durable) = kept.record.answered_before(job.origin.queue_place()) {
            return Ok(Verdict::Answered(durable));
        }
        if matches!(kept.record.stage, Stage::Ended { .. }) {
            let Some(again) = self.reopened(&kept.record, job).await? else {
                return self.repeat(job, kept, stop).await;
            };
            let kept = self.journal.keep(id, &kept, again).await?;
            return self.carry_on(job, kept, turn, stop).await;
        }
        self.carry_on(job, kept, turn, stop).await
    }

    /// The record anew, if a limit has refused the command that lets it through now.
    async fn reopened(&self, record: &Record, job: &Job) -> Result<Option<Record>, EngineError> {
        // Whoever reads the queue can put old bytes on it.
        let Some(again) = record.reopened(self.clock.now()).filter(|_| job.is_fresh) else { return Ok(None) };
        let (limits, action) = (self.admission.policy.limits(), job.command.request.action());
        let is_tripped = self.admission.limiter.is_tripped(limits, action).await?;
        Ok((!is_tripped).then_some(again))
    }

    async fn carry_on(
        &self,
        job: &Job,
        kept: Kept,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> Result<Verdict, EngineError> {
        // What may have been sent may have been done: only Okta can tell, whatever the time is.
        let may_have_sent = kept.record.baseline.is_some();
        let now = self.clock.now();
        if !may_have_sent && self.admission.admit(&job.command).is_ok() {
            match self.leave(job, &kept.record, now) {
                Leave::Given => {}
                Leave::Awaited(until) => {
                    return self.wait_for_approval(job, kept, until, (turn, stop)).await;
                }
                Leave::Missed => {
                    let error = outcomes::not_approved(self.config.approval.within);
                    let (kept, told) = self.end(job, kept, Status::Expired, error).await?;
                    return self.tell(job, kept, told, stop).await;
                }
                Leave::Impossible => {
                    let (kept, told) =
                        self.end(job, kept, Status::Refused, outcomes::approval_impossible()).await?;
                    return self.tell(job, kept, told, stop).await;
                }
            }
        }
        if !may_have_sent
            && let Timing::Early(due) = job.command.timing(now)
            && self.admission.switch.cancelled(&job.command.id).is_none()
        {
            return self.wait_for(job, kept, due, now, stop).await;
        }
        let carried = Box::pin(self.carry(job, kept, turn, stop)).await?;
        self.told(job, carried, stop).await
    }

    /// Publishes what became of a command, if it has ended.
    pub(super) async fn told(
        &self,
        job: &Job,
        carried: Carried,
        stop: &CancellationToken,
    ) -> Result<Verdict, EngineError> {
        match carried {
            Carried::Ended(kept, told) => self.tell(job, kept, *told, stop).await,
            Carried::Not(verdict) => Ok(verdict),
        }
    }

    /// The command's time has not come: it waits in the queue for a while, or in the state.
    async fn wait_for(
        &self,
        job: &Job,
        kept: Kept,
        due: Timestamp,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<Verdict, EngineError> {
        const WHY: &str = "its `not_before` has not come";
        let wait = due.duration_since(now);
        let until_then = Duration::try_from(wait).unwrap_or_default().min(LATER_MAX);
        if wait <= PARKED_FROM || job.origin.queue_place().is_none() {
            return Ok(Verdict::Later(until_then, WHY));
        }
        if self.parking.has(&job.command.id) {
            return Ok(match kept.record.parked() {
                Some(durable) => Verdict::Parked(durable, due),
                None => Verdict::Later(until_then, WHY),
            });
        }
        // People are told whom it is about while it waits, as far as it says so itself.
        let record = match job.command.request.names() {
            Ok(names) if kept.record.subjects.is_none() => {
                kept.record.clone().about(&Subjects::named(&names))
            }
            Ok(_) | Err(_) => kept.record.clone(),
        };
        self.park(job, (kept, record), due, WaitsFor::Time, stop).await
    }

    /// Keeps a command in the state until `due`, if that can be, with the `record` that comes after `kept`.
    pub(super) async fn park(
        &self,
        job: &Job,
        (kept, record): (Kept, Record),
        due: Timestamp,
        waits_for: WaitsFor,
        stop: &CancellationToken,
    ) -> Result<Verdict, EngineError> {
        let id = &job.command.id;
        let wait = due.duration_since(self.clock.now());
        let can_wait = !job.command.has_secrets() && wait <= self.config.remembers_for();
        let note = match job.origin.queue_place().filter(|_| can_wait) {
            Some(_) if self.parking.has(id) => self.parking.due_at(id, due, waits_for).await?,
            Some(place) => {
                self.parking.note_of(id, &Parked::new(due, waits_for, place.clone(), &job.message))?
            }
            None => None,
        };
        let Some(note) = note else {
            let (kept, told) = self.end(job, kept, Status::Refused, outcomes::cannot_wait(due)).await?;
            return self.tell(job, kept, told, stop).await;
        };
        let parked = Record { parked_until: Some(due), ..record };
        let kept = self.journal.keep_with_note(id, &kept, parked, note).await?;
        self.parking.keep(id, waits_for);
        Ok(match kept.record.parked() {
            Some(durable) => Verdict::Parked(durable, due),
            None => Verdict::Dropped,
        })
    }

    /// Answers another copy of a command that has its outcome.
    async fn repeat(&self, job: &Job, kept: Kept, stop: &CancellationToken) -> Result<Verdict, EngineError> {
        let Stage::Ended { outcome, answers } = &kept.record.stage else { return Ok(Verdict::Dropped) };
        let mut outcome = Outcome::clone(outcome);
        outcome.repeated = *answers > 0;
        if outcome.repeated {
            let subjects = kept.record.subjects.as_ref();
            self.audit_command(job, subjects, Decision::Repeated, Some(&outcome)).await;
            self.status.repeated();
        }
        self.tell(job, kept, Told::openly(outcome), stop).await
    }

    /// Publishes what is told of a command whose outcome is in the journal.
    async fn tell(
        &self,
        job: &Job,
        kept: Kept,
        told: Told,
        stop: &CancellationToken,
    ) -> Result<Verdict, EngineError> {
        if job.origin.is_published() {
            let Stage::Ended { answers, .. } = &kept.record.stage else { return Ok(Verdict::Dropped) };
            let subjects = kept.record.subjects.as_ref();
            let user = subjects.and_then(|subjects| subjects.users.first()?.id.as_deref());
            let to = Addressee { reply_to: job.command.reply_to.as_deref(), user };
            if !self.outcomes.publish(&told, to, *answers, stop).await? {
                return Ok(Verdict::Dropped);
            }
        }
        let kept = self.journal.answered(&job.command.id, kept, job.origin.queue_place()).await?;
        let Some(durable) = kept.record.durable() else { return Ok(Verdict::Dropped) };
        Ok(Verdict::Done(durable, Box::new(told.for_asker())))
    }

    /// Records what was decided about the command of `job`.
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
            // Whoever can read the queue can send copies.
            (Decision::Repeated, Origin::Queue { .. }) => self.audit.record_unvouched(&record).await,
            _ => self.audit.record(&record).await,
        }
    }
}
