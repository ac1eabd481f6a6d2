//! One command to its outcome, one attempt after another.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    admission::{Denial, Gate},
    awaited::require_approved,
    find::Found,
    job::{Job, Verdict},
    journal::Kept,
    outcomes,
    publish::Told,
    status::Waiter,
    trouble::Trouble,
    turns::Turn,
    worker::LATER_MAX,
};
use crate::{
    command::{
        Effect, Failed, Status,
        audit::Decision,
        execute::{Attempt, Resolved},
        policy::{address_is_stored, too_many_names},
        publisher::PublishCure,
        record::Record,
    },
    retry::{Backoff, RetryPolicy},
    telemetry::chain,
};

/// A wait that is longer is spent in the queue, and those behind do not wait for it.
const WAIT_MAX: Duration = Duration::from_secs(150);

/// How it went so far.
#[expect(clippy::large_enum_variant, reason = "there is one a command, and it is moved once")]
pub(super) enum Carried {
    /// It has its outcome, which is in the journal; here with all that it brought.
    Ended(Kept, Box<Told>),
    /// It is not at its end.
    Not(Verdict),
}

impl Context {
    /// Carries a command out. May be dropped at any time: what is in the journal says how to go on.
    pub(super) async fn carry(
        &self,
        job: &Job,
        kept: Kept,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> Result<Carried, EngineError> {
        // What may have been sent may have been done: only Okta can tell, whatever the time and the policy are.
        let may_have_sent = kept.record.baseline.is_some();
        if !may_have_sent && let Err((status, error)) = self.admission.admit(&job.command) {
            return self.ended_so(job, kept, status, error).await;
        }
        let running = self.admission.switch.until_running(&job.command.id);
        if stop.run_until_cancelled(running).await.is_none() {
            return Ok(Carried::Not(Verdict::Dropped));
        }
        let mut kept = kept;
        let mut retries = Retries::new(self.status.waiter(Trouble::Okta));
        loop {
            kept = match self.find(job, &kept.record, turn, stop).await {
                Found::Subjects(resolved, permit) => {
                    if let Err(error) = require_approved(&kept.record, &resolved.subjects) {
                        return self.ended_so(job, kept, Status::Failed, error).await;
                    }
                    match self.attempts(job, kept, (resolved, permit), &mut retries, stop).await? {
                        Attempted::Ended(carried) => return Ok(carried),
                        Attempted::Failed(kept, failed) => return self.end_failed(job, kept, *failed).await,
                        Attempted::Again(kept) => kept,
                    }
                }
                Found::Failed(failed) => return self.end_failed(job, kept, *failed).await,
                Found::Denied(status, error) => return self.ended_so(job, kept, status, error).await,
                Found::Stopped => return Ok(Carried::Not(Verdict::Dropped)),
            };
        }
    }

    /// One attempt after another, until there is an outcome. Where nothing was sent, each begins with a new look-up.
    async fn attempts(
        &self,
        job: &Job,
        mut kept: Kept,
        (resolved, permit): (Resolved, SemaphorePermit<'_>),
        retries: &mut Retries<'_>,
        stop: &CancellationToken,
    ) -> Result<Attempted, EngineError> {
        let ended = |carried| Ok(Attempted::Ended(carried));
        let mut permit = Some(permit);
        loop {
            // Nobody knows whether the last attempt did it, but every attempt may be the one that ends the daemon.
            if kept.record.attempts() >= self.config.attempts_max {
                let refusal = outcomes::too_many_attempts(self.config.attempts_max);
                return ended(self.ended_so(job, kept, Status::Failed, refusal).await?);
            }
            if permit.is_none() {
                permit = self.permit(job, stop).await;
            }
            if permit.is_none() || !job.origin.begin() {
                return ended(Carried::Not(Verdict::Dropped));
            }
            let failed = match self.attempt(job, kept, &resolved, stop).await? {
                Attempted::Failed(now, failed) => {
                    kept = now;
                    failed
                }
                other => {
                    retries.waiter.goes_on();
                    return Ok(other);
                }
            };
            permit = None;
            let retry_after =
                failed.retry_after.filter(|_| kept.record.attempts() < self.config.attempts_max);
            let Some(asked) = retry_after else { return Ok(Attempted::Failed(kept, failed)) };
            retries.waiter.fails(&failed.error.message);
            let wait = retries.waits.next_wait().max(asked);
            if wait > WAIT_MAX {
                return ended(Carried::Not(Verdict::Later(wait.min(LATER_MAX), "Okta asks to wait")));
            }
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return ended(Carried::Not(Verdict::Dropped));
            }
            if kept.record.baseline.is_none() {
                return Ok(Attempted::Again(kept));
            }
        }
    }

    async fn attempt(
        &self,
        job: &Job,
        kept: Kept,
        resolved: &Resolved,
        stop: &CancellationToken,
    ) -> Result<Attempted, EngineError> {
        let (command, subjects) = (&job.command, &resolved.subjects);
        let ended = |carried| Ok(Attempted::Ended(carried));
        if let Some(carried) = self.refuse_public_address(job, &kept, stop).await? {
            return ended(carried);
        }
        // It may have waited for long, and much may have changed meanwhile.
        if kept.record.baseline.is_none() {
            let judged = self.admission.judge(command, subjects, stop).await;
            if let Err(denial) = judged.and_then(|()| self.admission.require_trusted(job)) {
                return ended(self.denied(job, kept, denial).await?);
            }
        }
        if !Record::has_room_for(subjects) {
            return ended(self.ended_so(job, kept, Status::Refused, too_many_names()).await?);
        }
        let Some((begun, begun_at)) = kept.record.clone().about(subjects).begun(self.clock.now()) else {
            return ended(Carried::Not(Verdict::Dropped));
        };
        self.audit_command(job, Some(subjects), Decision::Begun, None).await;
        // To look is counted when it begins, a change when it is sent.
        let is_counted = command.request.action().effect() == Effect::Read && kept.record.attempts() == 0;
        let kept = if is_counted {
            let changes = command.request.changes().named();
            let counting = (self.admission.policy.limits(), command.request.action(), changes);
            match self.admission.limiter.count(counting, (&command.id, &kept, begun)).await? {
                Ok(kept) => kept,
                Err(tripped) => {
                    return ended(self.ended_so(job, kept, Status::Refused, tripped.into()).await?);
                }
            }
        } else {
            self.journal.keep(&command.id, &kept, begun).await?
        };
        let baseline = kept.record.baseline.clone();
        let number = kept.record.attempts();
        let gate = Gate::new((&self.admission, &self.journal), (job, resolved), kept, stop);
        let attempt = Attempt {
            number,
            begun_at,
            dry_run: command.dry_run,
            baseline: baseline.as_ref(),
            admission: &gate,
        };
        let performed = self.executor.perform(&command.request, resolved, &command.expect, attempt).await;
        let (kept, denial) = gate.into_parts();
        let goes_on = match (&denial, &performed) {
            (Some(Denial::Ended(..) | Denial::Engine(_)), _) | (None, Ok(_)) => false,
            (Some(Denial::Again | Denial::Stopped), _) => true,
            (None, Err(failed)) => failed.retry_after.is_some(),
        };
        let is_unsent = performed.as_ref().is_err_and(|failed| !failed.has_sent);
        // What is not sent must not look as if it might have been, or nothing would be looked up and judged anew.
        let kept = if goes_on && is_unsent && kept.record.baseline != baseline {
            let unsent = kept.record.clone().unsent(baseline);
            self.journal.keep(&command.id, &kept, unsent).await?
        } else {
            kept
        };
        if let Some(denial) = denial {
            let part = performed.err().map(|failed| failed.result).filter(is_any_done);
            return ended(match (denial, part) {
                (Denial::Again, _) => return Ok(Attempted::Again(kept)),
                // What is refused has changed nothing.
                (Denial::Ended(_, error), Some(part)) => {
                    let failed = Failed {
                        error,
                        result: part,
                        retry_after: None,
                        has_sent: true,
                        before: None,
                        okta_request_id: None,
                    };
                    self.end_failed(job, kept, failed).await?
                }
                (denial, _) => self.denied(job, kept, denial).await?,
            });
        }
        match performed {
            Ok(performed) => ended(self.end_well(job, kept, subjects, performed).await?),
            Err(failed) => Ok(Attempted::Failed(kept, Box::new(failed))),
        }
    }

    /// Refuses a command whose secrets would be stored where it asks for them, before anything is sent: afterwards they could
    /// be told to nobody.
    async fn refuse_public_address(
        &self,
        job: &Job,
        kept: &Kept,
        stop: &CancellationToken,
    ) -> Result<Option<Carried>, EngineError> {
        let address = job.command.reply_to.as_deref().filter(|_| self.admission.policy.reveals(&job.command));
        let Some(address) = address.filter(|_| job.origin.is_published() && kept.record.baseline.is_none())
        else {
            return Ok(None);
        };
        let mut waits = RetryPolicy::OKTA.backoff();
        let mut waiter = self.status.waiter(Trouble::Outcomes);
        loop {
            let Err(err) = self.outcomes.require_private(address).await else { return Ok(None) };
            if err.needs_somebody() || err.cure() == PublishCure::Elsewhere {
                let refusal = address_is_stored(&chain(&err));
                return self.ended_so(job, kept.clone(), Status::Refused, refusal).await.map(Some);
            }
            waiter.fails(&chain(&err));
            if stop.run_until_cancelled(tokio::time::sleep(waits.next_wait())).await.is_none() {
                return Ok(Some(Carried::Not(Verdict::Dropped)));
            }
        }
    }

    async fn denied(&self, job: &Job, kept: Kept, denial: Denial) -> Result<Carried, EngineError> {
        match denial {
            Denial::Ended(status, error) => self.ended_so(job, kept, status, error).await,
            // Nothing was judged by which it could be sent.
            Denial::Again | Denial::Stopped => Ok(Carried::Not(Verdict::Dropped)),
            Denial::Engine(error) => Err(error),
        }
    }
}

/// What one attempt after another waits by.
struct Retries<'a> {
    waits: Backoff,
    waiter: Waiter<'a>,
}

impl<'a> Retries<'a> {
    fn new(waiter: Waiter<'a>) -> Self {
        Self { waits: RetryPolicy::OKTA.backoff(), waiter }
    }
}

/// How attempts went.
enum Attempted {
    Ended(Carried),
    Failed(Kept, Box<Failed>),
    /// It is looked at anew.
    Again(Kept),
}

/// Whether one of the parts of a command was done.
fn is_any_done(result: &Value) -> bool {
    let parts = result.as_object().into_iter().flatten().filter_map(|(_, parts)| parts.as_array());
    parts.flatten().any(|part| part["status"] == "done")
}
