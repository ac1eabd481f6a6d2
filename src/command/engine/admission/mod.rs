//! Decides, right before each change, whether it may be sent: not stopped by an operator, not expired, allowed by the
//! policy, nobody protected as Okta knows them now, and within the limits, which are counted in the same commit as the
//! journal's record. Commands wait while that cannot be determined. Sends only look-ups.

mod gate;
mod limiter;
mod protection;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Seams, job::Job, journal::Journal, outcomes, status::EngineStatus, stops::Stops,
    trouble::Trouble,
};
use crate::{
    clock::Clock,
    command::{
        Action, ActionFailure, Changes, OutcomeError, Request, Status, Subjects,
        execute::Executor,
        message::{Command, Timing},
        policy::{Policy, Signatures},
        record::{Record, SecondKey},
    },
    config::{ApprovalConfig, CommandsConfig},
    halt::Stopped,
    retry::RetryPolicy,
};

pub(super) use gate::Gate;
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
    approval: ApprovalConfig,
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
    /// Okta did not say whether it still may: it is tried again.
    Unanswered(Box<ActionFailure>),
    /// The command ends with this error, and a step of it is done.
    CutShort(OutcomeError),
    /// Nothing was sent, and a second key must approve it.
    Unapproved,
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
            approval: config.approval.clone(),
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
