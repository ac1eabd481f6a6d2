//! Whether a command may still change something, decided at the moment of the act: an operator's stop, expiry, policy with
//! those who are protected as Okta knows them now, and limits, which are counted in the same commit as the journal's entry.
//! Where that cannot be found out, commands wait. Sends nothing but look-ups.

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

/// What commands must pass.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) policy: Policy,
    pub(super) limiter: Limiter,
    pub(super) stops: Stops,
    protection: Protection,
    signatures: Arc<Signatures>,
    /// How long commands are remembered.
    keep: SignedDuration,
    executor: Executor,
    clock: Arc<dyn Clock>,
    status: Arc<EngineStatus>,
}

/// Why nothing may be sent.
#[derive(Debug)]
pub(super) enum Denial {
    /// The command ends so.
    Ended(Status, OutcomeError),
    /// It has waited for long, and nothing was sent: it is looked at anew.
    Restart,
    /// We stop.
    Stopped,
    /// The journal or the limits cannot be written, for good.
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

    /// Reads what is kept of limits, stops and those who are protected.
    pub(super) async fn load(&self) -> Result<(), EngineError> {
        self.limiter.load(self.policy.limits()).await?;
        self.load_stops().await?;
        self.protection.load().await
    }

    /// Reads what is stopped.
    pub(super) async fn load_stops(&self) -> Result<(), EngineError> {
        self.stops.load(self.clock.now().saturating_sub(self.keep).unwrap_or(Timestamp::MIN)).await
    }

    /// Whether `command` may be begun or go on, as far as that can be said without looking at Okta.
    pub(super) fn admit(&self, command: &Command) -> Result<(), (Status, OutcomeError)> {
        if let Some(stopped) = self.stops.cancelled(&command.id) {
            return Err((Status::Refused, stopped.refusal()));
        }
        if command.timing(self.clock.now()) == Timing::Expired {
            return Err((Status::Expired, outcomes::expired(command)));
        }
        self.policy.admit(command).map_err(|refusal| (Status::Refused, refusal))
    }

    /// Whether `job` is of a sender who may ask for it yet: it may have waited for long, or come again since it was begun.
    pub(super) fn require_trusted(&self, job: &Job) -> Result<(), Denial> {
        let trusted = match &job.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => self.signatures.require_current(&job.verified),
        };
        trusted.map_err(|error| Denial::Ended(Status::Refused, error))
    }

    /// The same with all that is known of `subjects` now.
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
    /// How many changes `request` makes: what it does to a group it does to all members.
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

/// What was seen longer ago is looked at anew before something is sent.
const DECIDED_FOR: Duration = Duration::from_secs(2);
/// Looks at it, at most: where each takes longer, the last one is as new as the budget allows.
const LOOKS_MAX: u32 = 3;

/// Stands between one attempt at a command and Okta.
pub(super) struct Gate<'a> {
    admission: &'a Admission,
    journal: &'a Journal,
    job: &'a Job,
    resolved: &'a ResolvedSubjects,
    stop: &'a CancellationToken,
    /// The journal's record, and why nothing may be sent, if that is so.
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

    /// The journal's record as it is now, and why something was not sent.
    pub(super) fn into_parts(self) -> (SavedRecord, Option<Denial>) {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges, counts and looks until nothing stands in the way any more: each may take a while, and somebody may stop the
    /// command meanwhile, or change what it is about.
    async fn decide(&self, change: PendingChange<'_>) -> Result<(), Denial> {
        let (admission, subjects) = (self.admission, &self.resolved.subjects);
        let PendingChange { baseline, precondition, .. } = change;
        // What was sent for is known by its id, whatever the names mean by now, and was counted.
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
                // That may have taken a while, too.
                continue;
            }
            if saved.record.baseline.as_ref() == Some(baseline) && admission.stops.paused().is_none() {
                return Ok(());
            }
            let saved = self.keep(saved, baseline, changes.unwrap_or_default()).await?;
            self.state().0 = saved;
        }
    }

    /// Waits until commands may go on, or this one is cancelled. Where nothing was sent, all is looked at anew after that, and
    /// nothing is waited for with a record that says otherwise.
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

    /// Whether the names of the command mean those whom they meant, if that matters yet, and all that the change was decided
    /// by is so.
    async fn holds(&self, was_sent: bool, precondition: &Precondition<'_>) -> bool {
        if !was_sent {
            let now = self.admission.executor.resolve(&self.job.command.request).await;
            if !now.is_ok_and(|now| now.subjects.are(&self.resolved.subjects)) {
                return false;
            }
        }
        precondition.holds().await
    }

    /// Keeps that something is about to be sent, which makes so many `changes`. What was counted once is not counted again.
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
        // A name may mean a larger group by now.
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
            // What counts is the denial.
            Err(Code::NotPermitted.because("it may not be sent any more"))
        }
        .boxed()
    }
}

/// Why a command ends that was sent before, and must not be sent again.
fn unconfirmed(denial: &OutcomeError) -> OutcomeError {
    let why = &denial.message;
    Code::Unconfirmed
        .because(format!(
            "it was sent without an answer, nothing shows whether Okta has done it, and now {why}"
        ))
        .error
}
