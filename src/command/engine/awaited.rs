//! Commands that a second key must approve: whom they are about is looked up, and they wait in the state until that is
//! approved. The act itself is judged like any other.

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    find::Found,
    job::{Job, Verdict},
    journal::Kept,
    parked::WaitsFor,
    turns::Turn,
    worker::LATER_MAX,
};
use crate::command::{
    OutcomeError, Status, Subjects,
    audit::{AuditRecord, Decision},
    execute::Code,
    message::of_approval,
    policy::too_many_names,
    record::{Record, SecondKey},
};

/// Whether a command may go on, as far as a second key matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// None is needed, or it was given.
    Given,
    /// Not before somebody gives it, which must be before this time.
    Awaited(Timestamp),
    /// Nobody has given it in time.
    Missed,
    /// It came by a way that has no key, and waits nowhere.
    Impossible,
}

impl Context {
    /// Whether the command of `job` may go on at `now`. A key that may not approve any more has not approved.
    pub(super) fn leave(&self, job: &Job, record: &Record, now: Timestamp) -> Leave {
        let action = job.command.request.action();
        // What waits already goes on waiting, whatever the configuration says since.
        if !self.config.approval.covers(action) && record.second_key.is_none() {
            return Leave::Given;
        }
        if let Some(SecondKey::Given { by, .. }) = &record.second_key
            && self.signatures.may_approve(by, action)
        {
            return Leave::Given;
        }
        if record.signed_by.is_none() {
            return Leave::Impossible;
        }
        let within = SignedDuration::try_from(self.config.approval.within).unwrap_or(SignedDuration::ZERO);
        let until = match &record.second_key {
            Some(SecondKey::Awaited { until, .. }) => *until,
            _ => {
                let asked_at = record.asked_again_at.unwrap_or(record.received_at);
                asked_at.saturating_add(within).unwrap_or(Timestamp::MAX)
            }
        };
        let until = job.command.expires_at.map_or(until, |expires_at| expires_at.min(until));
        if now < until { Leave::Awaited(until) } else { Leave::Missed }
    }

    /// A second key must approve the command: it waits in the state until then. Those whom it names are looked up first: they
    /// are what is approved, whoever bears the names later.
    pub(super) async fn wait_for_approval(
        &self,
        job: &Job,
        kept: Kept,
        until: Timestamp,
        (turn, stop): (&mut Turn, &CancellationToken),
    ) -> Result<Verdict, EngineError> {
        const WHY: &str = "it waits for the approval by a second key";
        if !job.origin.is_published() {
            return Ok(Verdict::Later(LATER_MAX, WHY));
        }
        let id = &job.command.id;
        let awaits = matches!(kept.record.second_key, Some(SecondKey::Awaited { .. }));
        if awaits && self.parking.has(id) {
            return Ok(match kept.record.parked() {
                Some(durable) => Verdict::Parked(durable, until),
                None => Verdict::Later(LATER_MAX, WHY),
            });
        }
        if stop.run_until_cancelled(self.admission.switch.until_running(id)).await.is_none() {
            return Ok(Verdict::Dropped);
        }
        let subjects = match self.find(job, &kept.record, turn, stop).await {
            Found::Subjects(resolved, _) => resolved.subjects,
            Found::Failed(failed) => {
                let carried = self.end_failed(job, kept, *failed).await?;
                return self.told(job, carried, stop).await;
            }
            Found::Denied(status, error) => {
                let carried = self.ended_so(job, kept, status, error).await?;
                return self.told(job, carried, stop).await;
            }
            Found::Stopped => return Ok(Verdict::Dropped),
        };
        // It may have been cancelled meanwhile.
        if let Err((status, error)) = self.admission.admit(&job.command) {
            let carried = self.ended_so(job, kept, status, error).await?;
            return self.told(job, carried, stop).await;
        }
        if !Record::has_room_for(&subjects) {
            let carried = self.ended_so(job, kept, Status::Refused, too_many_names()).await?;
            return self.told(job, carried, stop).await;
        }
        let fingerprint = of_approval(&kept.record.fingerprint, &subjects);
        self.audit_awaited(job, &subjects, &fingerprint).await;
        let second_key = Some(SecondKey::Awaited { until, fingerprint });
        let record = Record { second_key, ..kept.record.clone() }.about(&subjects);
        self.park(job, (kept, record), until, WaitsFor::Approval, stop).await
    }

    /// Records that a command waits for a second key, with what that key must name.
    async fn audit_awaited(&self, job: &Job, subjects: &Subjects, fingerprint: &str) {
        let command = &job.command;
        let record = AuditRecord {
            command_id: Some(&command.id),
            action: Some(command.request.action().name()),
            requested_by: command.requested_by.as_deref(),
            signed_by: job.signed_by.as_deref(),
            reason: command.reason.as_deref(),
            subjects: Some(subjects),
            fingerprint: Some(fingerprint),
            place: Some(job.origin.place()),
            ..self.audit.decision(Decision::AwaitsApproval)
        };
        self.audit.record(&record).await;
    }
}

/// Whether the names in a command that a second key has approved still mean those whom it has approved. What may have been
/// sent is known by its ids.
pub(super) fn require_approved(record: &Record, subjects: &Subjects) -> Result<(), OutcomeError> {
    let Some(SecondKey::Given { fingerprint, .. }) = &record.second_key else { return Ok(()) };
    if record.baseline.is_some() || *fingerprint == of_approval(&record.fingerprint, subjects) {
        return Ok(());
    }
    let reason = "its names mean others at Okta than when it began to wait for approval: nothing was sent";
    Err(Code::ChangedMeanwhile.because(reason).error)
}
