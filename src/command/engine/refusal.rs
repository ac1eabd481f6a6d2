//! Messages that are not executed: refused ones get their one outcome; messages that can never be a command, or whose
//! sender is not trusted, go to the dead letters and get no answer.

use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    job::{Origin, Settlement},
    journal::{JournalEntry, SavedRecord},
    outcomes,
    parked::UnreadableParked,
    publish::{Addressee, OutcomeViews},
    receive::{DeadMessage, RefusedMessage, UntrustedClaims},
    trouble::Trouble,
    turns::Turn,
    worker::{MANY_COPIES, WorkerResult},
};
use crate::{
    command::{
        Outcome, Status,
        audit::{AuditRecord, Decision},
        dead_letters::DeadLetter,
        policy::KeyName,
        record::{CommandStage, Durable, Record},
    },
    retry::{RetryPolicy, retry},
    telemetry::chain,
};

impl Context {
    /// Refuses a message that is not a command, or a command that is not executed.
    pub(super) async fn refuse(
        &self,
        refused: RefusedMessage,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<WorkerResult, EngineError> {
        if stop.run_until_cancelled(turn.wait()).await.is_none() {
            return Ok(WorkerResult::Settled);
        }
        let RefusedMessage { mut outcome, command, signed_by, is_authenticated, origin } = refused;
        // The command was received twice, because it was cancelled in the meantime; the first has ended it.
        if matches!(&origin, Origin::Parked { id, .. } if !self.parked_commands.has(id)) {
            return Ok(WorkerResult::Settled);
        }
        let (place, error) = (origin.place(), outcome.error.as_ref());
        let record = AuditRecord {
            command_id: command.as_ref().map_or(Some(&outcome.command_id), |command| Some(&command.id)),
            action: Some(&outcome.action),
            signed_by: signed_by.as_deref(),
            local_user: origin.local_user(),
            status: Some(outcome.status),
            error: error.map(|error| error.code.as_str()),
            // The message has the id of another command, which the reason names.
            reason: error.map(|error| error.message.as_str()),
            place: Some(place),
            ..self.audit.decision(Decision::Refused)
        };
        match is_authenticated {
            true => self.audit.record(&record).await,
            false => self.audit.record_unauthenticated(&record).await,
        }
        let mut saved = None;
        let mut reply_to = None;
        if let Some(command) = &command {
            let mut record = Record::new(&outcome.action, &command.fingerprint, None, outcome.received_at);
            record.signed_by = signed_by;
            if let JournalEntry::Record(found) = self.journal.receive(&command.id, record).await?
                && found.record.fingerprint == command.fingerprint
            {
                // A change was sent in the meantime: only Okta can tell what was done.
                if found.record.may_be_done() {
                    return Ok(self.postpone(origin, MANY_COPIES).await);
                }
                outcome.command_id.clone_from(&command.id);
                reply_to = command.reply_to.as_deref();
                saved = Some(match &found.record.stage {
                    // The parked command ended before its key was removed.
                    CommandStage::Ended { outcome: first, .. } => {
                        outcome = Outcome::clone(first);
                        found
                    }
                    CommandStage::Received | CommandStage::Started { .. } => {
                        match found.record.ended(&outcome) {
                            Some(ended) => self.journal.save(&command.id, &found, ended).await?,
                            None => found,
                        }
                    }
                });
            }
        }
        self.status.ended("unknown", &outcome);
        let answers = saved.as_ref().map_or(0, |saved| saved.record.answers());
        outcome.repeated = answers > 0;
        let views = OutcomeViews::public(outcome);
        if origin.is_published() {
            let is_published = match &saved {
                Some(_) => {
                    self.outcomes.publish(&views, Addressee { reply_to, user: None }, answers, stop).await?
                }
                None => self.outcomes.publish_refusal(&views, stop).await?,
            };
            if !is_published {
                return Ok(WorkerResult::Settled);
            }
        }
        if let (Some(saved), Some(command)) = (saved, &command) {
            self.journal.answered(&command.id, saved, origin.queue_place()).await?;
            self.forget_stopped(&command.id).await?;
        }
        origin.settle(Settlement::Done(Durable::without_journal(), Box::new(views.for_requester()))).await;
        Ok(WorkerResult::Settled)
    }

    /// Writes a message that can never be a command, or whose sender is not trusted, to the dead letters.
    pub(super) async fn write_dead_letter(
        &self,
        dead: DeadMessage,
        stop: &CancellationToken,
    ) -> Result<WorkerResult, EngineError> {
        let DeadMessage { message, reason, refused, origin } = dead;
        let (headers, payload, place) = (&message.headers, &message.payload[..], origin.place());
        let letter = DeadLetter { place, reason: &reason, headers, payload };
        if stop.run_until_cancelled(self.keep_dead_letter(letter)).await.is_none() {
            return Ok(WorkerResult::Settled);
        }
        let record = match &refused {
            Some(UntrustedClaims { id, action, code, key }) => AuditRecord {
                claimed_key: key.as_ref().map(KeyName::as_str),
                command_id: Some(id),
                action: action.as_deref(),
                error: Some(code),
                place: Some(place),
                ..self.audit.decision(Decision::Refused)
            },
            None => AuditRecord {
                error: Some(&reason),
                place: Some(place),
                ..self.audit.decision(Decision::DeadLetter)
            },
        };
        match &origin {
            Origin::Queue { .. } => self.audit.record_unauthenticated(&record).await,
            Origin::Parked { .. } | Origin::Local { .. } => self.audit.record(&record).await,
        }
        if let Origin::Parked { id, .. } = &origin {
            self.forget_stopped(id).await?;
        }
        tracing::warn!(
            commands = self.config.name,
            place,
            reason,
            "a message cannot be executed as a command: it is in the dead letters"
        );
        origin.reject().await;
        Ok(WorkerResult::Settled)
    }

    /// Ends a parked command that cannot be read: its note goes to the dead letters.
    pub(super) async fn end_unreadable_parked(
        &self,
        unreadable: UnreadableParked,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<WorkerResult, EngineError> {
        let UnreadableParked { id, note, content, problem } = unreadable;
        let is_ours = stop.run_until_cancelled(turn.wait()).await.is_some();
        // The command was received twice, because it was cancelled in the meantime; the first has ended it.
        if !is_ours || !self.parked_commands.has(&id) {
            return Ok(WorkerResult::Settled);
        }
        let reason =
            format!("the note `{note}` of a command that waited in the state cannot be read: {problem}");
        tracing::error!(
            commands = self.config.name,
            command_id = id,
            reason,
            "a parked command is not executed: send it again with a new id"
        );
        let saved = match self.journal.find(&id).await? {
            JournalEntry::Record(saved) => Some(saved),
            JournalEntry::Missing | JournalEntry::Unreadable(_) => None,
        };
        let is_over = saved.as_ref().is_some_and(|saved| saved.record.has_ended());
        if !is_over {
            let letter = DeadLetter {
                place: &note,
                reason: &reason,
                headers: &Vec::new(),
                payload: content.as_bytes(),
            };
            if stop.run_until_cancelled(self.keep_dead_letter(letter)).await.is_none() {
                return Ok(WorkerResult::Settled);
            }
        }
        if let Some(saved) = saved {
            let (saved, outcome) = self.end_unreadable(&id, saved, &problem).await?;
            let (views, answers) = (OutcomeViews::public(outcome), saved.record.answers());
            let to = Addressee { reply_to: None, user: None };
            if answers == 0 {
                if !self.outcomes.publish(&views, to, answers, stop).await? {
                    return Ok(WorkerResult::Settled);
                }
                self.journal.answered(&id, saved, None).await?;
            }
        }
        self.forget_stopped(&id).await?;
        Ok(WorkerResult::Settled)
    }

    /// Ends the command with an outcome, if it has none.
    async fn end_unreadable(
        &self,
        id: &str,
        saved: SavedRecord,
        problem: &str,
    ) -> Result<(SavedRecord, Outcome), EngineError> {
        if let CommandStage::Ended { outcome, .. } = &saved.record.stage {
            let outcome = Outcome::clone(outcome);
            return Ok((saved, outcome));
        }
        let error = outcomes::parked_unreadable(problem, saved.record.may_be_done());
        let record = AuditRecord {
            command_id: Some(id),
            action: Some(&saved.record.action),
            status: Some(Status::Failed),
            error: Some(&error.code),
            reason: Some(&error.message),
            ..self.audit.decision(Decision::Ended)
        };
        self.audit.record(&record).await;
        let outcome = outcomes::outcome(id, &saved.record, Status::Failed, self.clock.now());
        let outcome = Outcome { error: Some(error), ..outcome };
        let Some(ended) = saved.record.ended(&outcome) else { return Ok((saved, outcome)) };
        let saved = self.journal.save(id, &saved, ended).await?;
        self.status.ended("unknown", &outcome);
        Ok((saved, outcome))
    }

    /// Writes a dead letter, with retries. May be dropped at any time: then it is written or not.
    pub(super) async fn keep_dead_letter(&self, letter: DeadLetter<'_>) {
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::DeadLetters);
        let attempt = || self.dead_letters.keep(letter);
        retry(&mut backoff, attempt, |err| reporter.report(&chain(err))).await;
        self.status.dead_letter();
    }
}
