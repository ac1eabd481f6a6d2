//! Decodes a message of the queue, a plain JSON object or a CloudEvent, into a typed and bounded command.
//!
//! Every message becomes a [`Command`] or an [`Undecodable`] with the reason. Shows no secret: an invalid value is
//! described by its kind.

mod approval;
mod cloud_event;
mod envelope;
mod fingerprint;
mod strict_json;
mod unfit;

use bytes::Bytes;
use jiff::Timestamp;
use okta_system_log::event::is_noncharacter;
use serde_json::{Map, Value};

use self::envelope::Envelope;
pub use self::fingerprint::{Fingerprint, FingerprintKey, of_approval};
use super::{Action, Expect, OutcomeError, Request, message_id};

pub use approval::{APPROVE, Approval};
pub use envelope::schema;
pub use strict_json::object;

/// Headers as received: names may repeat, and keep their case.
pub type Headers = Vec<(String, Bytes)>;

/// The largest payload. Sensible commands name some hundred groups or carry a long profile.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// The longest id.
pub const ID_BYTES_MAX: usize = 256;
/// The longest `reason`, `requested_by` and `reply_to`.
pub const TEXT_BYTES_MAX: usize = 1 << 10;

/// A request to Okta, with everything that came with it.
#[derive(Debug, Clone)]
pub struct Command {
    /// The same for all copies.
    pub id: String,
    /// Whether the payload has the id, as the command's or a structured CloudEvent's; otherwise it is from the
    /// transport, which no signature covers.
    pub is_id_in_payload: bool,
    /// The request.
    pub request: Request,
    /// The earliest start.
    pub not_before: Option<Timestamp>,
    /// The start must be before this time.
    pub expires_at: Option<Timestamp>,
    /// Whether it only asks what would be done.
    pub dry_run: bool,
    /// The address of the outcome, in place of the configured one.
    pub reply_to: Option<String>,
    /// The reason, for the audit.
    pub reason: Option<String>,
    /// The requester, for the audit: a claim, unless the message is signed.
    pub requested_by: Option<String>,
    /// The expectations.
    pub expect: Expect,
    /// Whether the outcome shall show secrets.
    pub reveal: bool,
    /// A digest of the request.
    pub fingerprint: Fingerprint,
}

/// A decoded message.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are commands")]
pub enum DecodedMessage {
    /// A request to Okta.
    Command(Command),
    /// The approval of a command of another key.
    Approval(Approval),
}

/// Whether a command may be started, as far as time matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It may be started.
    Due,
    /// It may not be started before this time.
    Early(Timestamp),
    /// It has expired.
    Expired,
}

/// A message that is not a command. With an id it gets a refusal as its outcome; without one it is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// The id, if there is a valid one.
    pub id: Option<String>,
    /// Whether the payload has the id: a signature covers nothing else.
    pub is_id_in_payload: bool,
    /// The action as written, if there is one.
    pub action: Option<String>,
    /// Why it is not a command.
    pub error: OutcomeError,
}

impl Command {
    /// Whether it has a secret.
    pub fn has_secrets(&self) -> bool {
        self.fingerprint.has_secrets()
    }

    /// Whether it may be started at `now`.
    pub fn timing(&self, now: Timestamp) -> Timing {
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Timing::Expired;
        }
        match self.not_before {
            Some(not_before) if not_before > now => Timing::Early(not_before),
            _ => Timing::Due,
        }
    }
}

/// Decodes a command from its payload, its headers, and the id that the bus gives it, if it does. The id in the payload
/// takes precedence, then that of the CloudEvent, then `message_id`.
pub fn decode(payload: &Bytes, headers: &Headers, message_id: Option<&str>) -> Result<Command, Undecodable> {
    match decode_any(payload, headers, message_id)? {
        DecodedMessage::Command(command) => Ok(command),
        DecodedMessage::Approval(Approval { id, is_id_in_payload, .. }) => {
            let (id, action, error) = (Some(id), Some(APPROVE.to_owned()), unfit::unknown_action(APPROVE));
            Err(Undecodable { id, is_id_in_payload, action, error })
        }
    }
}

/// Like [`decode`], for a message that may also be an approval.
pub fn decode_any(
    payload: &Bytes,
    headers: &Headers,
    message_id: Option<&str>,
) -> Result<DecodedMessage, Undecodable> {
    let of_event = cloud_event::id(headers).filter(|id| is_good_id(id));
    let of_message = || message_id.filter(|id| is_good_id(id)).map(str::to_owned);
    let mut known = Known { id: of_event.or_else(of_message), is_id_in_payload: false, action: None };
    let read = read(payload, headers, &mut known);
    read.map_err(|error| {
        let Known { id, is_id_in_payload, action } = known;
        Undecodable { id, is_id_in_payload, action, error }
    })
}

/// The command in `payload`, for people: its members without the secret parameters. None if there is no command.
pub fn without_secrets(payload: &[u8], headers: &Headers) -> Option<Map<String, Value>> {
    let mut command = object(payload).ok()?;
    if cloud_event::is_structured(headers, &command) {
        (_, command) = cloud_event::open(command).ok()?;
    }
    let action = Action::named(command.get("action")?.as_str()?)?;
    if let Some(Value::Object(parameters)) = command.get_mut("parameters") {
        parameters.retain(|name, _| !action.secrets().contains(&name.as_str()));
    }
    Some(command)
}

/// What was decoded before an error.
#[derive(Debug)]
struct Known {
    id: Option<String>,
    is_id_in_payload: bool,
    action: Option<String>,
}

fn read(payload: &[u8], headers: &Headers, known: &mut Known) -> Result<DecodedMessage, OutcomeError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(unfit::too_large(payload.len()));
    }
    let mut object = object(payload)?;
    let mut is_id_in_payload = false;
    if cloud_event::is_structured(headers, &object) {
        let (id, command) = cloud_event::open(object)?;
        is_id_in_payload = is_good_id(&id);
        if is_id_in_payload {
            known.id = Some(id);
            known.is_id_in_payload = true;
        }
        object = command;
    }
    let id_around = known.id.clone();
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if let Some(id) = text("id").filter(|id| is_good_id(id)) {
        known.id = Some(id.to_owned());
        known.is_id_in_payload = true;
    }
    known.action = text("action").map(shortened);
    let asked = object.clone();
    let envelope = Envelope::read(object)?;
    is_id_in_payload |= envelope.id.is_some();
    let id = match envelope.id.clone() {
        Some(id) if is_good_id(&id) => id,
        Some(id) if message_id::is_place(&id) => return Err(unfit::id_of_a_place()),
        Some(_) => return Err(unfit::bad_id()),
        None => id_around.ok_or_else(unfit::missing_id)?,
    };
    if envelope.action == APPROVE {
        let fingerprint = Fingerprint::of(&id, &asked, &[]);
        return Approval::read(envelope, (id, is_id_in_payload), fingerprint).map(DecodedMessage::Approval);
    }
    let action = Action::named(&envelope.action).ok_or_else(|| unfit::unknown_action(&envelope.action))?;
    let request = Request::read(action, envelope.parameters.into());
    let request = request.map_err(|reason| unfit::parameters(action, &reason))?;
    let fingerprint = Fingerprint::of(&id, &asked, action.secrets());
    Ok(DecodedMessage::Command(Command {
        id,
        is_id_in_payload,
        request,
        not_before: envelope.not_before,
        expires_at: envelope.expires_at,
        dry_run: envelope.dry_run,
        reply_to: envelope.reply_to,
        reason: envelope.reason,
        requested_by: envelope.requested_by,
        expect: envelope.expect,
        reveal: envelope.reveal,
        fingerprint,
    }))
}

/// Whether an id can be saved, printed and compared, and be the id of a CloudEvent: not empty, no control characters or
/// noncharacters, no blanks around it, not too long, and not a place in a queue, which is the id of a refusal.
pub(in crate::command) fn is_good_id(id: &str) -> bool {
    let is_fit = |c: char| !c.is_control() && !is_noncharacter(c);
    let is_of_fit_length = !id.is_empty() && id.len() <= ID_BYTES_MAX;
    is_of_fit_length && id.trim() == id && id.chars().all(is_fit) && !message_id::is_place(id)
}

/// The beginning of an arbitrary text.
pub(in crate::command) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
