//! Messages that are not carried out: those that are refused get their one outcome, and what can never be a command, or whose
//! sender is not trusted, goes to the dead letters and is not answered.

use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    job::{Origin, Verdict},
    journal::{Found, Kept},
    outcomes,
    parked::Spoiled,
    publish::{Addressee, Told},
    receive::{Claimed, DeadMessage, Refused},
    trouble::Trouble,
    turns::Turn,
    worker::{Ended, MANY_COPIES},
};
use crate::{
    command::{
        Outcome, Status,
        audit::{AuditRecord, Decision},
        dead_letters::DeadLetter,
        policy::KeyName,
        record::{Durable, Record, Stage},
    },
    retry::RetryPolicy,
    telemetry::chain,
};

impl Context {
    /// Refuses a message that is no command, or not one that is carried out.
    pub(super) async fn refuse(
        &self,
        refused: Refused,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<Ended, EngineError> {
        if stop.run_until_cancelled(turn.wait()).await.is_none() {
            return Ok(Ended::Settled);
        }
        let Refused { mut outcome, command, signed_by, is_vouched_for, origin } = refused;
        // It came twice, because it was cancelled meanwhile, and has ended.
        if matches!(&origin, Origin::Parked { id, .. } if !self.parking.has(id)) {
            return Ok(Ended::Settled);
        }
        let (place, error) = (origin.place(), outcome.error.as_ref());
        let record = AuditRecord {
            command_id: command.as_ref().map_or(Some(&outcome.command_id), |command| Some(&command.id)),
            action: Some(&outcome.action),
            signed_by: signed_by.as_deref(),
            local_user: origin.local_user(),
            status: Some(outcome.status),
            error: error.map(|error| error.code.as_str()),
            // It names the id that the message bears, where that is another command's.
            reason: error.map(|error| error.message.as_str()),
            place: Some(place),
            ..self.audit.decision(Decision::Refused)
        };
        match is_vouched_for {
            true => self.audit.record(&record).await,
            false => self.audit.record_unvouched(&record).await,
        }
        let mut kept = None;
        let mut reply_to = None;
        if let Some(command) = &command {
            let mut record = Record::new(&outcome.action, &command.fingerprint, None, outcome.received_at);
            record.signed_by = signed_by;
            if let Found::Record(found) = self.journal.receive(&command.id, record).await?
                && found.record.fingerprint == command.fingerprint
            {
                // Something was sent meanwhile: only Okta can tell what came of it.
                if found.record.may_be_done() {
                    return Ok(self.put_off(origin, MANY_COPIES).await);
                }
                outcome.command_id.clone_from(&command.id);
                reply_to = command.reply_to.as_deref();
                kept = Some(match &found.record.stage {
                    // It waited in the state, and has ended before its key was taken away.
                    Stage::Ended { outcome: first, .. } => {
                        outcome = Outcome::clone(first);
                        found
                    }
                    Stage::Received | Stage::Started { .. } => match found.record.ended(&outcome) {
                        Some(ended) => self.journal.keep(&command.id, &found, ended).await?,
                        None => found,
                    },
                });
            }
        }
        self.status.ended("unknown", &outcome);
        let answers = kept.as_ref().map_or(0, |kept| kept.record.answers());
        outcome.repeated = answers > 0;
        let told = Told::openly(outcome);
        if origin.is_published() {
            let is_published = match &kept {
                Some(_) => {
                    self.outcomes.publish(&told, Addressee { reply_to, user: None }, answers, stop).await?
                }
                None => self.outcomes.publish_refusal(&told, stop).await?,
            };
            if !is_published {
                return Ok(Ended::Settled);
            }
        }
        if let (Some(kept), Some(command)) = (kept, &command) {
            self.journal.answered(&command.id, kept, origin.queue_place()).await?;
            self.forget_stopped(&command.id).await?;
        }
        origin.settle(Verdict::Done(Durable::without_journal(), Box::new(told.for_asker()))).await;
        Ok(Ended::Settled)
    }

    /// Keeps what can never be a command, or whose sender is not trusted.
    pub(super) async fn bury(
        &self,
        dead: DeadMessage,
        stop: &CancellationToken,
    ) -> Result<Ended, EngineError> {
        let DeadMessage { message, reason, refused, origin } = dead;
        let (headers, payload, place) = (&message.headers, &message.payload[..], origin.place());
        let letter = DeadLetter { place, reason: &reason, headers, payload };
        if stop.run_until_cancelled(self.keep_dead_letter(letter)).await.is_none() {
            return Ok(Ended::Settled);
        }
        let record = match &refused {
            Some(Claimed { id, action, code, key }) => AuditRecord {
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
            Origin::Queue { .. } => self.audit.record_unvouched(&record).await,
            Origin::Parked { .. } | Origin::Asked { .. } => self.audit.record(&record).await,
        }
        if let Origin::Parked { id, .. } = &origin {
            self.forget_stopped(id).await?;
        }
        tracing::warn!(
            commands = self.config.name,
            place,
            reason,
            "a message is no command that can be obeyed: it is in the dead letters"
        );
        origin.reject().await;
        Ok(Ended::Settled)
    }

    /// Ends a command that waited in the state and cannot be read: what was kept goes to the dead letters.
    pub(super) async fn give_up_spoiled(
        &self,
        spoiled: Spoiled,
        mut turn: Turn,
        stop: &CancellationToken,
    ) -> Result<Ended, EngineError> {
        let Spoiled { id, note, content, problem } = spoiled;
        let is_ours = stop.run_until_cancelled(turn.wait()).await.is_some();
        // It came twice, because it was cancelled meanwhile, and has ended.
        if !is_ours || !self.parking.has(&id) {
            return Ok(Ended::Settled);
        }
        let reason =
            format!("the note `{note}` of a command that waited in the state cannot be read: {problem}");
        tracing::error!(
            commands = self.config.name,
            command_id = id,
            reason,
            "a command that waited in the state is not carried out: send it anew, with a new id"
        );
        let kept = match self.journal.find(&id).await? {
            Found::Record(kept) => Some(kept),
            Found::Nothing | Found::Unreadable(_) => None,
        };
        let is_over = kept.as_ref().is_some_and(|kept| kept.record.has_ended());
        if !is_over {
            let letter = DeadLetter {
                place: &note,
                reason: &reason,
                headers: &Vec::new(),
                payload: content.as_bytes(),
            };
            if stop.run_until_cancelled(self.keep_dead_letter(letter)).await.is_none() {
                return Ok(Ended::Settled);
            }
        }
        if let Some(kept) = kept {
            let (kept, outcome) = self.end_spoiled(&id, kept, &problem).await?;
            let (told, answers) = (Told::openly(outcome), kept.record.answers());
            let to = Addressee { reply_to: None, user: None };
            if answers == 0 {
                if !self.outcomes.publish(&told, to, answers, stop).await? {
                    return Ok(Ended::Settled);
                }
                self.journal.answered(&id, kept, None).await?;
            }
        }
        self.forget_stopped(&id).await?;
        Ok(Ended::Settled)
    }

    /// Gives such a command its outcome, if it has none.
    async fn end_spoiled(&self, id: &str, kept: Kept, problem: &str) -> Result<(Kept, Outcome), EngineError> {
        if let Stage::Ended { outcome, .. } = &kept.record.stage {
            let outcome = Outcome::clone(outcome);
            return Ok((kept, outcome));
        }
        let error = outcomes::parked_unreadable(problem, kept.record.may_be_done());
        let record = AuditRecord {
            command_id: Some(id),
            action: Some(&kept.record.action),
            status: Some(Status::Failed),
            error: Some(&error.code),
            reason: Some(&error.message),
            ..self.audit.decision(Decision::Ended)
        };
        self.audit.record(&record).await;
        let outcome = outcomes::outcome(id, &kept.record, Status::Failed, self.clock.now());
        let outcome = Outcome { error: Some(error), ..outcome };
        let Some(ended) = kept.record.ended(&outcome) else { return Ok((kept, outcome)) };
        let kept = self.journal.keep(id, &kept, ended).await?;
        self.status.ended("unknown", &outcome);
        Ok((kept, outcome))
    }

    /// Keeps a dead letter, however long that takes. May be dropped at any time: then it is kept or not.
    pub(super) async fn keep_dead_letter(&self, letter: DeadLetter<'_>) {
        let mut waits = RetryPolicy::COMMANDS.backoff();
        let mut waiter = self.status.waiter(Trouble::DeadLetters);
        while let Err(err) = self.dead_letters.keep(letter).await {
            waiter.fails(&chain(&err));
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.dead_letter();
    }
}
