//! Turns what arrives into a command: verifies the bytes, decodes them, and finds or writes the journal's record. Sends
//! nothing to Okta and publishes nothing: a message that is not a command goes to a worker too.

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
use crate::{
    command::{
        LocalUser, Outcome, OutcomeError, QueuePlace,
        intake::Delivery,
        message::{self, Command, DecodedMessage, Undecodable},
        policy::{KeyName, RejectedSignature, Verified},
        record::{Durable, Record},
    },
    telemetry::traces::CommandTrace,
};

/// Larger messages are decoded off the runtime.
const DECODED_INLINE_BYTES_MAX: usize = 16 << 10;

/// Something that arrives at the engine.
#[derive(Debug)]
pub(super) enum Arrival {
    /// From a queue.
    Delivery(Box<Delivery>),
    /// A parked command that is due.
    Parked {
        /// The id of the command.
        id: String,
        /// Its message.
        parked: Box<ParkedCommand>,
    },
    /// A parked command that cannot be read.
    UnreadableParked(UnreadableParked),
    /// A request of the command line.
    Local(LocalRequest),
}

/// A command that a user of this machine asks for.
#[derive(Debug)]
pub struct LocalRequest {
    /// The message.
    pub payload: Bytes,
    /// The user who asks.
    pub by: LocalUser,
    /// Receives the answer.
    pub answer: oneshot::Sender<LocalAnswer>,
}

/// What a message turned out to be.
#[derive(Debug)]
pub(super) enum Received {
    /// A command that is in the journal.
    Command(Box<Job>),
    /// An approval that is in the journal.
    Approval(Box<ApprovalJob>),
    /// A message that is refused with an outcome, because its sender is trusted. The outcome is not that of the command
    /// with the same id.
    Refused(Box<RefusedMessage>),
    /// A redelivery of a message that was answered before.
    Redelivered(Box<Redelivered>),
    /// A parked command that cannot be read.
    UnreadableParked(Box<UnreadableParked>),
    /// A message that gets no answer, because it can never be a command or its sender is not trusted.
    DeadLetter(Box<DeadMessage>),
}

/// A message whose answer was published, and that the bus delivers again.
#[derive(Debug)]
pub(super) struct Redelivered {
    /// The id of its command.
    pub(super) id: String,
    pub(super) has_ended: bool,
    pub(super) durable: Durable,
    pub(super) origin: Origin,
}

/// A message that is refused.
#[derive(Debug)]
pub(super) struct RefusedMessage {
    /// The reason. Its id is the place of the message.
    pub(super) outcome: Outcome,
    /// The command whose outcome this is, unless its id belongs to another command.
    pub(super) command: Option<RefusedCommand>,
    pub(super) signed_by: Option<String>,
    /// Whether a holder of a configured key, or a user of this machine, caused it; not anybody who can copy a message.
    pub(super) is_authenticated: bool,
    pub(super) origin: Origin,
}

/// A command that is refused for good. It may be undecodable.
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
    /// For the audit, if the message claims to be a command and its sender is not trusted.
    pub(super) refused: Option<UntrustedClaims>,
    pub(super) origin: Origin,
}

/// What an untrusted message claims.
#[derive(Debug)]
pub(super) struct UntrustedClaims {
    pub(super) id: String,
    pub(super) action: Option<String>,
    pub(super) code: String,
    /// The configured key that it claims to be signed with.
    pub(super) key: Option<KeyName>,
}

impl Context {
    /// Reads a message. May be dropped at any time: the message is unacknowledged, and is delivered again.
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
            // The key may have been removed while the command was parked.
            Origin::Parked { .. } if !message.payload.is_empty() => {
                self.signatures.verify(&message.payload, &message.headers)
            }
            // A user who may open the control socket may do everything that the policy allows.
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
        // This holds even if the key was removed or the policy has changed since.
        if let (JournalEntry::Record(saved), Some(id)) = (&found, id)
            && let Some(durable) = saved.record.answered_before(origin.queue_place())
        {
            let (id, has_ended) = (id.clone(), saved.record.has_ended());
            return Ok(Received::Redelivered(Box::new(Redelivered { id, has_ended, durable, origin })));
        }
        let (mut command, verified, distrust) = match (decoded, verified) {
            (Ok(command), Ok(verified)) => (command, verified, None),
            // A started command was accepted: even if its key was removed since, only Okta can tell what was done, and
            // only this engine can publish its outcome.
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
                    // It was accepted when it arrived, so it gets an outcome.
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
            // A signature covers only the payload: an id in the transport's headers can be forged.
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
        // Signatures grow old while commands wait, so their age is checked only at the first arrival, and when a
        // command that a limit had refused is sent again.
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
            // A key cannot occupy an id with a command that it is not allowed. A waiting command that it was allowed
            // before ends here.
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
            // The worker handles the unreadable entry.
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
        let trace = CommandTrace::received(&message.headers);
        let job = Job {
            command,
            trace,
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

    /// The refusal of `command`.
    fn refused_command(&self, command: Command) -> RefusedCommand {
        let fingerprint = command.fingerprint.to_saved(&self.key);
        RefusedCommand { id: command.id, fingerprint, reply_to: command.reply_to }
    }

    /// The waiting command that ends because its key is no longer allowed: the one of `found`, if nothing was started
    /// for it, and if `command` is the same command with the same key.
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
            record.is_pending() && is_own && command.fingerprint.matches(&record.fingerprint, &self.key);
        let fingerprint = record.fingerprint.clone();
        is_waiting.then_some(RefusedCommand { id: command.id, fingerprint, reply_to: command.reply_to })
    }

    /// Whether `command` is a copy of the command of `record`. Secrets are compared only for the sender of the first
    /// copy: others could use the answer to guess passwords.
    fn is_copy(&self, command: &Command, signed_by: Option<&str>, origin: &Origin, record: &Record) -> bool {
        let Command { fingerprint, .. } = command;
        if !command.has_secrets() {
            return fingerprint.matches(&record.fingerprint, &self.key);
        }
        match (signed_by, record.signed_by.as_deref()) {
            (None, None) if matches!(origin, Origin::Queue { .. }) => {
                fingerprint.matches_open(&record.fingerprint)
            }
            (by, first) => by == first && fingerprint.matches(&record.fingerprint, &self.key),
        }
    }

    /// Whether `command` is a copy of a started command whose outcome was not published yet. The expensive comparison
    /// of secrets is made only for such ids.
    fn is_under_way(&self, command: &Command, found: &JournalEntry) -> bool {
        let JournalEntry::Record(saved) = found else { return false };
        let is_under_way = saved.record.is_under_way();
        is_under_way && command.fingerprint.matches_exactly(&saved.record.fingerprint, &self.key)
    }

    /// A message that is older than the journal remembers may have been executed before.
    fn too_old(&self, message: &Message, now: Timestamp) -> Option<OutcomeError> {
        let published_at = message.published_at?;
        let keep = self.config.remembers_for();
        (now.duration_since(published_at) > keep).then(|| outcomes::too_old(published_at, self.config.keep))
    }

    /// The first record of `command`.
    pub(super) fn record_of(&self, command: &Command) -> Record {
        let action = command.request.action().name();
        let requested_by = command.requested_by.as_deref();
        Record::new(action, &command.fingerprint.to_saved(&self.key), requested_by, self.clock.now())
    }

    /// The command line is as private as the control socket: its user needs no address for secrets, but the command
    /// must be allowed them.
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
            // It was a valid command when it was parked: the state was changed, or the action no longer exists in this
            // form.
            (Origin::Parked { id, .. }, _) => {
                let JournalEntry::Record(saved) = self.journal.find(id).await? else {
                    return Ok(dead(message, error.message.clone(), None, origin));
                };
                (id, saved.record.fingerprint)
            }
            // A key cannot occupy an id with a message that is not a command.
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
        // The runtime is shutting down, and this task with it.
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

/// Whether a refusal was caused by a holder of a configured key or by a user of this machine. A message about a known
/// command may be a copy, which anybody who reads the queue can send.
fn is_authenticated(origin: &Origin, signed_by: Option<&str>, is_first: bool) -> bool {
    match origin {
        Origin::Queue { .. } => signed_by.is_some() && is_first,
        Origin::Parked { .. } | Origin::Local { .. } => true,
    }
}

/// A message of an untrusted sender gets no answer: neither under the id that it claims, nor at the address that it
/// names.
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
