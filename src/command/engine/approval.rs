//! Messages that approve commands of other keys. Each has its own outcome, and lets the waiting command continue.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    job::{Message, Origin, Settlement},
    journal::{JournalEntry, SavedRecord},
    outcomes,
    parked::WaitsFor,
    publish::{Addressee, OutcomeViews},
    receive::{Received, Redelivered, RefusedMessage, UntrustedClaims, dead, distrusted},
    turns::Turn,
    worker::WorkerResult,
};
use crate::command::{
    Action, Outcome, OutcomeError, Status, Subjects,
    audit::{AuditRecord, Decision},
    message::{APPROVE, Approval},
    policy::{KeyName, RejectedSignature, Verified},
    record::{CommandStage, Record, SecondKey},
};

/// An approval that is being processed.
#[derive(Debug)]
pub(super) struct ApprovalJob {
    pub(super) approval: Approval,
    /// None: a user of the command line, who has no key.
    pub(super) key: Option<KeyName>,
    pub(super) origin: Origin,
}

impl Context {
    /// Receives an approval: checks its signature and the journal.
    pub(super) async fn receive_approval(
        &self,
        approval: Approval,
        verified: Result<Verified, RejectedSignature>,
        message: Message,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Received, EngineError> {
        let claimed = |error: &OutcomeError, key| UntrustedClaims {
            id: approval.id.clone(),
            action: Some(APPROVE.to_owned()),
            code: error.code.clone(),
            key,
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(RejectedSignature { error, claimed_key }) => {
                return Ok(distrusted(message, claimed(&error, claimed_key), &error, origin));
            }
        };
        // Only commands are parked.
        if matches!(origin, Origin::Parked { .. }) {
            return Ok(dead(message, "an approval does not wait".to_owned(), None, origin));
        }
        let found = self.journal.find(&approval.id).await?;
        if let JournalEntry::Record(saved) = &found
            && let Some(durable) = saved.record.answered_before(origin.queue_place())
        {
            let (id, has_ended) = (approval.id, saved.record.has_ended());
            return Ok(Received::Redelivered(Box::new(Redelivered { id, has_ended, durable, origin })));
        }
        let is_fresh = match found {
            JournalEntry::Missing => verified.require_fresh(now),
            JournalEntry::Record(_) | JournalEntry::Unreadable(_) => Ok(()),
        };
        if let Err(error) = is_fresh.and_then(|()| verified.require_covers_id(approval.is_id_in_payload)) {
            return Ok(distrusted(message, claimed(&error, verified.key().cloned()), &error, origin));
        }
        let key = verified.key().cloned();
        // A key cannot occupy an id with an approval that it may never give.
        if matches!(found, JournalEntry::Missing)
            && let Err(error) = verified.require_approver()
        {
            let error = outcomes::of_message(error, &approval.id);
            let outcome = outcomes::refused(origin.place(), Some(APPROVE), error, now);
            let signed_by = key.map(|key| key.to_string());
            let refused =
                RefusedMessage { outcome, command: None, signed_by, is_authenticated: true, origin };
            return Ok(Received::Refused(Box::new(refused)));
        }
        let fingerprint = approval.fingerprint.to_saved(&self.key);
        let mut record = Record::new(APPROVE, &fingerprint, approval.requested_by.as_deref(), now);
        record.signed_by = key.as_ref().map(ToString::to_string);
        let saved = match found {
            JournalEntry::Missing => self.journal.receive(&approval.id, record).await?,
            found => found,
        };
        match saved {
            JournalEntry::Record(saved) if saved.record.fingerprint == fingerprint => {
                Ok(Received::Approval(Box::new(ApprovalJob { approval, key, origin })))
            }
            // The first message with an id keeps it.
            JournalEntry::Record(_) | JournalEntry::Missing | JournalEntry::Unreadable(_) => {
                let error = outcomes::id_reused(&approval.id);
                let outcome = outcomes::refused(origin.place(), Some(APPROVE), error, now);
                let signed_by = key.map(|key| key.to_string());
                let refused =
                    RefusedMessage { outcome, command: None, signed_by, is_authenticated: false, origin };
                Ok(Received::Refused(Box::new(refused)))
            }
        }
    }

    /// Approves a command, or refuses to. May be dropped at any time: the journal shows how to continue.
    pub(super) async fn approve(
        &self,
        job: ApprovalJob,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<WorkerResult, EngineError> {
        if stop.run_until_cancelled(turn.wait()).await.is_none() || !job.origin.begin() {
            return Ok(WorkerResult::Settled);
        }
        let ApprovalJob { approval, origin, .. } = &job;
        let JournalEntry::Record(saved) = self.journal.find(&approval.id).await? else {
            return Ok(WorkerResult::Settled);
        };
        let (saved, outcome, woken) = match &saved.record.stage {
            CommandStage::Ended { outcome, answers } => {
                let outcome = Outcome { repeated: *answers > 0, ..Outcome::clone(outcome) };
                (saved, outcome, None)
            }
            CommandStage::Received | CommandStage::Started { .. } => {
                self.decide_approval(&job, saved).await?
            }
        };
        let views = OutcomeViews::public(outcome);
        if origin.is_published() {
            let to = Addressee { reply_to: approval.reply_to.as_deref(), user: None };
            if !self.outcomes.publish(&views, to, saved.record.answers(), stop).await? {
                return Ok(woken.unwrap_or(WorkerResult::Settled));
            }
        }
        let saved = self.journal.answered(&approval.id, saved, origin.queue_place()).await?;
        if let Some(durable) = saved.record.durable() {
            job.origin.settle(Settlement::Done(durable, Box::new(views.for_requester()))).await;
        }
        Ok(woken.unwrap_or(WorkerResult::Settled))
    }

    /// Decides an approval, and makes the decision durable: first in the record of the command, then as the outcome of
    /// the approval.
    async fn decide_approval(
        &self,
        job: &ApprovalJob,
        saved: SavedRecord,
    ) -> Result<(SavedRecord, Outcome, Option<WorkerResult>), EngineError> {
        let ApprovalJob { approval, key, origin } = job;
        let now = self.clock.now();
        let given = self.give_leave(approval, key.as_ref(), now).await?;
        let status = if given.is_ok() { Status::Done } else { Status::Refused };
        let mut outcome = outcomes::outcome(&approval.id, &saved.record, status, now);
        outcome.error = given.as_ref().err().cloned();
        let subjects = given.as_ref().ok().and_then(Option::as_ref);
        let decision = if given.is_ok() { Decision::Approved } else { Decision::Refused };
        let record = AuditRecord {
            command_id: Some(given.as_ref().map_or(&approval.id, |_| &approval.command)),
            subjects,
            action: Some(APPROVE),
            requested_by: approval.requested_by.as_deref(),
            local_user: origin.local_user(),
            signed_by: key.as_ref().map(KeyName::as_str),
            reason: approval.reason.as_deref(),
            fingerprint: Some(&approval.command_fingerprint),
            status: Some(status),
            error: outcome.error.as_ref().map(|error| error.code.as_str()),
            place: Some(origin.place()),
            ..self.audit.decision(decision)
        };
        self.audit.record(&record).await;
        let woken = given.is_ok().then(|| WorkerResult::Parked { id: approval.command.clone(), due: now });
        let Some(ended) = saved.record.ended(&outcome) else { return Ok((saved, outcome, woken)) };
        let saved = self.journal.save(&approval.id, &saved, ended).await?;
        self.status.ended("unknown", &outcome);
        Ok((saved, outcome, woken))
    }

    /// Records the approval in the command, if `key` may approve it, and makes the command due now, in one write.
    /// Returns the subjects of the command.
    async fn give_leave(
        &self,
        approval: &Approval,
        key: Option<&KeyName>,
        now: Timestamp,
    ) -> Result<Result<Option<Subjects>, OutcomeError>, EngineError> {
        let id = &approval.command;
        let Some(key) = key else { return Ok(Err(outcomes::approver_without_key())) };
        let JournalEntry::Record(saved) = self.journal.find(id).await? else {
            return Ok(Err(outcomes::nothing_to_approve(id)));
        };
        let record = &saved.record;
        // It was given before the daemon ended.
        if let Some(SecondKey::Given { approval: known, .. }) = &record.second_key
            && *known == approval.id
        {
            return Ok(Ok(record.subjects.clone()));
        }
        let (Some(SecondKey::Awaited { until, fingerprint }), Some(sender), Some(action)) =
            (&record.second_key, &record.signed_by, Action::named(&record.action))
        else {
            return Ok(Err(outcomes::nothing_to_approve(id)));
        };
        if !record.is_pending() || *until <= now || self.admission.stops.cancelled(id).is_some() {
            return Ok(Err(outcomes::nothing_to_approve(id)));
        }
        if approval.command_fingerprint != *fingerprint {
            return Ok(Err(outcomes::another_command(id)));
        }
        if let Err(refusal) = self.signatures.require_approver(key, sender, action) {
            return Ok(Err(refusal));
        }
        let Some(note) = self.parked_commands.due_at(id, now, WaitsFor::Time).await? else {
            return Ok(Err(outcomes::nothing_to_approve(id)));
        };
        let given = SecondKey::Given {
            by: key.to_string(),
            key: self.signatures.mark(key.as_str()),
            at: now,
            approval: approval.id.clone(),
            fingerprint: fingerprint.clone(),
        };
        let approved = Record { second_key: Some(given), parked_until: Some(now), ..record.clone() };
        self.journal.save_with_note(id, &saved, approved, note).await?;
        self.parked_commands.keep(id, WaitsFor::Time);
        Ok(Ok(record.subjects.clone()))
    }
}
