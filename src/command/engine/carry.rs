//! One command, whose turn it is, to its outcome: policy, limits, audit, journal, Okta, journal, audit.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Office,
    consent::{Consent, Denial},
    job::{Found, Job, Origin, Verdict},
    ledger::Kept,
    outgoing::Told,
    status::Trouble,
    trail, verdicts,
};
use crate::{
    command::{
        Effect, Failed, Outcome, OutcomeError, Performed, Request, Status, Subjects, Way,
        audit::{AuditRecord, Decision},
        execute::{Attempt, Resolved},
        journal::{Record, Stage},
        message::Timing,
        policy::too_many_names,
    },
    stream::Backoff,
};

/// The first and the longest wait before another attempt, unless Okta asks for a longer one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A wait that is longer is spent in the queue, and those behind do not wait for it.
const WAIT_MAX: Duration = Duration::from_secs(150);
/// The longest wait that a bus is asked for at once.
const LATER_MAX: Duration = Duration::from_secs(600);

/// How it went so far.
pub(super) enum Carried {
    /// It has its outcome, which is in the journal; here with all that it brought.
    Ended(Kept, Box<Told>),
    /// It had its outcome before.
    EndedBefore(Kept),
    /// It is not at its end.
    Not(Verdict),
}

impl Office {
    /// Carries a command out. May be dropped at any time: what is in the journal says how to go on.
    pub(super) async fn carry(&self, job: &Job, stop: &CancellationToken) -> Result<Carried, EngineError> {
        let id = &job.command.id;
        let kept = match self.ledger.find(id).await? {
            Some(kept) => kept,
            // Forgotten in the meantime, because it is so old.
            None => self.ledger.receive(id, self.record_of(&job.command)).await?,
        };
        if matches!(kept.record.stage, Stage::Ended { .. }) {
            return Ok(Carried::EndedBefore(kept));
        }
        let now = Timestamp::now();
        // What may have been sent may have been done: only Okta can tell, whatever the time and the policy are.
        let may_have_sent = kept.record.baseline.is_some();
        if !may_have_sent {
            match job.command.timing(now) {
                Timing::Due => {}
                Timing::Expired => {
                    return self.end(job, kept, Status::Expired, verdicts::expired(&job.command)).await;
                }
                Timing::Early(at) => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default().min(LATER_MAX);
                    return Ok(Carried::Not(Verdict::Later(wait, "its `not_before` has not come")));
                }
            }
        }
        if !may_have_sent && let Err(refusal) = self.gate.policy.admit(&job.command) {
            return self.end(job, kept, Status::Refused, refusal).await;
        }
        let Some(subjected) = stop.run_until_cancelled(self.subjects(job, &kept.record)).await else {
            return Ok(Carried::Not(Verdict::Dropped));
        };
        let resolved = match subjected {
            Subjected::Known(resolved) => resolved,
            Subjected::Failed(failed) => return self.end_failed(job, kept, *failed).await,
            Subjected::Expired => {
                return self.end(job, kept, Status::Expired, verdicts::expired(&job.command)).await;
            }
        };
        self.attempts(job, kept, resolved, stop).await
    }

    /// One attempt after another, until there is an outcome.
    async fn attempts(
        &self,
        job: &Job,
        mut kept: Kept,
        resolved: Resolved,
        stop: &CancellationToken,
    ) -> Result<Carried, EngineError> {
        let (command, subjects) = (&job.command, &resolved.subjects);
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        loop {
            // Nobody knows whether the last attempt did it, but every attempt may be the one that ends the daemon.
            if kept.record.attempts() >= self.config.attempts_max {
                let refusal = verdicts::too_many_attempts(self.config.attempts_max);
                return self.end(job, kept, Status::Failed, refusal).await;
            }
            // The semaphore is never closed, so there is a permit unless we stop.
            let Some(Ok(permit)) = stop.run_until_cancelled(self.at_work.acquire()).await else {
                return Ok(Carried::Not(Verdict::Dropped));
            };
            if !job.origin.begin() {
                return Ok(Carried::Not(Verdict::Dropped));
            }
            // It may have waited for long, and much may have changed meanwhile.
            if kept.record.baseline.is_none() {
                if command.timing(Timestamp::now()) == Timing::Expired {
                    return self.end(job, kept, Status::Expired, verdicts::expired(command)).await;
                }
                let Some(judged) = self.gate.judge(command, subjects, stop).await else {
                    return Ok(Carried::Not(Verdict::Dropped));
                };
                if let Err(refusal) = judged {
                    return self.end(job, kept, Status::Refused, refusal).await;
                }
            }
            if !Record::has_room_for(subjects) {
                return self.end(job, kept, Status::Refused, too_many_names()).await;
            }
            let about = kept.record.clone().about(subjects);
            let Some((begun, begun_at)) = about.begun(Timestamp::now()) else {
                return Ok(Carried::EndedBefore(kept));
            };
            self.record_decision(job, Some(subjects), Decision::Begun, None).await;
            // To look is counted when it begins, a change when it is sent.
            let is_counted = command.request.action().effect() == Effect::Read && kept.record.attempts() == 0;
            kept = if is_counted {
                match self.gate.count(&command.request, &self.ledger, (&command.id, &kept, begun)).await? {
                    Ok(kept) => kept,
                    Err(refusal) => return self.end(job, kept, Status::Refused, refusal).await,
                }
            } else {
                self.ledger.keep(&command.id, &kept, begun).await?
            };
            let baseline = kept.record.baseline.clone();
            let number = kept.record.attempts();
            let consent = Consent::new(self, (command, subjects), kept, stop);
            let attempt = Attempt {
                number,
                begun_at,
                dry_run: command.dry_run,
                baseline: baseline.as_ref(),
                admission: &consent,
            };
            let performed =
                self.executor.perform(&command.request, &resolved, &command.expect, attempt).await;
            drop(permit);
            let denial;
            (kept, denial) = consent.into_parts();
            match denial {
                None => {}
                Some(Denial::Ended(status, error)) => return self.end(job, kept, status, error).await,
                Some(Denial::Stopped) => return Ok(Carried::Not(Verdict::Dropped)),
                Some(Denial::Engine(error)) => return Err(error),
            }
            let failed = match performed {
                Ok(performed) => {
                    self.status.works(Trouble::Okta);
                    return self.end_well(job, kept, subjects, performed).await;
                }
                Err(failed) => failed,
            };
            let Some(asked) = failed.retry_after else {
                return self.end_failed(job, kept, failed).await;
            };
            if kept.record.attempts() >= self.config.attempts_max {
                return self.end_failed(job, kept, failed).await;
            }
            self.status.fails(Trouble::Okta, &failed.error.message);
            let wait = waits.next_wait().max(asked);
            if wait > WAIT_MAX {
                return Ok(Carried::Not(Verdict::Later(wait.min(LATER_MAX), "Okta asks to wait")));
            }
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(Carried::Not(Verdict::Dropped));
            }
        }
    }

    /// Whom the command is about, now that it is its turn.
    async fn subjects(&self, job: &Job, record: &Record) -> Subjected {
        if let Some(subjects) = &record.subjects {
            return Subjected::Known(subjects.clone().into());
        }
        match &job.found {
            Found::Subjects(found)
                if is_complete(&job.command.request, &found.subjects) && !job.has_waited =>
            {
                return Subjected::Known(found.clone());
            }
            // A command before this one may have brought them about, or put others in their place.
            Found::Subjects(_) | Found::Unknown | Found::Ended => {}
        }
        // Nothing was begun, so nothing is counted: while Okta is away, commands wait, and those behind them too.
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        loop {
            let failed = match self.executor.resolve_patiently(&job.command.request).await {
                Ok(resolved) => {
                    self.status.works(Trouble::Okta);
                    return Subjected::Known(resolved);
                }
                Err(failed) => failed,
            };
            let Some(asked) = failed.retry_after else { return Subjected::Failed(Box::new(failed)) };
            if record.stage == Stage::Received && job.command.timing(Timestamp::now()) == Timing::Expired {
                self.status.gives_up(Trouble::Okta);
                return Subjected::Expired;
            }
            self.status.fails(Trouble::Okta, &failed.error.message);
            tokio::time::sleep(waits.next_wait().max(asked)).await;
        }
    }

    async fn end_well(
        &self,
        job: &Job,
        kept: Kept,
        subjects: &Subjects,
        performed: Performed,
    ) -> Result<Carried, EngineError> {
        let status = match performed.way {
            Way::Done => Status::Done,
            Way::Already => Status::Already,
            Way::DryRun => Status::DryRun,
        };
        let mut outcome = verdicts::outcome(&job.command.id, &kept.record, status);
        outcome.okta_request_id = performed.okta_request_id;
        outcome.before = performed.before;
        outcome.after = performed.after;
        let Performed { result, revealed, .. } = performed;
        let names: Vec<_> = revealed.iter().map(|revealed| revealed.name).collect();
        let shown = !names.is_empty() && self.shows_secrets(job);
        if !shown {
            outcome.result = verdicts::without(result, &names, false);
            let kept = self.ended(job, kept, Some(subjects), &outcome).await?;
            return Ok(Carried::Ended(kept, Box::new(Told::openly(outcome))));
        }
        let with = |result| Outcome { result, ..outcome.clone() };
        let to_keep = with(verdicts::without(result.clone(), &names, true));
        let kept = self.ended(job, kept, Some(subjects), &to_keep).await?;
        let privately = Some(with(verdicts::with(result.clone(), &revealed)));
        let openly = with(verdicts::without(result, &names, false));
        Ok(Carried::Ended(kept, Box::new(Told { openly, privately })))
    }

    async fn end_failed(&self, job: &Job, kept: Kept, failed: Failed) -> Result<Carried, EngineError> {
        self.status.gives_up(Trouble::Okta);
        let mut outcome = verdicts::outcome(&job.command.id, &kept.record, Status::Failed);
        outcome.error = Some(failed.error);
        outcome.result = failed.result.into();
        outcome.before = failed.before;
        outcome.okta_request_id = failed.okta_request_id;
        let kept = self.ended(job, kept, None, &outcome).await?;
        Ok(Carried::Ended(kept, Box::new(Told::openly(outcome))))
    }

    async fn end(
        &self,
        job: &Job,
        kept: Kept,
        status: Status,
        error: OutcomeError,
    ) -> Result<Carried, EngineError> {
        let mut outcome = verdicts::outcome(&job.command.id, &kept.record, status);
        outcome.error = Some(error);
        let kept = self.ended(job, kept, None, &outcome).await?;
        Ok(Carried::Ended(kept, Box::new(Told::openly(outcome))))
    }

    /// Makes `outcome`, which has no secrets, durable, and the audit complete.
    async fn ended(
        &self,
        job: &Job,
        kept: Kept,
        subjects: Option<&Subjects>,
        outcome: &Outcome,
    ) -> Result<Kept, EngineError> {
        let subjects = subjects.or(kept.record.subjects.as_ref()).or(match &job.found {
            Found::Subjects(found) => Some(&found.subjects),
            _ => None,
        });
        self.record_decision(job, subjects, verdicts::decision(outcome.status), Some(outcome)).await;
        let record = match subjects {
            Some(subjects) => kept.record.clone().about(subjects),
            None => kept.record.clone(),
        };
        let Some(record) = record.ended(outcome) else { return Ok(kept) };
        let kept = self.ledger.keep(&job.command.id, &kept, record).await?;
        self.status.ended(job.command.request.action().name(), outcome);
        Ok(kept)
    }

    fn shows_secrets(&self, job: &Job) -> bool {
        match &job.origin {
            Origin::Queue { .. } => self.gate.policy.reveals(&job.command),
            Origin::Asked { reveals, .. } => *reveals,
        }
    }

    /// Records what was decided about the command of `job`.
    pub(super) async fn record_decision(
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
            reason: command.reason.as_deref(),
            status: outcome.map(|outcome| outcome.status),
            error: outcome.and_then(|outcome| outcome.error.as_ref()).map(|error| error.code.as_str()),
            okta_request_id: outcome.and_then(|outcome| outcome.okta_request_id.as_deref()),
            place: Some(job.origin.place()),
            ..trail::decision(&self.config.name, decision)
        };
        self.trail.record(&record).await;
    }
}

enum Subjected {
    Known(Resolved),
    Failed(Box<Failed>),
    /// Okta has not told in time.
    Expired,
}

/// Whether all are there whom `request` needs. Whoever it is to create need not be.
fn is_complete(request: &Request, subjects: &Subjects) -> bool {
    request.names().is_ok_and(|names| names.are_found(subjects))
}
