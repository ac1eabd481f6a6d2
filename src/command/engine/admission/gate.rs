//! What stands between one attempt at a command and Okta: everything is looked at once more after the last wait, and that
//! something is about to be sent is saved as the last step before it is. Sends nothing but look-ups.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Admission, Denial};
use crate::command::{
    ActionFailure, OutcomeError, Status, Subjects,
    engine::{
        EngineError,
        job::Job,
        journal::{Journal, SavedRecord},
    },
    execute::{self, Baseline, Code, PendingChange, Precondition, PriorAttempt, Progress, ResolvedSubjects},
    record::Record,
};

/// What was seen longer ago is looked at anew before something is sent.
const DECIDED_FOR: Duration = Duration::from_secs(2);
/// Looks at it, at most: where each takes longer, the last one is as new as the budget allows.
const LOOKS_MAX: u32 = 3;

/// Stands between one attempt at a command and Okta.
pub(in crate::command::engine) struct Gate<'a> {
    admission: &'a Admission,
    journal: &'a Journal,
    job: &'a Job,
    resolved: &'a ResolvedSubjects,
    stop: &'a CancellationToken,
    /// The baseline of the attempts before this one, and how far the parts were.
    earlier: (Option<Baseline>, Progress),
    state: Mutex<GateState>,
}

/// How one attempt stands.
struct GateState {
    /// The journal's record.
    saved: SavedRecord,
    /// Why nothing may be sent, if that is so.
    denial: Option<Denial>,
    /// Whether nothing was let through yet.
    are_names_due: bool,
    /// When the names of the command were last looked up; none if it was some time ago.
    names_seen_at: Option<Instant>,
}

/// What the names of a command must mean when something is sent.
#[derive(Clone, Copy)]
enum Names<'a> {
    /// The objects that were found: nothing was sent for them.
    MeanTheSame,
    /// These objects, for which it was begun, or none: what was sent may have changed the names.
    MeanNobodyElse(&'a Subjects),
}

impl<'a> Gate<'a> {
    pub(in crate::command::engine) fn new(
        (admission, journal): (&'a Admission, &'a Journal),
        (job, resolved): (&'a Job, &'a ResolvedSubjects),
        saved: SavedRecord,
        stop: &'a CancellationToken,
    ) -> Self {
        let earlier = (saved.record.baseline.clone(), saved.record.progress());
        Self {
            admission,
            journal,
            job,
            resolved,
            stop,
            earlier,
            state: Mutex::new(GateState {
                saved,
                denial: None,
                are_names_due: true,
                names_seen_at: resolved.since(),
            }),
        }
    }

    /// The journal's record as it is now, and why something was not sent.
    pub(in crate::command::engine) fn into_parts(self) -> (SavedRecord, Option<Denial>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.saved, state.denial)
    }

    /// Judges, counts and looks until nothing stands in the way any more: each may take a while, and somebody may stop the
    /// command meanwhile, or change what it is about.
    async fn decide(&self, change: PendingChange<'_>) -> Result<(), Denial> {
        let (admission, subjects) = (self.admission, &self.resolved.subjects);
        let PendingChange { baseline, precondition, progress, .. } = change;
        let was_sent = self.state().saved.record.baseline.is_some();
        // Each attempt looks at all names before its first change, and at those of the change itself before each: with a
        // long list, all names would be too many. Of groups, the precondition has the names.
        let concerned = Subjects { users: change.users.to_vec(), ..Subjects::default() };
        let names = match self.state().are_names_due {
            true if was_sent => Names::MeanNobodyElse(subjects),
            true => Names::MeanTheSame,
            false => Names::MeanNobodyElse(&concerned),
        };
        let mut seen_at = Some(precondition.seen_at()).min(self.state().names_seen_at);
        let (mut looks_left, mut changes) = (LOOKS_MAX, None);
        loop {
            let saved = self.state().saved.clone();
            if self.until_running(was_sent, &saved.record).await? {
                (looks_left, seen_at) = (LOOKS_MAX, None);
            }
            admission.judge(&self.job.command, subjects, self.stop).await?;
            admission.require_trusted(self.job)?;
            admission.require_approved(self.job, &saved.record)?;
            if !was_sent && changes.is_none() {
                let changing = admission.changes(&self.job.command.request, subjects, self.stop);
                changes = Some(changing.await?);
            }
            let is_old = seen_at.is_none_or(|seen_at| seen_at.elapsed() > DECIDED_FOR);
            if is_old && looks_left > 0 {
                (looks_left, seen_at) = (looks_left - 1, Some(Instant::now()));
                let looking = self.look_again(names, precondition);
                self.stop.run_until_cancelled(looking).await.ok_or(Denial::Stopped)??;
                if self.state().are_names_due {
                    self.state().names_seen_at = seen_at;
                }
                // That may have taken a while, too.
                continue;
            }
            let sending = saved.record.clone().sending(baseline).with_progress(progress);
            if saved.record == sending && admission.stops.paused().is_none() {
                self.state().are_names_due = false;
                return Ok(());
            }
            let saved = self.keep(saved, sending, changes.unwrap_or_default()).await?;
            self.state().saved = saved;
        }
    }

    /// Sees that the names of the command mean whom they must, and that all that the change was decided by is so.
    /// Without an answer nothing is sent.
    async fn look_again(&self, names: Names<'_>, precondition: &Precondition<'_>) -> Result<(), Denial> {
        let (request, executor) = (&self.job.command.request, &self.admission.executor);
        let holds = match names {
            // The new look-up waits for an answer.
            Names::MeanTheSame => {
                let now = executor.resolve(request).await;
                now.is_ok_and(|now| now.subjects.are(&self.resolved.subjects))
                    && precondition.holds().await.unwrap_or(false)
            }
            Names::MeanNobodyElse(found) => {
                if executor.means_another(request, found).await.map_err(unanswered)? {
                    let failed = Code::ChangedMeanwhile.because(
                        "a name in the command means another object than the one for which it was begun: nothing more \
                         is sent",
                    );
                    return Err(Denial::Ended(Status::Failed, failed.error));
                }
                precondition.holds().await.map_err(unanswered)?
            }
        };
        if holds { Ok(()) } else { Err(Denial::Restart) }
    }

    /// Waits until commands may go on, or this one is cancelled; returns whether it had to. Where nothing was sent, all is
    /// looked at anew after that, and nothing is waited for with a record that says otherwise.
    async fn until_running(&self, was_sent: bool, record: &Record) -> Result<bool, Denial> {
        let (stops, id) = (&self.admission.stops, &self.job.command.id);
        if stops.paused().is_none() || stops.cancelled(id).is_some() {
            return Ok(false);
        }
        if was_sent || record.baseline.is_none() {
            self.stop.run_until_cancelled(stops.until_running(id)).await.ok_or(Denial::Stopped)?;
        }
        if was_sent || stops.cancelled(id).is_some() { Ok(true) } else { Err(Denial::Restart) }
    }

    /// Keeps that something is about to be sent, as `sending` says, which makes so many `changes`. What was counted once is
    /// not counted again.
    async fn keep(&self, saved: SavedRecord, sending: Record, changes: usize) -> Result<SavedRecord, Denial> {
        let (admission, id) = (self.admission, &self.job.command.id);
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

    /// Whether a step of the command was done in an earlier attempt.
    fn has_progressed(&self, change: PendingChange<'_>) -> bool {
        let existed = self.resolved.subjects.users.first().is_none_or(|user| user.id.is_some());
        self.earlier.0.is_some() && change.precondition.shows_progress(change.baseline, existed)
    }

    /// Whether the command is tried again after this `failure`.
    pub(in crate::command::engine) fn goes_on_after(&self, failure: &ActionFailure) -> bool {
        match &self.state().denial {
            Some(Denial::Restart | Denial::Unanswered(_) | Denial::Unapproved | Denial::Stopped) => true,
            Some(Denial::Ended(..) | Denial::CutShort(_) | Denial::Engine(_)) => false,
            None => failure.retry_after.is_some(),
        }
    }

    /// Keeps that nothing may have been done but what was so before this attempt: what is not sent must not look as if it
    /// might have been, or the next attempt would look up and judge nothing.
    pub(in crate::command::engine) async fn withdraw(&self) -> Result<(), EngineError> {
        let saved = self.state().saved.clone();
        let (baseline, progress) = &self.earlier;
        if saved.record.baseline == *baseline {
            return Ok(());
        }
        let unsent = saved.record.clone().unsent(baseline.clone()).with_progress(progress);
        let saved = self.journal.save(&self.job.command.id, &saved, unsent).await?;
        let mut state = self.state();
        (state.saved, state.are_names_due) = (saved, true);
        Ok(())
    }

    /// Keeps why nothing may be sent: that counts, and not what the action makes of it.
    fn deny(&self, denial: Denial) -> ActionFailure {
        let failure = failure_of(&denial);
        self.state().denial = Some(denial);
        failure
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl execute::Admission for Gate<'_> {
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>> {
        async move {
            // What was found out about one part holds for the others.
            if let Some(denial) = &self.state().denial {
                return Err(failure_of(denial));
            }
            let Err(denial) = self.decide(change).await else { return Ok(()) };
            let denial = match (denial, change.prior_attempt) {
                // The attempt fails, and the next one asks again.
                (Denial::Unanswered(failure), _) => return Err(*failure),
                (Denial::Ended(_, error), PriorAttempt::MayBeDone) => {
                    Denial::Ended(Status::Failed, unconfirmed(&error))
                }
                (Denial::Ended(_, error), PriorAttempt::None) if self.has_progressed(change) => {
                    Denial::CutShort(error)
                }
                (denial, _) => denial,
            };
            Err(self.deny(denial))
        }
        .boxed()
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<(), ActionFailure>> {
        async { self.withdraw().await.map_err(|error| self.deny(Denial::Engine(error))) }.boxed()
    }
}

/// What the outcome says of a part that was not sent.
fn failure_of(denial: &Denial) -> ActionFailure {
    let failure = Code::ChangedMeanwhile.because("it was not sent");
    match denial {
        Denial::Ended(_, error) | Denial::CutShort(error) => {
            ActionFailure { error: error.clone(), ..failure }
        }
        Denial::Restart
        | Denial::Unanswered(_)
        | Denial::Unapproved
        | Denial::Stopped
        | Denial::Engine(_) => failure,
    }
}

/// Why nothing is sent if Okta does not say what a name means, or how an object is.
fn unanswered(failure: ActionFailure) -> Denial {
    match failure.retry_after {
        Some(_) => Denial::Unanswered(Box::new(failure)),
        None => Denial::Ended(Status::Failed, failure.error),
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
