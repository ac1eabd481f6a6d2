//! What arrives: bytes are verified, then decoded, then known by the journal. Okta is not asked, and nothing is published
//! here: what is no command goes to the worker of its own like a command.

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{sync::oneshot, task::JoinError};

use super::{
    Context, EngineError,
    approval::ApprovalJob,
    job::{Job, LocalAnswer, Message, Origin},
    journal::{JournalEntry, SavedRecord},
    outcomes,
    parked::{ParkedCommand, UnreadableParked},
};
use crate::command::{
    LocalUser, Outcome, OutcomeError, QueuePlace,
    intake::Delivery,
    message::{self, Command, DecodedMessage, Undecodable},
    policy::{KeyName, RejectedSignature, Verified},
    record::{Durable, Record},
};

/// Larger messages are decoded off the runtime.
const DECODED_INLINE_BYTES_MAX: usize = 16 << 10;

/// Something to be carried out.
#[derive(Debug)]
pub(super) enum Arrival {
    /// From a queue.
    Delivery(Box<Delivery>),
    /// From the state, because its time has come.
    Parked {
        /// The command.
        id: String,
        /// Its message.
        parked: Box<ParkedCommand>,
    },
    /// From the state, and it cannot be read.
    UnreadableParked(UnreadableParked),
    /// From somebody of this machine.
    Local(LocalRequest),
}

/// A command that somebody of this machine asks for.
#[derive(Debug)]
pub struct LocalRequest {
    /// The message.
    pub payload: Bytes,
    /// Who they are.
    pub by: LocalUser,
    /// To tell them what became of it.
    pub answer: oneshot::Sender<LocalAnswer>,
}

/// What a message turned out to be.
#[derive(Debug)]
pub(super) enum Received {
    /// A command that the journal knows.
    Command(Box<Job>),
    /// One that approves another, which the journal knows.
    Approval(Box<ApprovalJob>),
    /// One that is refused, though whoever sent it may ask: the outcome is not one of the command whose id it bears.
    Refused(Box<RefusedMessage>),
    /// One that was answered before.
    Redelivered(Box<Redelivered>),
    /// What waited in the state and cannot be read.
    UnreadableParked(Box<UnreadableParked>),
    /// One that nobody answers, since it can never be a command or its sender is not trusted.
    DeadLetter(Box<DeadMessage>),
}

/// A message whose answer was published, and that the bus gives again.
#[derive(Debug)]
pub(super) struct Redelivered {
    /// Its command.
    pub(super) id: String,
    pub(super) has_ended: bool,
    pub(super) durable: Durable,
    pub(super) origin: Origin,
}

/// A message that is refused.
#[derive(Debug)]
pub(super) struct RefusedMessage {
    /// Why, named by the place where the message stood.
    pub(super) outcome: Outcome,
    /// The command whose outcome this is, if its id is nobody else's.
    pub(super) command: Option<RefusedCommand>,
    pub(super) signed_by: Option<String>,
    /// Whether somebody with a key of ours, or of this machine, brought it about, and not whoever can copy a message.
    pub(super) is_authenticated: bool,
    pub(super) origin: Origin,
}

/// A command that is refused for good, though it may be no command at all.
#[derive(Debug)]
pub(super) struct RefusedCommand {
    pub(super) id: String,
    pub(super) fingerprint: String,
    pub(super) reply_to: Option<String>,
}

/// A message for the dead letters.
#[derive(Debug)]
pub(super) struct DeadMessage {
    pub(super) message: Message,
    pub(super) reason: String,
    /// For the audit, if it claims to be a command whose sender is not trusted.
    pub(super) refused: Option<UntrustedClaims>,
    pub(super) origin: Origin,
}

/// What an untrusted message says of itself.
#[derive(Debug)]
pub(super) struct UntrustedClaims {
    pub(super) id: String,
    pub(super) action: Option<String>,
    pub(super) code: String,
    /// The key of ours that it claims to be signed with.
    pub(super) key: Option<KeyName>,
}

impl Context {
    /// Reads a message. May be dropped at any time: it was not acknowledged, and comes again.
    pub(super) async fn receive(&self, arrival: Arrival) -> Result<Received, EngineError> {
        let now = self.clock.now();
        let (message, unfit, origin) = match arrival {
            Arrival::Delivery(delivery) => {
                let Delivery { payload, headers, message_id, place, published_at, unfit, acknowledgement } =
                    *delivery;
                let message = Message { payload, headers, message_id, published_at };
                let place = QueuePlace { place, published_at };
                (message, unfit, Origin::Queue { place, acknowledgement })
            }
            Arrival::Parked { id, parked } => {
                let origin = Origin::Parked { id, place: parked.place.clone() };
                let empty = || Message {
                    payload: Bytes::new(),
                    headers: Vec::new(),
                    message_id: None,
                    published_at: None,
                };
                (parked.message().unwrap_or_else(empty), None, origin)
            }
            Arrival::UnreadableParked(unreadable) => {
                return Ok(Received::UnreadableParked(Box::new(unreadable)));
            }
            Arrival::Local(LocalRequest { payload, by, answer }) => {
                let message = Message { payload, headers: Vec::new(), message_id: None, published_at: None };
                (message, None, Origin::Local { reveals: false, by, answer })
            }
        };
        if let Some(reason) = unfit {
            return Ok(dead(message, reason, None, origin));
        }
        let verified = match &origin {
            Origin::Queue { .. } => self.signatures.verify(&message.payload, &message.headers),
            // Its key may have been taken away since.
            Origin::Parked { .. } if !message.payload.is_empty() => {
                self.signatures.verify(&message.payload, &message.headers)
            }
            // Who may open the control socket may do all that policy allows.
            Origin::Parked { .. } | Origin::Local { .. } => Ok(Verified::unsigned()),
        };
        let decoded = match decode(&message).await {
            Ok(DecodedMessage::Approval(approval)) => {
                return self.receive_approval(approval, verified, message, origin, now).await;
            }
            Ok(DecodedMessage::Command(command)) => Ok(command),
            Err(undecodable) => Err(undecodable),
        };
        let id = match &decoded {
            Ok(command) => Some(&command.id),
            Err(undecodable) => undecodable.id.as_ref(),
        };
        let found = match id {
            Some(id) => self.journal.find(id).await?,
            None => JournalEntry::Missing,
        };
        // Whatever has become of its key and of the policy since.
        if let (JournalEntry::Record(saved), Some(id)) = (&found, id)
            && let Some(durable) = saved.record.answered_before(origin.queue_place())
        {
            let (id, has_ended) = (id.clone(), saved.record.has_ended());
            return Ok(Received::Redelivered(Box::new(Redelivered { id, has_ended, durable, origin })));
        }
        let (mut command, verified, distrust) = match (decoded, verified) {
            (Ok(command), Ok(verified)) => (command, verified, None),
            // What was begun was let in, whatever has become of its key: only Okta can tell what came of it, and nobody else
            // can tell its outcome.
            (Ok(command), Err(untrusted)) => {
                if self.is_under_way(&command, &found) {
                    (command, Verified::unsigned(), Some(untrusted.error))
                } else if matches!(origin, Origin::Parked { .. }) {
                    let outcome = outcomes::refused(
                        origin.place(),
                        Some(command.request.action().name()),
                        untrusted.error,
                        now,
                    );
                    // It was let in when it came, so that it has an outcome.
                    let command = Some(self.refused_command(command));
                    let signed_by = untrusted.claimed_key.map(|key| key.to_string());
                    let refused =
                        RefusedMessage { outcome, command, signed_by, is_authenticated: true, origin };
                    return Ok(Received::Refused(Box::new(refused)));
                } else {
                    let claimed =
                        UntrustedClaims::by(&command, &untrusted.error).with_key(untrusted.claimed_key);
                    return Ok(distrusted(message, claimed, &untrusted.error, origin));
                }
            }
            (Err(undecodable), Err(RejectedSignature { error, claimed_key })) => {
                let Undecodable { id, action, .. } = undecodable;
                let code = error.code.clone();
                let claimed = UntrustedClaims { id: id.unwrap_or_default(), action, code, key: None };
                return Ok(distrusted(message, claimed.with_key(claimed_key), &error, origin));
            }
            // A signature covers the payload alone: what the transport says of the id may be anybody's word.
            (Err(undecodable), Ok(verified))
                if verified.key().is_some()
                    && !matches!(origin, Origin::Parked { .. })
                    && (!undecodable.is_id_in_payload || verified.require_fresh(now).is_err()) =>
            {
                return Ok(dead(message, undecodable.error.message, None, origin));
            }
            (Err(undecodable), Ok(verified)) => {
                let signed_by = verified.key().map(ToString::to_string);
                return self.unreadable(&undecodable, message, signed_by, origin, now).await;
            }
        };
        let origin = self.with_right_to_secrets(origin, &mut command);
        let signed_by = verified.key().map(ToString::to_string);
        let is_first = matches!(found, JournalEntry::Missing);
        let is_queued = matches!(origin, Origin::Queue { .. });
        // Signatures get old while commands wait, so their age matters when they come for the first time alone, and when what
        // a limit has refused is asked for again.
        let is_fresh = verified.require_fresh(now);
        let is_fresh_now = is_fresh.is_ok();
        let is_fresh = if is_first { is_fresh } else { Ok(()) };
        if let Err(error) = is_fresh.and_then(|()| verified.require_covers(&command)) {
            let claimed = UntrustedClaims::by(&command, &error).with_key(verified.key().cloned());
            return Ok(distrusted(message, claimed, &error, origin));
        }
        let is_under_way = matches!(&found, JournalEntry::Record(saved) if saved.record.is_under_way());
        let is_allowed = verified.require_allowed(&command);
        let refusal = distrust.clone().or(is_allowed.clone().err());
        if !is_under_way && let Err(error) = is_allowed {
            let action = Some(command.request.action().name());
            let error = outcomes::of_message(error, &command.id);
            let outcome = outcomes::refused(origin.place(), action, error, now);
            // A key takes no id by what it may not ask for. What it has asked for when it might ends so.
            let command = self.waiting(command, &found, signed_by.as_deref(), &origin);
            let is_authenticated = is_fresh_now || command.is_some();
            let refused = RefusedMessage { outcome, command, signed_by, is_authenticated, origin };
            return Ok(Received::Refused(Box::new(refused)));
        }
        let record = match found {
            JournalEntry::Record(saved) => saved.record,
            JournalEntry::Missing => {
                if is_queued && let Some(error) = self.too_old(&message, now) {
                    let outcome =
                        outcomes::refused(origin.place(), Some(command.request.action().name()), error, now);
                    let command = Some(self.refused_command(command));
                    let is_authenticated = signed_by.is_some();
                    let refused = RefusedMessage { outcome, command, signed_by, is_authenticated, origin };
                    return Ok(Received::Refused(Box::new(refused)));
                }
                let record = Record { signed_by: signed_by.clone(), ..self.record_of(&command) };
                match self.journal.receive(&command.id, record.clone()).await? {
                    JournalEntry::Record(saved) => saved.record,
                    JournalEntry::Missing | JournalEntry::Unreadable(_) => record,
                }
            }
            // Its turn sees to it.
            JournalEntry::Unreadable(_) => {
                Record { signed_by: signed_by.clone(), ..self.record_of(&command) }
            }
        };
        if distrust.is_none() && !self.is_copy(&command, signed_by.as_deref(), &origin, &record) {
            let error = outcomes::id_reused(&command.id);
            let action = command.request.action().name();
            let outcome = outcomes::refused(origin.place(), Some(action), error, now);
            let is_authenticated = is_authenticated(&origin, signed_by.as_deref(), is_first);
            let refused = RefusedMessage { outcome, command: None, signed_by, is_authenticated, origin };
            return Ok(Received::Refused(Box::new(refused)));
        }
        let approved_by = record.second_key.as_ref().and_then(|second| second.given_by().map(str::to_owned));
        let signed_by = record.signed_by.or(signed_by);
        let job = Job {
            command,
            message,
            verified,
            refusal,
            signed_by,
            approved_by,
            is_fresh: is_fresh_now,
            origin,
        };
        Ok(Received::Command(Box::new(job)))
    }

    /// What is refused of `command`.
    fn refused_command(&self, command: Command) -> RefusedCommand {
        let fingerprint = command.fingerprint.to_kept(&self.key);
        RefusedCommand { id: command.id, fingerprint, reply_to: command.reply_to }
    }

    /// What a refusal ends that is about the rights of a key: the command of `found`, if nothing was begun for it and
    /// `command` is it, asked for with the same key.
    fn waiting(
        &self,
        command: Command,
        found: &JournalEntry,
        signed_by: Option<&str>,
        origin: &Origin,
    ) -> Option<RefusedCommand> {
        let JournalEntry::Record(SavedRecord { record, .. }) = found else { return None };
        let is_own = matches!(origin, Origin::Parked { .. }) || record.signed_by.as_deref() == signed_by;
        let is_waiting =
            record.is_pending() && is_own && command.fingerprint.is_kept(&record.fingerprint, &self.key);
        let fingerprint = record.fingerprint.clone();
        is_waiting.then_some(RefusedCommand { id: command.id, fingerprint, reply_to: command.reply_to })
    }

    /// Whether `command` is a copy of the one of `record`. Whether a secret in it is that of the first is for those to know
    /// who have sent that: others could try passwords so.
    fn is_copy(&self, command: &Command, signed_by: Option<&str>, origin: &Origin, record: &Record) -> bool {
        let Command { fingerprint, .. } = command;
        if !command.has_secrets() {
            return fingerprint.is_kept(&record.fingerprint, &self.key);
        }
        match (signed_by, record.signed_by.as_deref()) {
            (None, None) if matches!(origin, Origin::Queue { .. }) => {
                fingerprint.is_openly(&record.fingerprint)
            }
            (by, first) => by == first && fingerprint.is_kept(&record.fingerprint, &self.key),
        }
    }

    /// Whether `command` is a copy of one that was begun and not told yet. What it takes to compare secrets is spent on
    /// such ids alone.
    fn is_under_way(&self, command: &Command, found: &JournalEntry) -> bool {
        let JournalEntry::Record(saved) = found else { return false };
        let is_under_way = saved.record.is_under_way();
        is_under_way && command.fingerprint.is_exactly(&saved.record.fingerprint, &self.key)
    }

    /// What is older than the journal remembers may have been done before.
    fn too_old(&self, message: &Message, now: Timestamp) -> Option<OutcomeError> {
        let published_at = message.published_at?;
        let keep = self.config.remembers_for();
        (now.duration_since(published_at) > keep).then(|| outcomes::too_old(published_at, self.config.keep))
    }

    /// The first record of `command`.
    pub(super) fn record_of(&self, command: &Command) -> Record {
        let action = command.request.action().name();
        let requested_by = command.requested_by.as_deref();
        Record::new(action, &command.fingerprint.to_kept(&self.key), requested_by, self.clock.now())
    }

    /// The command line is as private as the control socket: who uses it needs no address for secrets, but they must be
    /// allowed.
    fn with_right_to_secrets(&self, origin: Origin, command: &mut Command) -> Origin {
        let Origin::Local { by, answer, .. } = origin else { return origin };
        let reveals = command.reveal && self.config.reveal.allowed;
        command.reveal &= !reveals;
        Origin::Local { reveals, by, answer }
    }

    async fn unreadable(
        &self,
        undecodable: &Undecodable,
        message: Message,
        signed_by: Option<String>,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Received, EngineError> {
        let Undecodable { id, error, .. } = undecodable;
        let (id, fingerprint) = match (&origin, id) {
            (Origin::Local { .. }, id) => {
                let outcome = outcomes::undecodable(undecodable, id.as_deref().unwrap_or_default(), now);
                return Ok(Received::Refused(Box::new(RefusedMessage {
                    outcome,
                    command: None,
                    signed_by,
                    is_authenticated: true,
                    origin,
                })));
            }
            // It was a command once: a change of the state or of the actions has spoiled it.
            (Origin::Parked { id, .. }, _) => {
                let JournalEntry::Record(saved) = self.journal.find(id).await? else {
                    return Ok(dead(message, error.message.clone(), None, origin));
                };
                (id, saved.record.fingerprint)
            }
            // A key takes no id by what is no command.
            (Origin::Queue { .. }, Some(id)) if signed_by.is_some() => {
                let error = outcomes::of_message(error.clone(), id);
                let outcome = outcomes::refused(origin.place(), undecodable.action.as_deref(), error, now);
                let refused =
                    RefusedMessage { outcome, command: None, signed_by, is_authenticated: true, origin };
                return Ok(Received::Refused(Box::new(refused)));
            }
            (Origin::Queue { .. }, Some(id)) => (id, self.key.digest(&message.payload)),
            (Origin::Queue { .. }, None) => return Ok(dead(message, error.message.clone(), None, origin)),
        };
        let is_first = matches!(self.journal.find(id).await?, JournalEntry::Missing);
        let is_authenticated = is_authenticated(&origin, signed_by.as_deref(), is_first);
        let command = Some(RefusedCommand { id: id.clone(), fingerprint, reply_to: None });
        let outcome = outcomes::undecodable(undecodable, origin.place(), now);
        Ok(Received::Refused(Box::new(RefusedMessage {
            outcome,
            command,
            signed_by,
            is_authenticated,
            origin,
        })))
    }
}

async fn decode(message: &Message) -> Result<DecodedMessage, Undecodable> {
    let Message { payload, headers, message_id, .. } = message;
    if payload.len() <= DECODED_INLINE_BYTES_MAX {
        return message::decode_any(payload, headers, message_id.as_deref());
    }
    let message = message.clone();
    let decoding = tokio::task::spawn_blocking(move || {
        message::decode_any(&message.payload, &message.headers, message.message_id.as_deref())
    });
    match decoding.await.map_err(JoinError::try_into_panic) {
        Ok(decoded) => decoded,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is ending, and we with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

impl UntrustedClaims {
    fn by(command: &Command, error: &OutcomeError) -> Self {
        let action = Some(command.request.action().name().to_owned());
        Self { id: command.id.clone(), action, code: error.code.clone(), key: None }
    }

    fn with_key(self, key: Option<KeyName>) -> Self {
        Self { key, ..self }
    }
}

/// Whether a refusal is brought about by somebody with a key of ours or of this machine: what the journal knows already may be
/// a copy, which anybody can send who reads the queue.
fn is_authenticated(origin: &Origin, signed_by: Option<&str>, is_first: bool) -> bool {
    match origin {
        Origin::Queue { .. } => signed_by.is_some() && is_first,
        Origin::Parked { .. } | Origin::Local { .. } => true,
    }
}

/// Whoever sent it is not answered: not under the name that it claims, and not where it asks.
pub(super) fn distrusted(
    message: Message,
    claimed: UntrustedClaims,
    error: &OutcomeError,
    origin: Origin,
) -> Received {
    dead(message, format!("{}: {}", error.code, error.message), Some(claimed), origin)
}

pub(super) fn dead(
    message: Message,
    reason: String,
    refused: Option<UntrustedClaims>,
    origin: Origin,
) -> Received {
    Received::DeadLetter(Box::new(DeadMessage { message, reason, refused, origin }))
}
