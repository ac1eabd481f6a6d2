//! Whether a command may still change something, decided at the moment of the act: an operator's stop, expiry, policy with
//! those who are protected as Okta knows them now, and limits, which are counted in the same commit as the journal's entry.
//! Where that cannot be found out, commands wait. Sends nothing but look-ups.

mod limiter;
mod protection;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Seams,
    journal::{Journal, Kept},
    outcomes,
    status::EngineStatus,
    switch::Switch,
    trouble::Trouble,
};
use crate::{
    clock::Clock,
    command::{
        Changes, Failed, OutcomeError, Request, Status, Subjects,
        execute::{self, Baseline, Code, Doubt, Executor},
        message::{Command, Timing},
        policy::Policy,
    },
    config::CommandsConfig,
    retry::Backoff,
};

use limiter::Limiter;
pub(super) use protection::FoundIds;
use protection::Protection;

/// What commands must pass.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) policy: Policy,
    pub(super) limiter: Limiter,
    pub(super) switch: Switch,
    protection: Protection,
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
    Again,
    /// We stop.
    Stopped,
    /// The journal or the limits cannot be written, for good.
    Engine(EngineError),
}

impl Admission {
    pub(super) fn new(
        config: &CommandsConfig,
        policy: Policy,
        executor: Executor,
        seams: &Seams,
        status: &Arc<EngineStatus>,
    ) -> Self {
        let journal = Journal::new(Arc::clone(&seams.store), Arc::clone(status));
        Self {
            policy,
            limiter: Limiter::new(journal.clone(), Arc::clone(status), Arc::clone(&seams.clock)),
            switch: Switch::new(journal.clone(), status),
            protection: Protection::new(
                config.protect.clone(),
                executor.clone(),
                journal,
                Arc::clone(status),
            ),
            keep: config.remembers_for(),
            executor,
            clock: Arc::clone(&seams.clock),
            status: Arc::clone(status),
        }
    }

    /// Reads what is kept of limits, stops and those who are protected.
    pub(super) async fn load(&self) -> Result<(), EngineError> {
        self.limiter.load(self.policy.limits()).await?;
        self.load_switch().await?;
        self.protection.load().await
    }

    /// Reads what is stopped.
    pub(super) async fn load_switch(&self) -> Result<(), EngineError> {
        self.switch.load(self.clock.now().saturating_sub(self.keep).unwrap_or(Timestamp::MIN)).await
    }

    /// Whether `command` may be begun or go on, as far as that can be said without looking at Okta.
    pub(super) fn admit(&self, command: &Command) -> Result<(), (Status, OutcomeError)> {
        if let Some(stopped) = self.switch.cancelled(&command.id) {
            return Err((Status::Refused, stopped.refusal()));
        }
        if command.timing(self.clock.now()) == Timing::Expired {
            return Err((Status::Expired, outcomes::expired(command)));
        }
        self.policy.admit(command).map_err(|refusal| (Status::Refused, refusal))
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

/// Waits before those whom a command concerns are counted again.
const RECOUNT_FIRST: Duration = Duration::from_secs(1);
const RECOUNT_MAX: Duration = Duration::from_secs(30);

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
        let mut waits = Backoff::new(RECOUNT_FIRST, RECOUNT_MAX, fastrand::u64(..));
        let mut waiter = self.status.waiter(Trouble::Okta);
        loop {
            let counting = self.executor.count_members(&subjects.groups, count_max);
            match stop.run_until_cancelled(counting).await.ok_or(Denial::Stopped)? {
                Ok(members) => return Ok(request.changes().with_members(members)),
                Err(failed) => {
                    let Some(asked) = failed.retry_after else {
                        return Err(Denial::Ended(Status::Failed, failed.error));
                    };
                    waiter.fails(&failed.error.message);
                    let wait = tokio::time::sleep(waits.next_wait().max(asked));
                    stop.run_until_cancelled(wait).await.ok_or(Denial::Stopped)?;
                }
            }
        }
    }
}

/// Stands between one attempt at a command and Okta.
pub(super) struct Gate<'a> {
    admission: &'a Admission,
    journal: &'a Journal,
    command: &'a Command,
    subjects: &'a Subjects,
    stop: &'a CancellationToken,
    /// The journal's record, and why nothing may be sent, if that is so.
    state: Mutex<(Kept, Option<Denial>)>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(
        (admission, journal): (&'a Admission, &'a Journal),
        (command, subjects): (&'a Command, &'a Subjects),
        kept: Kept,
        stop: &'a CancellationToken,
    ) -> Self {
        Self { admission, journal, command, subjects, stop, state: Mutex::new((kept, None)) }
    }

    /// The journal's record as it is now, and why something was not sent.
    pub(super) fn into_parts(self) -> (Kept, Option<Denial>) {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges and counts until nothing stands in the way any more: both may take a while, and somebody may stop the command
    /// meanwhile.
    async fn decide(&self, baseline: &Baseline) -> Result<(), Denial> {
        let (admission, command) = (self.admission, self.command);
        loop {
            let kept = self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
            if admission.switch.paused().is_some() {
                let running = admission.switch.until_running(&command.id);
                self.stop.run_until_cancelled(running).await.ok_or(Denial::Stopped)?;
                // The names may mean others by now. What was sent for is known by its id.
                if kept.record.baseline.is_none() && admission.switch.cancelled(&command.id).is_none() {
                    return Err(Denial::Again);
                }
            }
            admission.judge(command, self.subjects, self.stop).await?;
            if kept.record.baseline.as_ref() == Some(baseline) && admission.switch.paused().is_none() {
                return Ok(());
            }
            let kept = self.count(kept, baseline).await?;
            self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = kept;
        }
    }

    /// Keeps that something is about to be sent. What was counted once is not counted again.
    async fn count(&self, kept: Kept, baseline: &Baseline) -> Result<Kept, Denial> {
        let (admission, command) = (self.admission, self.command);
        let sending = kept.record.clone().sending(baseline);
        if kept.record.baseline.is_some() {
            return self.journal.keep(&command.id, &kept, sending).await.map_err(Denial::Engine);
        }
        let changes = admission.changes(&command.request, self.subjects, self.stop).await?;
        let counted = usize::try_from(kept.record.counted).unwrap_or(usize::MAX);
        if counted > 0 && changes <= counted {
            return self.journal.keep(&command.id, &kept, sending).await.map_err(Denial::Engine);
        }
        let sending = sending.counted(u64::try_from(changes).unwrap_or(u64::MAX));
        // A name may mean a larger group by now.
        let counting = (admission.policy.limits(), command.request.action(), changes - counted);
        let counted = admission.limiter.count(counting, (&command.id, &kept, sending)).await;
        counted.map_err(Denial::Engine)?.map_err(|tripped| Denial::Ended(Status::Refused, tripped.into()))
    }
}

impl execute::Admission for Gate<'_> {
    fn holds(&self) -> BoxFuture<'_, bool> {
        async {
            let judged = self.admission.judge(self.command, self.subjects, self.stop).await;
            judged.is_ok() && self.admission.switch.paused().is_none()
        }
        .boxed()
    }

    fn admit<'a>(&'a self, baseline: &'a Baseline, doubt: Doubt) -> BoxFuture<'a, Result<(), Failed>> {
        async move {
            let Err(denial) = self.decide(baseline).await else { return Ok(()) };
            let denial = match (denial, doubt) {
                (Denial::Ended(_, error), Doubt::MayBeDone) => {
                    Denial::Ended(Status::Failed, unconfirmed(&error))
                }
                (denial, _) => denial,
            };
            self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(denial);
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
