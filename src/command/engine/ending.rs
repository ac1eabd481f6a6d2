//! The end of a command: its outcome in the journal and the audit, before anybody is told.

use super::{
    Context, EngineError,
    attempt::Carried,
    job::{Job, Origin},
    journal::{Kept, Unreadable},
    outcomes,
    publish::Told,
};
use crate::command::{
    Failed, Outcome, OutcomeError, Performed, Status, Subjects, Way, dead_letters::DeadLetter, record::Record,
};

impl Context {
    pub(super) async fn end_well(
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
        let mut outcome = self.outcome(job, &kept.record, status);
        outcome.okta_request_id = performed.okta_request_id;
        outcome.before = performed.before;
        outcome.after = performed.after;
        let Performed { result, revealed, .. } = performed;
        let names: Vec<_> = revealed.iter().map(|revealed| revealed.name).collect();
        let shown = !names.is_empty() && self.shows_secrets(job);
        if !shown {
            outcome.result = outcomes::without(result, &names, false);
            let kept = self.ended(job, kept, Some(subjects), &outcome).await?;
            return Ok(Carried::Ended(kept, Box::new(Told::openly(outcome))));
        }
        let with = |result| Outcome { result, ..outcome.clone() };
        let to_keep = with(outcomes::without(result.clone(), &names, true));
        let kept = self.ended(job, kept, Some(subjects), &to_keep).await?;
        let privately = Some(with(outcomes::with(result.clone(), &revealed)));
        let openly = with(outcomes::without(result, &names, false));
        Ok(Carried::Ended(kept, Box::new(Told { openly, privately })))
    }

    pub(super) async fn end_failed(
        &self,
        job: &Job,
        kept: Kept,
        failed: Failed,
    ) -> Result<Carried, EngineError> {
        let mut outcome = self.outcome(job, &kept.record, Status::Failed);
        outcome.error = Some(failed.error);
        outcome.result = failed.result.into();
        outcome.before = failed.before;
        outcome.okta_request_id = failed.okta_request_id;
        let kept = self.ended(job, kept, None, &outcome).await?;
        Ok(Carried::Ended(kept, Box::new(Told::openly(outcome))))
    }

    pub(super) async fn ended_so(
        &self,
        job: &Job,
        kept: Kept,
        status: Status,
        error: OutcomeError,
    ) -> Result<Carried, EngineError> {
        let (kept, told) = self.end(job, kept, status, error).await?;
        Ok(Carried::Ended(kept, Box::new(told)))
    }

    /// Ends a command without having done it.
    pub(super) async fn end(
        &self,
        job: &Job,
        kept: Kept,
        status: Status,
        error: OutcomeError,
    ) -> Result<(Kept, Told), EngineError> {
        let mut outcome = self.outcome(job, &kept.record, status);
        outcome.error = Some(error);
        let kept = self.ended(job, kept, None, &outcome).await?;
        Ok((kept, Told::openly(outcome)))
    }

    /// Ends a command whose entry in the journal cannot be read: nobody knows whether it was done. The entry goes to the
    /// dead letters.
    pub(super) async fn set_aside(
        &self,
        job: &Job,
        unreadable: Unreadable,
    ) -> Result<(Kept, Told), EngineError> {
        let id = &job.command.id;
        let reason = format!("the journal's entry of command {id} cannot be read: {}", unreadable.problem);
        let (place, payload, headers) = ("journal", unreadable.content.as_bytes(), &Vec::new());
        self.keep_dead_letter(DeadLetter { place, reason: &reason, headers, payload }).await;
        tracing::error!(
            commands = self.config.name,
            command_id = id,
            reason,
            "an entry of the journal is set aside"
        );
        let kept = self.journal.replace(id, &unreadable, self.record_of(&job.command)).await?;
        self.end(job, kept, Status::Failed, outcomes::journal_unreadable(&unreadable.problem)).await
    }

    /// Makes `outcome`, which has no secrets, durable, and the audit complete.
    async fn ended(
        &self,
        job: &Job,
        kept: Kept,
        subjects: Option<&Subjects>,
        outcome: &Outcome,
    ) -> Result<Kept, EngineError> {
        let subjects = subjects.or(kept.record.subjects.as_ref());
        self.audit_command(job, subjects, outcomes::decision(outcome.status), Some(outcome)).await;
        let record = match subjects {
            Some(subjects) => kept.record.clone().about(subjects),
            None => kept.record.clone(),
        };
        let Some(record) = record.ended(outcome) else { return Ok(kept) };
        let kept = self.journal.keep(&job.command.id, &kept, record).await?;
        self.status.ended(job.command.request.action().name(), outcome);
        Ok(kept)
    }

    fn outcome(&self, job: &Job, record: &Record, status: Status) -> Outcome {
        outcomes::outcome(&job.command.id, record, status, self.clock.now())
    }

    fn shows_secrets(&self, job: &Job) -> bool {
        match &job.origin {
            Origin::Queue { .. } | Origin::Parked { .. } => self.admission.policy.reveals(&job.command),
            Origin::Asked { reveals, .. } => *reveals,
        }
    }
}
