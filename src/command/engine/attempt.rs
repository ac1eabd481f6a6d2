//! Executes one command: attempt after attempt, until it has an outcome.

use std::time::Duration;

use tokio::{sync::SemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    admission::{Denial, Gate},
    job::{Job, Settlement},
    journal::SavedRecord,
    outcomes,
    pending_approval::require_approved,
    publish::OutcomeViews,
    status::TroubleReporter,
    subject_lookup::SubjectLookup,
    trouble::Trouble,
    turns::Turn,
    worker::LATER_MAX,
};
use crate::{
    command::{
        ActionFailure, Effect, OutcomeError, Status,
        audit::Decision,
        execute::{Attempt, Code, ResolvedSubjects, parts},
        policy::{address_is_stored, too_many_names},
        publisher::PublishCure,
        record::Record,
    },
    halt::Stopped,
    retry::{Backoff, RetryPolicy, retry_until},
    telemetry::chain,
};

/// A longer wait is spent in the queue, so that later commands do not wait for it.
const WAIT_MAX: Duration = Duration::from_secs(150);

/// When a command comes again whose approval counts no more: then it waits for another one.
const UNAPPROVED_AFTER: Duration = Duration::from_secs(1);

/// The state of a command after its attempts.
#[expect(clippy::large_enum_variant, reason = "there is one a command, and it is moved once")]
pub(super) enum AttemptState {
    /// The outcome is in the journal; here it is with its full result.
    Ended(SavedRecord, Box<OutcomeViews>),
    /// There is no outcome yet.
    Unfinished(Settlement),
}

impl Context {
    /// Executes a command. May be dropped at any time: the journal shows how to continue.
    pub(super) async fn execute(
        &self,
        job: &Job,
        saved: SavedRecord,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> Result<AttemptState, EngineError> {
        // A change that may have been sent may have been made: only Okta can tell, even if the command has expired or
        // is no longer allowed.
        let may_have_sent = saved.record.baseline.is_some();
        if !may_have_sent && let Err((status, error)) = self.admission.admit(&job.command) {
            return self.end_with(job, saved, status, error).await;
        }
        let running = self.admission.stops.until_running(&job.command.id);
        if stop.run_until_cancelled(running).await.is_none() {
            return Ok(AttemptState::Unfinished(Settlement::Dropped));
        }
        let mut saved = saved;
        let mut retries = Retries::new(self.status.trouble_reporter(Trouble::Okta));
        loop {
            saved = match self.look_up_subjects(job, &saved.record, turn, stop).await {
                SubjectLookup::Subjects(resolved, permit) => {
                    if let Err(error) = require_approved(&saved.record, &resolved.subjects) {
                        return self.end_with(job, saved, Status::Failed, error).await;
                    }
                    match self.attempts(job, saved, (resolved, permit), &mut retries, stop).await? {
                        AttemptResult::Ended(state) => return Ok(state),
                        AttemptResult::Failed(saved, failed) => {
                            return self.end_given_up(job, saved, *failed).await;
                        }
                        AttemptResult::Restart(saved) => saved,
                    }
                }
                SubjectLookup::Failed(failed) => return self.end_failed(job, saved, *failed).await,
                SubjectLookup::Denied(status, error) => {
                    return self.end_with(job, saved, status, error).await;
                }
                SubjectLookup::Stopped => return Ok(AttemptState::Unfinished(Settlement::Dropped)),
            };
        }
    }

    /// Makes attempts until there is an outcome. While nothing was sent, each attempt begins with a new look-up.
    async fn attempts(
        &self,
        job: &Job,
        mut saved: SavedRecord,
        (resolved, permit): (ResolvedSubjects, SemaphorePermit<'_>),
        retries: &mut Retries<'_>,
        stop: &CancellationToken,
    ) -> Result<AttemptResult, EngineError> {
        let ended = |state| Ok(AttemptResult::Ended(state));
        let mut permit = Some(permit);
        // After a restart it is not known when something was sent last.
        let mut sent_until = None;
        loop {
            // It is unknown whether the last attempt made the change, but every attempt may be the one that crashes the
            // daemon.
            if saved.record.attempts() >= self.config.attempts_max {
                let refusal = outcomes::too_many_attempts(self.config.attempts_max, &saved.record);
                return ended(self.end_with(job, saved, Status::Failed, refusal).await?);
            }
            if permit.is_none() {
                permit = self.permit(job, stop).await;
            }
            if permit.is_none() || !job.origin.begin() {
                return ended(AttemptState::Unfinished(Settlement::Dropped));
            }
            let failed = match self.attempt(job, saved, (&resolved, sent_until), stop).await? {
                AttemptResult::Failed(now, failed) => {
                    saved = now;
                    failed
                }
                other => {
                    retries.reporter.clear();
                    return Ok(other);
                }
            };
            (permit, sent_until) = (None, Some(Instant::now()));
            let retry_after =
                failed.retry_after.filter(|_| saved.record.attempts() < self.config.attempts_max);
            let Some(asked) = retry_after else { return Ok(AttemptResult::Failed(saved, failed)) };
            retries.reporter.report(&failed.error.message);
            let wait = retries.backoff.next_wait().max(asked);
            if wait > WAIT_MAX {
                return ended(AttemptState::Unfinished(Settlement::RetryLater(
                    wait.min(LATER_MAX),
                    "Okta asks to wait",
                )));
            }
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return ended(AttemptState::Unfinished(Settlement::Dropped));
            }
            if saved.record.baseline.is_none() {
                return Ok(AttemptResult::Restart(saved));
            }
        }
    }

    async fn attempt(
        &self,
        job: &Job,
        saved: SavedRecord,
        (resolved, sent_until): (&ResolvedSubjects, Option<Instant>),
        stop: &CancellationToken,
    ) -> Result<AttemptResult, EngineError> {
        let (command, subjects) = (&job.command, &resolved.subjects);
        let ended = |state| Ok(AttemptResult::Ended(state));
        if let Some(state) = self.refuse_public_address(job, &saved, stop).await? {
            return ended(state);
        }
        // The command may have waited for long, and policy or protection may have changed.
        if saved.record.baseline.is_none() {
            let judged = self.admission.judge(command, subjects, stop).await;
            if let Err(denial) = judged.and_then(|()| self.admission.require_trusted(job)) {
                return ended(self.denied(job, saved, denial).await?);
            }
        }
        if !Record::has_room_for(subjects) {
            return ended(self.end_with(job, saved, Status::Refused, too_many_names()).await?);
        }
        let Some((begun, begun_at)) = saved.record.clone().about(subjects).begun(self.clock.now()) else {
            return ended(AttemptState::Unfinished(Settlement::Dropped));
        };
        self.audit_command(job, Some(subjects), Decision::Begun, None).await;
        // A read is counted when it begins, a change when it is sent.
        let is_counted = command.request.action().effect() == Effect::Read && saved.record.attempts() == 0;
        let saved = if is_counted {
            let changes = command.request.changes().named();
            let counting = (self.admission.policy.limits(), command.request.action(), changes);
            match self.admission.limiter.count(counting, (&command.id, &saved, begun)).await? {
                Ok(saved) => saved,
                Err(tripped) => {
                    return ended(self.end_with(job, saved, Status::Refused, tripped.into()).await?);
                }
            }
        } else {
            self.journal.save(&command.id, &saved, begun).await?
        };
        let baseline = saved.record.baseline.clone();
        let number = saved.record.attempts();
        let progress = saved.record.progress();
        let gate = Gate::new((&self.admission, &self.journal), (job, resolved), saved, stop);
        let attempt = Attempt {
            number,
            begun_at,
            dry_run: command.dry_run,
            baseline: baseline.as_ref(),
            sent_until,
            progress: &progress,
            admission: &gate,
        };
        let performed = self.executor.perform(&command.request, resolved, &command.expect, attempt).await;
        if let Err(failed) = &performed
            && !failed.has_sent
            && gate.goes_on_after(failed)
        {
            gate.withdraw().await?;
        }
        let (saved, denial) = gate.into_parts();
        // A part that is done is neither done again nor told as if it had been so.
        let saved = match &performed {
            Err(failed) if saved.record.baseline.is_some() => {
                let record = saved.record.clone().with_progress(&failed.progress);
                if record == saved.record {
                    saved
                } else {
                    self.journal.save(&command.id, &saved, record).await?
                }
            }
            Err(_) | Ok(_) => saved,
        };
        if let Some(denial) = denial {
            return match (denial, performed) {
                (Denial::Restart, _) => Ok(AttemptResult::Restart(saved)),
                (Denial::Ended(Status::Refused | Status::Expired, error), Err(failed))
                    if failed.has_sent || (baseline.is_some() && parts::is_any_so(&failed.result)) =>
                {
                    ended(self.end_cut_short(job, saved, failed, error).await?)
                }
                (Denial::Ended(Status::Failed, error), Err(failed))
                    if error.code == Code::Unconfirmed.name() =>
                {
                    ended(self.end_failed(job, saved, ActionFailure { error, ..failed }).await?)
                }
                (Denial::Ended(Status::Failed, error), Err(failed))
                    if failed.has_sent || saved.record.may_be_done() =>
                {
                    ended(self.end_cut_short(job, saved, failed, error).await?)
                }
                (Denial::CutShort(error), Err(failed)) => {
                    ended(self.end_cut_short(job, saved, failed, error).await?)
                }
                // A refused change has changed nothing.
                (denial, _) => ended(self.denied(job, saved, denial).await?),
            };
        }
        match performed {
            Ok(performed) => ended(self.end_successful(job, saved, subjects, performed).await?),
            Err(failed) => Ok(AttemptResult::Failed(saved, Box::new(failed))),
        }
    }

    /// Refuses a command whose secrets would be stored at its reply address, before anything is sent: afterwards they
    /// could be shown to nobody.
    async fn refuse_public_address(
        &self,
        job: &Job,
        saved: &SavedRecord,
        stop: &CancellationToken,
    ) -> Result<Option<AttemptState>, EngineError> {
        let address = job.command.reply_to.as_deref().filter(|_| self.admission.policy.reveals(&job.command));
        let Some(address) = address.filter(|_| job.origin.is_published() && saved.record.baseline.is_none())
        else {
            return Ok(None);
        };
        let mut backoff = RetryPolicy::OKTA.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Outcomes);
        let attempt = async || match self.outcomes.require_private(address).await {
            Err(err) if !err.needs_somebody() && err.cure() != PublishCure::Elsewhere => Err(err),
            checked => Ok(checked),
        };
        match retry_until(&mut backoff, stop, attempt, |err| reporter.report(&chain(err))).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(err)) => {
                let refusal = address_is_stored(&chain(&err));
                self.end_with(job, saved.clone(), Status::Refused, refusal).await.map(Some)
            }
            Err(Stopped) => Ok(Some(AttemptState::Unfinished(Settlement::Dropped))),
        }
    }

    /// Ends a command after its last attempt. If that was not the only one, the error must not read as if nothing was done.
    async fn end_given_up(
        &self,
        job: &Job,
        saved: SavedRecord,
        failed: ActionFailure,
    ) -> Result<AttemptState, EngineError> {
        let may_be_done = failed.has_sent || saved.record.may_be_done();
        if may_be_done && failed.retry_after.is_some() {
            let error = failed.error.clone();
            return self.end_cut_short(job, saved, failed, error).await;
        }
        self.end_failed(job, saved, failed).await
    }

    /// Ends a command of which something is done, and that may not go on.
    async fn end_cut_short(
        &self,
        job: &Job,
        saved: SavedRecord,
        failed: ActionFailure,
        error: OutcomeError,
    ) -> Result<AttemptState, EngineError> {
        let failed = ActionFailure { error: outcomes::cut_short(error), ..failed };
        self.end_failed(job, saved, failed).await
    }

    async fn denied(
        &self,
        job: &Job,
        saved: SavedRecord,
        denial: Denial,
    ) -> Result<AttemptState, EngineError> {
        match denial {
            Denial::Ended(status, error) => self.end_with(job, saved, status, error).await,
            Denial::CutShort(error) => {
                self.end_with(job, saved, Status::Failed, outcomes::cut_short(error)).await
            }
            Denial::Unapproved => Ok(AttemptState::Unfinished(Settlement::RetryLater(
                UNAPPROVED_AFTER,
                "a second key must approve it",
            ))),
            // There was no decision by which it could be sent.
            Denial::Restart | Denial::Unanswered(_) | Denial::Stopped => {
                Ok(AttemptState::Unfinished(Settlement::Dropped))
            }
            Denial::Engine(error) => Err(error),
        }
    }
}

/// The back-off and the reported trouble of successive attempts.
struct Retries<'a> {
    backoff: Backoff,
    reporter: TroubleReporter<'a>,
}

impl<'a> Retries<'a> {
    fn new(reporter: TroubleReporter<'a>) -> Self {
        Self { backoff: RetryPolicy::OKTA.backoff(), reporter }
    }
}

/// The result of one attempt.
enum AttemptResult {
    Ended(AttemptState),
    Failed(SavedRecord, Box<ActionFailure>),
    /// Starts again with a new look-up.
    Restart(SavedRecord),
}
