//! Ends a command: writes its outcome to audit and journal, before it is published.

use super::{
    Context, EngineError,
    attempt::AttemptState,
    job::{Job, Origin},
    journal::{SavedRecord, Unreadable},
    outcomes,
    publish::OutcomeViews,
};
use crate::command::{
    ActionFailure, ActionSuccess, Outcome, OutcomeError, Status, Subjects, SuccessKind,
    dead_letters::DeadLetter, record::Record,
};

impl Context {
    pub(super) async fn end_successful(
        &self,
        job: &Job,
        saved: SavedRecord,
        subjects: &Subjects,
        performed: ActionSuccess,
    ) -> Result<AttemptState, EngineError> {
        let status = match performed.kind {
            SuccessKind::Done => Status::Done,
            SuccessKind::Already => Status::Already,
            SuccessKind::DryRun => Status::DryRun,
        };
        let mut outcome = self.outcome(job, &saved.record, status);
        outcome.okta_request_id = performed.okta_request_id;
        outcome.before = performed.before;
        outcome.after = performed.after;
        let ActionSuccess { result, revealed, .. } = performed;
        let names: Vec<_> = revealed.iter().map(|revealed| revealed.name).collect();
        let shown = !names.is_empty() && self.shows_secrets(job);
        if !shown {
            outcome.result = outcomes::without(result, &names, false);
            let saved = self.ended(job, saved, Some(subjects), &outcome).await?;
            return Ok(AttemptState::Ended(saved, Box::new(OutcomeViews::public(outcome))));
        }
        let with = |result| Outcome { result, ..outcome.clone() };
        let to_keep = with(outcomes::without(result.clone(), &names, true));
        let saved = self.ended(job, saved, Some(subjects), &to_keep).await?;
        let private = Some(with(outcomes::with(result.clone(), &revealed)));
        let public = with(outcomes::without(result, &names, false));
        Ok(AttemptState::Ended(saved, Box::new(OutcomeViews { public, private })))
    }

    pub(super) async fn end_failed(
        &self,
        job: &Job,
        saved: SavedRecord,
        failed: ActionFailure,
    ) -> Result<AttemptState, EngineError> {
        let mut outcome = self.outcome(job, &saved.record, Status::Failed);
        outcome.result = saved.record.progress().result().into();
        outcome.error = Some(failed.error);
        if !failed.result.is_null() {
            outcome.result = failed.result.into();
        }
        outcome.before = failed.before;
        outcome.okta_request_id = failed.okta_request_id;
        let saved = self.ended(job, saved, None, &outcome).await?;
        Ok(AttemptState::Ended(saved, Box::new(OutcomeViews::public(outcome))))
    }

    pub(super) async fn end_with(
        &self,
        job: &Job,
        saved: SavedRecord,
        status: Status,
        error: OutcomeError,
    ) -> Result<AttemptState, EngineError> {
        let (saved, views) = self.end(job, saved, status, error).await?;
        Ok(AttemptState::Ended(saved, Box::new(views)))
    }

    /// Ends a command that was not executed.
    pub(super) async fn end(
        &self,
        job: &Job,
        saved: SavedRecord,
        status: Status,
        error: OutcomeError,
    ) -> Result<(SavedRecord, OutcomeViews), EngineError> {
        let mut outcome = self.outcome(job, &saved.record, status);
        outcome.error = Some(error);
        outcome.result = saved.record.progress().result().into();
        let saved = self.ended(job, saved, None, &outcome).await?;
        Ok((saved, OutcomeViews::public(outcome)))
    }

    /// Ends a command whose journal entry cannot be read, so that nobody knows whether it was executed. The entry goes
    /// to the dead letters.
    pub(super) async fn set_aside(
        &self,
        job: &Job,
        unreadable: Unreadable,
    ) -> Result<(SavedRecord, OutcomeViews), EngineError> {
        let id = &job.command.id;
        let reason = format!("the journal's entry of command {id} cannot be read: {}", unreadable.problem);
        let (place, payload, headers) = ("journal", unreadable.content.as_bytes(), &Vec::new());
        self.keep_dead_letter(DeadLetter { place, reason: &reason, headers, payload }).await;
        tracing::error!(
            commands = self.config.name,
            command_id = id,
            reason,
            "an unreadable entry of the journal is moved to the dead letters"
        );
        let saved = self.journal.replace(id, &unreadable, self.record_of(&job.command)).await?;
        self.end(job, saved, Status::Failed, outcomes::journal_unreadable(&unreadable.problem)).await
    }

    /// Writes `outcome`, which has no secrets, to audit and journal.
    async fn ended(
        &self,
        job: &Job,
        saved: SavedRecord,
        subjects: Option<&Subjects>,
        outcome: &Outcome,
    ) -> Result<SavedRecord, EngineError> {
        let subjects = subjects.or(saved.record.subjects.as_ref());
        self.audit_command(job, subjects, outcomes::decision(outcome.status), Some(outcome)).await;
        let record = match subjects {
            Some(subjects) => saved.record.clone().about(subjects),
            None => saved.record.clone(),
        };
        let Some(record) = record.ended(outcome) else { return Ok(saved) };
        let saved = self.journal.save(&job.command.id, &saved, record).await?;
        self.status.ended(job.command.request.action().name(), outcome);
        Ok(saved)
    }

    fn outcome(&self, job: &Job, record: &Record, status: Status) -> Outcome {
        outcomes::outcome(&job.command.id, record, status, self.clock.now())
    }

    fn shows_secrets(&self, job: &Job) -> bool {
        match &job.origin {
            Origin::Queue { .. } | Origin::Parked { .. } => self.admission.policy.reveals(&job.command),
            Origin::Local { reveals, .. } => *reveals,
        }
    }
}
