//! Commands that a second key must approve: looks up whom they are about, and parks them until the approval. Admission
//! checks the change like any other.

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    job::{Job, Settlement},
    journal::SavedRecord,
    parked::WaitsFor,
    subject_lookup::SubjectLookup,
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

/// Whether a command has the approval that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApprovalStatus {
    /// No approval is needed, or it was given.
    Granted,
    /// The approval is missing, and must come before this time.
    Pending(Timestamp),
    /// The approval did not come in time.
    Expired,
    /// The command came without a signature, so no second key can approve it.
    Impossible,
}

impl Context {
    /// Whether the command of `job` may go on at `now`, as far as a second key matters.
    pub(super) fn approval_status(&self, job: &Job, record: &Record, now: Timestamp) -> ApprovalStatus {
        let action = job.command.request.action();
        if self.admission.is_approved(action, record) {
            return ApprovalStatus::Granted;
        }
        if record.signed_by.is_none() {
            return ApprovalStatus::Impossible;
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
        if now < until { ApprovalStatus::Pending(until) } else { ApprovalStatus::Expired }
    }

    /// Parks the command until a second key approves it. The users and groups that it names are looked up first: the
    /// approval is for their ids, whoever has the names later.
    pub(super) async fn wait_for_approval(
        &self,
        job: &Job,
        saved: SavedRecord,
        until: Timestamp,
        (turn, stop): (&mut Turn, &CancellationToken),
    ) -> Result<Settlement, EngineError> {
        const WHY: &str = "it waits for the approval by a second key";
        if !job.origin.is_published() {
            return Ok(Settlement::RetryLater(LATER_MAX, WHY));
        }
        let id = &job.command.id;
        let awaits = matches!(saved.record.second_key, Some(SecondKey::Awaited { .. }));
        if awaits && self.parked_commands.has(id) {
            return Ok(match saved.record.parked() {
                Some(durable) => Settlement::Parked(durable, until),
                None => Settlement::RetryLater(LATER_MAX, WHY),
            });
        }
        if stop.run_until_cancelled(self.admission.stops.until_running(id)).await.is_none() {
            return Ok(Settlement::Dropped);
        }
        let subjects = match self.look_up_subjects(job, &saved.record, turn, stop).await {
            SubjectLookup::Subjects(resolved, _) => resolved.subjects,
            SubjectLookup::Failed(failed) => {
                let state = self.end_failed(job, saved, *failed).await?;
                return self.publish_if_ended(job, state, stop).await;
            }
            SubjectLookup::Denied(status, error) => {
                let state = self.end_with(job, saved, status, error).await?;
                return self.publish_if_ended(job, state, stop).await;
            }
            SubjectLookup::Stopped => return Ok(Settlement::Dropped),
        };
        // It may have been cancelled during the look-up.
        if let Err((status, error)) = self.admission.admit(&job.command) {
            let state = self.end_with(job, saved, status, error).await?;
            return self.publish_if_ended(job, state, stop).await;
        }
        if !Record::has_room_for(&subjects) {
            let state = self.end_with(job, saved, Status::Refused, too_many_names()).await?;
            return self.publish_if_ended(job, state, stop).await;
        }
        let fingerprint = of_approval(&saved.record.fingerprint, &subjects);
        self.audit_pending(job, &subjects, &fingerprint).await;
        let second_key = Some(SecondKey::Awaited { until, fingerprint });
        let record = Record { second_key, ..saved.record.clone() }.about(&subjects);
        self.park(job, (saved, record), until, WaitsFor::Approval, stop).await
    }

    /// Writes the audit record of a command that waits for approval, with the fingerprint that the approval must name.
    async fn audit_pending(&self, job: &Job, subjects: &Subjects, fingerprint: &str) {
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

/// Fails if the names in an approved command now mean other objects than at its approval. After a change was sent, the
/// recorded ids count.
pub(super) fn require_approved(record: &Record, subjects: &Subjects) -> Result<(), OutcomeError> {
    let Some(SecondKey::Given { fingerprint, .. }) = &record.second_key else { return Ok(()) };
    if record.baseline.is_some() || *fingerprint == of_approval(&record.fingerprint, subjects) {
        return Ok(());
    }
    let reason = "its names mean others at Okta than when it began to wait for approval: nothing was sent";
    Err(Code::ChangedMeanwhile.because(reason).error)
}
