//! Decides, right before each change, whether it may be sent: not stopped by an operator, not expired, allowed by the
//! policy, nobody protected as Okta knows them now, and within the limits, which are counted in the same commit as the
//! journal's record. Commands wait while that cannot be determined. Sends only look-ups.

mod limiter;
mod protection;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Seams,
    job::Job,
    journal::{Journal, SavedRecord},
    outcomes,
    status::EngineStatus,
    stops::Stops,
    trouble::Trouble,
};
use crate::{
    clock::Clock,
    command::{
        ActionFailure, Changes, OutcomeError, Request, Status, Subjects,
        execute::{
            self, Baseline, Code, Executor, PendingChange, Precondition, PriorAttempt, ResolvedSubjects,
        },
        message::{Command, Timing},
        policy::{Policy, Signatures},
        record::Record,
    },
    config::CommandsConfig,
    halt::Stopped,
    retry::RetryPolicy,
};

use limiter::Limiter;
pub(super) use protection::ProtectedIds;
use protection::Protection;

/// The checks that commands must pass.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) policy: Policy,
    pub(super) limiter: Limiter,
    pub(super) stops: Stops,
    protection: Protection,
    signatures: Arc<Signatures>,
    /// How long the journal keeps commands.
    keep: SignedDuration,
    executor: Executor,
    clock: Arc<dyn Clock>,
    status: Arc<EngineStatus>,
}

/// Why a change may not be sent.
#[derive(Debug)]
pub(super) enum Denial {
    /// The command ends with this status and error.
    Ended(Status, OutcomeError),
    /// The check took long, and nothing was sent: starts again with a new look-up.
    Restart,
    /// The daemon stops.
    Stopped,
    /// The journal or the limits cannot be written, permanently.
    Engine(EngineError),
}

impl Admission {
    pub(super) fn new(
        config: &CommandsConfig,
        (policy, signatures): (Policy, Arc<Signatures>),
        executor: Executor,
        seams: &Seams,
        status: &Arc<EngineStatus>,
    ) -> Self {
        let journal = Journal::new(seams.state.clone(), Arc::clone(status));
        Self {
            policy,
            limiter: Limiter::new(journal.clone(), Arc::clone(status), Arc::clone(&seams.clock)),
            stops: Stops::new(journal.clone(), status),
            protection: Protection::new(
                config.protect.clone(),
                executor.clone(),
                journal,
                Arc::clone(status),
            ),
            signatures,
            keep: config.remembers_for(),
            executor,
            clock: Arc::clone(&seams.clock),
            status: Arc::clone(status),
        }
    }

    /// Loads limits, stops and protected ids from the state.
    pub(super) async fn load(&self) -> Result<(), EngineError> {
        self.limiter.load(self.policy.limits()).await?;
        self.load_stops().await?;
        self.protection.load().await
    }

    /// Loads the stops.
    pub(super) async fn load_stops(&self) -> Result<(), EngineError> {
        self.stops.load(self.clock.now().saturating_sub(self.keep).unwrap_or(Timestamp::MIN)).await
    }

    /// Whether `command` may be started or continued, without look-ups.
    pub(super) fn admit(&self, command: &Command) -> Result<(), (Status, OutcomeError)> {
        if let Some(stopped) = self.stops.cancelled(&command.id) {
            return Err((Status::Refused, stopped.refusal()));
        }
        if command.timing(self.clock.now()) == Timing::Expired {
            return Err((Status::Expired, outcomes::expired(command)));
        }
        self.policy.admit(command).map_err(|refusal| (Status::Refused, refusal))
    }

    /// Whether the sender of `job` may still ask for it: the command may have waited for long, or was sent again after
    /// its start.
    pub(super) fn require_trusted(&self, job: &Job) -> Result<(), Denial> {
        let trusted = match &job.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => self.signatures.require_current(&job.verified),
        };
        trusted.map_err(|error| Denial::Ended(Status::Refused, error))
    }

    /// Like [`Self::admit`], together with the policy and protection of the `subjects` as they are now.
    pub(super) async fn judge(
        &self,
        command: &Command,
        subjects: &Subjects,
        stop: &CancellationToken,
    ) -> Result<(), Denial> {
        let protected = stop.run_until_cancelled(self.protection.of(&command.request)).await;
        let protected = protected.ok_or(Denial::Stopped)?.map_err(Denial::Engine)?;
        self.admit(command).map_err(|(status, error)| Denial::Ended(status, error))?;
        let judged = self.policy.judge(command, subjects, &protected);
        judged.map_err(|refusal| Denial::Ended(Status::Refused, refusal))
    }
}

impl Admission {
    /// The number of changes that `request` makes: a change of a group counts once for each member.
    async fn changes(
        &self,
        request: &Request,
        subjects: &Subjects,
        stop: &CancellationToken,
    ) -> Result<usize, Denial> {
        let action = request.action();
        let concerned = self.policy.limits().iter().filter(|limit| limit.is_about(action));
        let largest = concerned.map(|limit| limit.count).max();
        let (Changes::MembersOf(_), Some(largest)) = (request.changes(), largest) else {
            return Ok(request.changes().named());
        };
        let count_max = usize::try_from(largest).unwrap_or(usize::MAX);
        let mut backoff = RetryPolicy::MEMBER_COUNT.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Okta);
        loop {
            let counting = self.executor.count_members(&subjects.groups, count_max);
            match stop.run_until_cancelled(counting).await.ok_or(Denial::Stopped)? {
                Ok(members) => return Ok(request.changes().with_members(members)),
                Err(failed) => {
                    let Some(asked) = failed.retry_after else {
                        return Err(Denial::Ended(Status::Failed, failed.error));
                    };
                    reporter.report(&failed.error.message);
                    backoff.wait_at_least(asked, stop).await.map_err(|Stopped| Denial::Stopped)?;
                }
            }
        }
    }
}

/// A change is checked again if it was decided on older data than this.
const DECIDED_FOR: Duration = Duration::from_secs(2);
/// The most checks of old data: if each takes longer than the limit, the last is as new as the rate budget allows.
const LOOKS_MAX: u32 = 3;

/// Implements the checks for one attempt at a command.
pub(super) struct Gate<'a> {
    admission: &'a Admission,
    journal: &'a Journal,
    job: &'a Job,
    resolved: &'a ResolvedSubjects,
    stop: &'a CancellationToken,
    /// The saved record, and why nothing may be sent, if so.
    state: Mutex<(SavedRecord, Option<Denial>)>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(
        (admission, journal): (&'a Admission, &'a Journal),
        (job, resolved): (&'a Job, &'a ResolvedSubjects),
        saved: SavedRecord,
        stop: &'a CancellationToken,
    ) -> Self {
        Self { admission, journal, job, resolved, stop, state: Mutex::new((saved, None)) }
    }

    /// The saved record, and why something was not sent.
    pub(super) fn into_parts(self) -> (SavedRecord, Option<Denial>) {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats all checks until none of them had to wait: in the meantime an operator may stop the command, or its
    /// subjects may change.
    async fn decide(&self, change: PendingChange<'_>) -> Result<(), Denial> {
        let (admission, subjects) = (self.admission, &self.resolved.subjects);
        let PendingChange { baseline, precondition, .. } = change;
        // After a change was sent, the recorded ids count, and the changes are counted.
        let was_sent = self.state().0.record.baseline.is_some();
        let mut seen_at = Some(precondition.at());
        if !was_sent {
            seen_at = seen_at.min(self.resolved.since());
        }
        let (mut looks_left, mut changes) = (LOOKS_MAX, None);
        loop {
            let saved = self.state().0.clone();
            self.until_running(was_sent, &saved.record).await?;
            admission.judge(&self.job.command, subjects, self.stop).await?;
            admission.require_trusted(self.job)?;
            if !was_sent && changes.is_none() {
                let changing = admission.changes(&self.job.command.request, subjects, self.stop);
                changes = Some(changing.await?);
            }
            let is_old = seen_at.is_none_or(|seen_at| seen_at.elapsed() > DECIDED_FOR);
            if is_old && looks_left > 0 {
                (looks_left, seen_at) = (looks_left - 1, Some(Instant::now()));
                let held = self.stop.run_until_cancelled(self.holds(was_sent, precondition)).await;
                if !held.ok_or(Denial::Stopped)? {
                    return Err(Denial::Restart);
                }
                // The check may have taken a while, too.
                continue;
            }
            if saved.record.baseline.as_ref() == Some(baseline) && admission.stops.paused().is_none() {
                return Ok(());
            }
            let saved = self.keep(saved, baseline, changes.unwrap_or_default()).await?;
            self.state().0 = saved;
        }
    }

    /// Waits while the section is paused, unless the command is cancelled. If nothing was sent, everything is checked
    /// again after a wait, and the record must not say otherwise during the wait.
    async fn until_running(&self, was_sent: bool, record: &Record) -> Result<(), Denial> {
        let (stops, id) = (&self.admission.stops, &self.job.command.id);
        if stops.paused().is_none() || stops.cancelled(id).is_some() {
            return Ok(());
        }
        if was_sent || record.baseline.is_none() {
            self.stop.run_until_cancelled(stops.until_running(id)).await.ok_or(Denial::Stopped)?;
        }
        if was_sent || stops.cancelled(id).is_some() { Ok(()) } else { Err(Denial::Restart) }
    }

    /// Whether the names of the command still mean the same objects, if nothing was sent, and the precondition of the
    /// change holds.
    async fn holds(&self, was_sent: bool, precondition: &Precondition<'_>) -> bool {
        if !was_sent {
            let now = self.admission.executor.resolve(&self.job.command.request).await;
            if !now.is_ok_and(|now| now.subjects.are(&self.resolved.subjects)) {
                return false;
            }
        }
        precondition.holds().await
    }

    /// Records that a change is about to be sent, and counts its `changes` unless they were counted before.
    async fn keep(
        &self,
        saved: SavedRecord,
        baseline: &Baseline,
        changes: usize,
    ) -> Result<SavedRecord, Denial> {
        let (admission, id) = (self.admission, &self.job.command.id);
        let sending = saved.record.clone().sending(baseline);
        let counted = usize::try_from(saved.record.counted).unwrap_or(usize::MAX);
        if saved.record.baseline.is_some() || (counted > 0 && changes <= counted) {
            return self.journal.save(id, &saved, sending).await.map_err(Denial::Engine);
        }
        let sending = sending.counted(u64::try_from(changes).unwrap_or(u64::MAX));
        // A named group may have grown.
        let counting = (admission.policy.limits(), self.job.command.request.action(), changes - counted);
        let counted = admission.limiter.count(counting, (id, &saved, sending)).await;
        counted.map_err(Denial::Engine)?.map_err(|tripped| Denial::Ended(Status::Refused, tripped.into()))
    }

    fn state(&self) -> MutexGuard<'_, (SavedRecord, Option<Denial>)> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl execute::Admission for Gate<'_> {
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>> {
        async move {
            let Err(denial) = self.decide(change).await else { return Ok(()) };
            let denial = match (denial, change.prior_attempt) {
                (Denial::Ended(_, error), PriorAttempt::MayBeDone) => {
                    Denial::Ended(Status::Failed, unconfirmed(&error))
                }
                (denial, _) => denial,
            };
            self.state().1 = Some(denial);
            // The caller reads the denial, not this error.
            Err(Code::NotPermitted.because("it may not be sent any more"))
        }
        .boxed()
    }
}

/// The error of a command that was sent before without an answer, and must not be sent again.
fn unconfirmed(denial: &OutcomeError) -> OutcomeError {
    let why = &denial.message;
    Code::Unconfirmed
        .because(format!(
            "it was sent without an answer, nothing shows whether Okta has done it, and now {why}"
        ))
        .error
}
