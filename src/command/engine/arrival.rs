//! What arrives: read, known by the journal, allowed at first sight, and made into a job, in the order of arrival.

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{sync::oneshot, task::JoinError};

use super::{
    EngineError, Office, RETRY_FIRST, RETRY_MAX, Trouble,
    answers::Addressee,
    job::{Answer, Found, Job, Origin, Verdict},
    trail, verdicts,
};
use crate::{
    command::{
        LocalUser, Outcome, OutcomeError,
        audit::{AuditRecord, Decision},
        dead_letters::DeadLetter,
        execute::Resolved,
        intake::Delivery,
        journal::{Durable, Record, Stage},
        message::{self, Command, Headers, Timing, Undecodable},
        policy::{KeyName, Untrusted, Verified},
    },
    stream::Backoff,
    telemetry::chain,
};

/// Something to be carried out.
#[derive(Debug)]
pub(super) enum Arrival {
    /// From a queue.
    Delivery(Box<Delivery>),
    /// From somebody of this machine.
    Asked(Asked),
}

/// A command that somebody of this machine asks for.
#[derive(Debug)]
pub struct Asked {
    /// The message.
    pub payload: Bytes,
    /// Who they are.
    pub by: LocalUser,
    /// To tell them what became of it.
    pub answer: oneshot::Sender<Answer>,
}

/// Why a message is not let in, and the key behind it: the one that it was signed with, or claims to be.
struct NotLetIn {
    error: OutcomeError,
    signed_by: Option<KeyName>,
    claimed_key: Option<KeyName>,
}

impl NotLetIn {
    fn after(verified: &Result<Verified, Untrusted>, error: OutcomeError) -> Self {
        match verified {
            Ok(verified) => Self { error, signed_by: verified.key().cloned(), claimed_key: None },
            Err(untrusted) => Self { error, signed_by: None, claimed_key: untrusted.claimed_key.clone() },
        }
    }
}

/// Reads a message off the runtime: it may be large.
async fn decoded(
    payload: Bytes,
    headers: Headers,
    message_id: Option<String>,
) -> (Bytes, Headers, Result<Command, Undecodable>) {
    let decoding = tokio::task::spawn_blocking(move || {
        let decoded = message::decode(&payload, &headers, message_id.as_deref());
        (payload, headers, decoded)
    });
    match decoding.await.map_err(JoinError::try_into_panic) {
        Ok(decoded) => decoded,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is ending, and we with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

impl Office {
    /// Reads a message; none if it is settled, because it is no command.
    pub(super) async fn arrive(&self, arrival: Arrival) -> Result<Option<Job>, EngineError> {
        let now = Timestamp::now();
        let (payload, headers, message_id, unfit, origin) = match arrival {
            Arrival::Delivery(delivery) => {
                let Delivery { payload, headers, message_id, place, unfit, ticket } = *delivery;
                (payload, headers, message_id, unfit, Origin::Queue { place, ticket })
            }
            Arrival::Asked(Asked { payload, by, answer }) => {
                (payload, Headers::new(), None, None, Origin::Asked { reveals: false, by, answer })
            }
        };
        if let Some(reason) = unfit {
            self.bury(origin, &payload, &headers, &reason).await?;
            return Ok(None);
        }
        let verified = match origin {
            Origin::Queue { .. } => self.signatures.verify(&payload, &headers),
            // Who may open the control socket may do all that policy allows.
            Origin::Asked { .. } => Ok(Verified::unsigned()),
        };
        let (payload, headers, decoded) = decoded(payload, headers, message_id).await;
        let mut command = match decoded {
            Ok(command) => command,
            Err(undecodable) => {
                self.refuse_unreadable(origin, &payload, &headers, (undecodable, &verified), now).await?;
                return Ok(None);
            }
        };
        let origin = self.with_right_to_secrets(origin, &mut command);
        let known = self.ledger.find(&command.id).await?.map(|kept| kept.record);
        let let_in = self.let_in(&verified, &command, known.as_ref(), now);
        let record = match (let_in, known) {
            (Ok(()), Some(known)) => known,
            (Ok(()), None) => {
                let signed_by = verified.ok().and_then(|verified| Some(verified.key()?.to_string()));
                let record = Record { signed_by, ..self.record_of(&command) };
                self.ledger.receive(&command.id, record).await?.record
            }
            (Err(error), _) => {
                self.refuse(origin, &command, NotLetIn::after(&verified, error), now).await?;
                return Ok(None);
            }
        };
        let found = match &record.stage {
            Stage::Ended { .. } => Found::Ended,
            // Okta is not asked about what is not begun now.
            Stage::Received if command.timing(now) != Timing::Due => Found::Unknown,
            Stage::Received | Stage::Started { .. } => self.find(&command, &record).await,
        };
        Ok(Some(Job { command, found, has_waited: false, signed_by: record.signed_by, origin }))
    }

    /// Whether a message is the command whose id it has, and signed as it must be. A copy must be signed as well as the
    /// first, or it would tell whoever can write to the queue what is known here.
    fn let_in(
        &self,
        verified: &Result<Verified, Untrusted>,
        command: &Command,
        known: Option<&Record>,
        now: Timestamp,
    ) -> Result<(), OutcomeError> {
        let is_copy = known.is_some_and(|known| command.fingerprint.is_kept(&known.fingerprint, &self.key));
        // What was begun was let in, whatever has become of its key: only Okta can tell what came of it.
        let is_begun = is_copy && known.is_some_and(|known| matches!(known.stage, Stage::Started { .. }));
        if !is_begun {
            let verified = verified.as_ref().map_err(|untrusted| untrusted.error.clone())?;
            if known.is_none() {
                verified.require_fresh(now)?;
            }
            verified.require_covers(command)?;
        }
        match known {
            Some(_) if !is_copy => Err(verdicts::id_reused(&command.id)),
            _ => Ok(()),
        }
    }

    /// The first record of `command`.
    pub(super) fn record_of(&self, command: &Command) -> Record {
        let action = command.request.action().name();
        let requested_by = command.requested_by.as_deref();
        Record::new(action, &command.fingerprint.to_kept(&self.key), requested_by, Timestamp::now())
    }

    /// The command line is as private as the control socket: who uses it needs no address for secrets, but they must be
    /// allowed.
    fn with_right_to_secrets(&self, origin: Origin, command: &mut Command) -> Origin {
        let Origin::Asked { by, answer, .. } = origin else { return origin };
        let reveals = command.reveal && self.config.reveal.allowed;
        command.reveal &= !reveals;
        Origin::Asked { reveals, by, answer }
    }

    /// Whom the command names. Okta is not asked about what is not allowed.
    async fn find(&self, command: &Command, record: &Record) -> Found {
        if let Some(subjects) = &record.subjects {
            return Found::Subjects(subjects.clone().into());
        }
        if self.gate.policy.admit(command).is_err() {
            return Found::Subjects(Resolved::default());
        }
        match self.executor.resolve(&command.request).await {
            Ok(resolved) => Found::Subjects(resolved),
            // Its turn tells more.
            Err(_) => Found::Unknown,
        }
    }

    /// Keeps what can never be a command.
    async fn bury(
        &self,
        origin: Origin,
        payload: &[u8],
        headers: &Headers,
        reason: &str,
    ) -> Result<(), EngineError> {
        let letter = DeadLetter { place: origin.place(), reason, headers, payload };
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        while let Err(err) = self.dead_letters.keep(letter).await {
            self.status.fails(Trouble::DeadLetters, &chain(&err));
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.works(Trouble::DeadLetters);
        let place = Some(origin.place());
        let decision = trail::decision(&self.config.name, Decision::DeadLetter);
        self.trail.record(&AuditRecord { error: Some(reason), place, ..decision }).await?;
        self.status.dead_letter();
        tracing::warn!(
            commands = self.config.name,
            place = origin.place(),
            reason,
            "a message can never be a command: it is in the dead letters"
        );
        if let Origin::Queue { ticket, .. } = origin {
            ticket.poison().await;
        }
        Ok(())
    }

    async fn refuse_unreadable(
        &self,
        origin: Origin,
        payload: &[u8],
        headers: &Headers,
        (undecodable, verified): (Undecodable, &Result<Verified, Untrusted>),
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let id = match (&undecodable.id, &origin) {
            (Some(id), _) => id.clone(),
            (None, Origin::Asked { .. }) => String::new(),
            (None, Origin::Queue { .. }) => {
                return self.bury(origin, payload, headers, &undecodable.error.message).await;
            }
        };
        let outcome = verdicts::undecodable(&undecodable, &id, now);
        let refused = NotLetIn::after(verified, undecodable.error);
        self.answer_refusal(origin, outcome, None, &refused).await
    }

    /// Refuses a message that has the form of a command, and is not to be known by the journal.
    async fn refuse(
        &self,
        origin: Origin,
        command: &Command,
        refused: NotLetIn,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let action = Some(command.request.action().name());
        let outcome = verdicts::refused(&command.id, action, refused.error.clone(), now);
        self.answer_refusal(origin, outcome, Some(command), &refused).await
    }

    async fn answer_refusal(
        &self,
        origin: Origin,
        outcome: Outcome,
        command: Option<&Command>,
        refused: &NotLetIn,
    ) -> Result<(), EngineError> {
        let record = AuditRecord {
            signed_by: refused.signed_by.as_ref().map(KeyName::as_str),
            claimed_key: refused.claimed_key.as_ref().map(KeyName::as_str),
            local_user: origin.local_user(),
            command_id: Some(&outcome.command_id),
            action: Some(&outcome.action),
            requested_by: command.and_then(|command| command.requested_by.as_deref()),
            reason: command.and_then(|command| command.reason.as_deref()),
            status: Some(outcome.status),
            error: Some(&refused.error.code),
            place: Some(origin.place()),
            ..trail::decision(&self.config.name, Decision::Refused)
        };
        self.trail.record(&record).await?;
        let action = command.map_or("unknown", |command| command.request.action().name());
        self.status.ended(action, &outcome);
        if let Origin::Queue { place, .. } = &origin {
            let reply_to = command.and_then(|command| command.reply_to.as_deref());
            let to = Addressee { reply_to, user: None };
            self.answers.publish_refusal(outcome.clone(), place, to).await?;
        }
        origin.settle(Verdict::Done(Durable::without_journal(), Box::new(outcome))).await;
        Ok(())
    }
}
