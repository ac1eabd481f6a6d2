//! Whether a command may still change something, decided at the moment of the act: an operator's stop, expiry, policy with
//! those who are protected as Okta knows them now, and limits, which are counted in the same commit as the journal's entry.
//! Where that cannot be found out, commands wait. Sends nothing but look-ups.

mod gate;
mod limiter;
mod protection;

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Seams, job::Job, journal::Journal, outcomes, status::EngineStatus, stops::Stops,
    trouble::Trouble,
};
use crate::{
    clock::Clock,
    command::{
        Action, Changes, OutcomeError, Request, Status, Subjects,
        execute::Executor,
        message::{Command, Timing},
        policy::{Policy, Signatures},
        record::{Record, SecondKey},
    },
    config::{ApprovalConfig, CommandsConfig},
    retry::Backoff,
};

pub(super) use gate::Gate;
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
    approval: ApprovalConfig,
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
    /// Nothing was sent, and a second key must approve it.
    Unapproved,
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
            approval: config.approval.clone(),
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

    /// Whether `record`, of a command for `action`, has the approval of a second key, or needs none. A key that may not approve
    /// any more, or that was exchanged, has not approved.
    pub(super) fn is_approved(&self, action: Action, record: &Record) -> bool {
        match &record.second_key {
            // What waits already goes on waiting, whatever the configuration says since.
            None => !self.approval.covers(action),
            Some(SecondKey::Awaited { .. }) => false,
            Some(SecondKey::Given { by, key, .. }) => self.signatures.may_approve(by, key.as_deref(), action),
        }
    }

    /// Whether `job` may be sent, as far as a second key matters.
    pub(super) fn require_approved(&self, job: &Job, record: &Record) -> Result<(), Denial> {
        if self.is_approved(job.command.request.action(), record) {
            return Ok(());
        }
        Err(if record.may_be_done() {
            Denial::Ended(Status::Failed, outcomes::approval_revoked())
        } else {
            Denial::Unapproved
        })
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
        let mut backoff = Backoff::new(RECOUNT_FIRST, RECOUNT_MAX, fastrand::u64(..));
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
                    let wait = tokio::time::sleep(backoff.next_wait().max(asked));
                    stop.run_until_cancelled(wait).await.ok_or(Denial::Stopped)?;
                }
            }
        }
    }
}
